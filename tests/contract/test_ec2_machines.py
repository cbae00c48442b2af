"""Instances of ours on the EC2 adapter: seen, tagged, ended; what launches leave behind."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import boto3
import pytest

from runnerkit import tags
from runnerkit.errors import CloudDenied, CloudError, CloudUnavailable
from runnerkit.model import Leftover, Market, State
from runnerkit.settings import AwsSettings
from tests.contract.ec2_world import T4, World, ec2_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mypy_boto3_ec2.type_defs import TagTypeDef
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_ssm.type_defs import TagTypeDef as SsmTag

HOME = "us-east-1"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """A local EC2 with a baked image."""
    with ec2_world(monkeypatch, tmp_path / "cache") as made:
        yield made


def foreign(world: World, marks: dict[str, str], count: int = 1, region: str = HOME) -> list[str]:
    """Instances that somebody started without us."""
    client = world.client(region)
    image = world.image_id if region == HOME else client.describe_images()["Images"][0]["ImageId"]
    made = client.run_instances(
        ImageId=image,
        InstanceType="t3.micro",
        MinCount=count,
        MaxCount=count,
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in marks.items()]}
        ],
    )
    return [instance["InstanceId"] for instance in made["Instances"]]


def test_a_launched_machine_is_listed_as_it_was_ordered(world: World) -> None:
    """Leases, ids and names come back from the tags, the rest from EC2."""
    cloud = world.cloud()
    launched = world.launch(cloud)
    written = world.tags()
    (seen,) = cloud.instances()
    assert (seen.id, seen.name, seen.repo) == (launched.instance_id, "rk-77-1", "octo/models")
    assert (seen.region, seen.zone, seen.type) == (HOME, launched.zone, "g4dn.xlarge")
    assert (seen.market, seen.state, seen.digest) == (Market.SPOT, State.RUNNING, "0a1b2c3d")
    assert (seen.runner_id, seen.run_id, seen.job_id) == (7, 1234, 77)
    assert seen.expires_at is not None
    assert abs(seen.expires_at.timestamp() - int(written[tags.EXPIRES_AT])) < 30
    assert seen.expires_at - seen.launched_at == timedelta(hours=24)
    assert cloud.find("rk-77-1") == [seen]
    assert cloud.find("rk-77-2") == []


def test_what_lacks_our_tag_is_neither_seen_nor_touched(world: World) -> None:
    """Another installation of runnerkit and machines of others live in the same account."""
    others = foreign(world, {"Name": "database"}) + foreign(world, world.tags(owner="lab"))
    cloud = world.cloud()
    assert cloud.instances() == []
    assert cloud.find("rk-77-1") == []
    assert cloud.leftovers() == []
    assert {world.ec2.instance(id_).state for id_ in others} == {"running"}


def test_damaged_tags_hide_no_machine(world: World) -> None:
    """Somebody edited them: it still costs money, so it is still listed."""
    foreign(world, {tags.OWNER: "runnerkit", tags.RUNNER: "not one of ours", tags.EXPIRES_AT: "tomorrow"})
    foreign(world, {tags.OWNER: "runnerkit", tags.RUNNER_ID: "-", tags.PRICE: "nan", tags.LAUNCHED_AT: "9" * 40})
    seen = world.cloud().instances()
    assert {instance.name for instance in seen} == {"not one of ours", ""}
    assert [(i.expires_at, i.runner_id, i.price) for i in seen] == [(None, None, None)] * 2


def test_an_interrupted_machine_tells_why_it_ended(world: World) -> None:
    """EC2's state reason is the authority on interruptions."""
    cloud = world.cloud()
    launched = world.launch(cloud)
    world.ec2.interrupt(launched.instance_id, notice=1)
    world.clock.wait(5)
    (seen,) = cloud.instances()
    assert not seen.live
    assert seen.state_reason == "Server.SpotInstanceTermination"


def test_machines_of_every_configured_region_are_listed(world: World) -> None:
    """And one region that cannot be read fails the reading: half a list is worse than none."""
    ours = {tags.OWNER: "runnerkit", tags.RUNNER: "rk-77-1"}
    here, there = foreign(world, ours), foreign(world, ours, region="us-west-2")
    cloud = world.cloud(AwsSettings(regions=(HOME, "us-west-2")))
    assert [(i.id, i.region) for i in cloud.instances()] == [(here[0], HOME), (there[0], "us-west-2")]
    world.ec2.refuse("Unavailable", "DescribeInstances", times=3)
    with pytest.raises(CloudUnavailable, match="listing our instances"):
        world.cloud(AwsSettings(regions=("us-west-2",))).instances()


def test_one_bad_id_does_not_save_the_others(world: World) -> None:
    """EC2 refuses the whole call for one unknown or senseless id; every known machine is ended all the same."""
    known = foreign(world, {tags.OWNER: "runnerkit"}, count=6)
    world.cloud().terminate(HOME, [*known[:3], "i-0123456789abcdef0", *known[3:], "i-none"])
    assert {world.ec2.instance(id_).state for id_ in known} <= {"shutting-down", "terminated"}


def test_an_outage_is_not_taken_for_a_bad_id(world: World) -> None:
    """Halves would fail as well: one call, as often as boto3 repeats it, however many machines it names."""
    world.ec2.refuse("Unavailable", "TerminateInstances", times=None)
    with pytest.raises(CloudUnavailable):
        world.cloud().terminate(HOME, ["i-0123456789abcdef0", "i-0123456789abcdef1"])
    assert world.ec2.calls.count("TerminateInstances") == 3


def test_ending_what_is_gone_is_done(world: World) -> None:
    """Absence is success, and so is ending twice."""
    known = foreign(world, {tags.OWNER: "runnerkit"})
    cloud = world.cloud()
    for _ in range(2):
        cloud.terminate(HOME, known)
    cloud.terminate(HOME, ["i-0123456789abcdef0"])
    cloud.terminate(HOME, [])
    assert world.clock.waited == []


def test_a_protected_machine_is_told_and_the_others_are_ended(world: World) -> None:
    """Termination protection voids the whole call as well."""
    known = foreign(world, {tags.OWNER: "runnerkit"}, count=3)
    world.client().modify_instance_attribute(InstanceId=known[1], DisableApiTermination={"Value": True})
    with pytest.raises(CloudError, match=known[1]):
        world.cloud().terminate(HOME, known)
    states = [world.ec2.instance(id_).state for id_ in known]
    assert states[1] == "running"
    assert {states[0], states[2]} <= {"shutting-down", "terminated"}


def test_a_machine_that_ec2_does_not_know_yet_is_ended_when_it_does(world: World) -> None:
    """Right after our own launch "not found" is a matter of seconds, not of absence."""
    world.ec2.settle(8)
    cloud = world.cloud()
    launched = world.launch(cloud)
    cloud.terminate(HOME, [launched.instance_id])
    assert sum(world.clock.waited) >= 8
    assert world.ec2.instance(launched.instance_id).state in {"shutting-down", "terminated"}


def test_a_machine_that_stays_unknown_is_given_up(world: World) -> None:
    """After the settle window absence is absence; the waiting has an end."""
    cloud = world.cloud()
    launched = world.launch(cloud)
    world.ec2.refuse("InvalidInstanceID.NotFound", "TerminateInstances", times=None)
    cloud.terminate(HOME, [launched.instance_id])
    assert 55 < sum(world.clock.waited) < 70


def test_marks_are_set_and_taken_back(world: World) -> None:
    """Since when a machine's runner is gone is written on the machine itself."""
    cloud = world.cloud()
    (launched, since) = (world.launch(cloud), world.clock.now().replace(microsecond=0))
    cloud.tag(HOME, launched.instance_id, tags.mark("gone-since", since))
    assert cloud.instances()[0].gone_since == since
    cloud.tag(HOME, launched.instance_id, tags.mark("gone-since", None))
    assert cloud.instances()[0].gone_since is None
    cloud.tag(HOME, "i-0123456789abcdef0", tags.mark("lost-since", since))


def test_the_console_is_text_and_empty_when_there_is_none(world: World) -> None:
    """What the machine wrote, decoded."""
    cloud = world.cloud()
    launched = world.launch(cloud)
    world.ec2.console(launched.instance_id, "booted \N{SNOWMAN}\npowering off: no job in time\n")
    assert cloud.console(HOME, launched.instance_id) == "booted \N{SNOWMAN}\npowering off: no job in time\n"
    assert cloud.console(HOME, "i-0123456789abcdef0") == ""


def test_the_console_of_an_older_type_is_what_ec2_posted_last(world: World) -> None:
    """Only Nitro shows the console of this moment; the others refuse the wish for it."""
    cloud = world.cloud()
    made = world.client().run_instances(ImageId=world.image_id, InstanceType="t2.micro", MinCount=1, MaxCount=1)
    instance_id = made["Instances"][0]["InstanceId"]
    world.ec2.console(instance_id, "posted")
    for latest in ([True, None], [None]):
        world.ec2.calls.clear()
        assert cloud.console(HOME, instance_id) == "posted"
        asked = [call.parameters.get("Latest") for call in world.ec2.calls.of("GetConsoleOutput")]
        assert latest == asked, "what the type cannot do is asked for once"


def test_a_machine_that_is_not_ready_for_it_is_asked_again(world: World) -> None:
    """A refusal that will pass is no property of the type."""
    cloud = world.cloud()
    launched = world.launch(cloud)
    world.ec2.console(launched.instance_id, "now")
    world.ec2.refuse("IncorrectInstanceState", "GetConsoleOutput")
    assert cloud.console(HOME, launched.instance_id) == "now"
    world.ec2.calls.clear()
    assert cloud.console(HOME, launched.instance_id) == "now"
    (call,) = world.ec2.calls.of("GetConsoleOutput")
    assert call.parameters["Latest"]


def test_the_console_of_a_terminated_machine_is_still_read(world: World) -> None:
    """EC2 keeps the last output as long as it shows the machine."""
    cloud = world.cloud()
    launched = world.launch(cloud)
    world.ec2.console(launched.instance_id, "powering off: no job in time\n")
    world.ec2.power_off(launched.instance_id)
    assert cloud.console(HOME, launched.instance_id) == "powering off: no job in time\n"


def leave_behind(world: World, owner: str) -> None:
    """A volume, a template and a parameter, as a crash in the middle of a launch leaves them."""
    client = world.client()
    mark: TagTypeDef = {"Key": tags.OWNER, "Value": owner}
    client.create_volume(
        AvailabilityZone="us-east-1a", Size=8, TagSpecifications=[{"ResourceType": "volume", "Tags": [mark]}]
    )
    client.create_launch_template(
        LaunchTemplateName=f"rk-9-1-{owner}",
        LaunchTemplateData={"InstanceType": "t3.nano"},
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": [mark]}],
    )
    parameter: SsmTag = {"Key": tags.OWNER, "Value": owner}
    ssm_client().put_parameter(Name=f"/runnerkit/i-{owner}", Value="x", Type="SecureString", Tags=[parameter])


def ssm_client() -> SSMClient:
    """SSM of the same world."""
    return boto3.client("ssm", region_name=HOME)


def test_leftovers_are_found_when_no_launch_can_need_them_and_removed(world: World) -> None:
    """Volumes, templates and parameters of ours, ten minutes old; those of others stay."""
    leave_behind(world, "runnerkit")
    leave_behind(world, "lab")
    cloud = world.cloud()
    assert cloud.leftovers() == []
    world.clock.wait(11 * 60)
    found = cloud.leftovers()
    assert {left.kind for left in found} == {"volume", "launch-template", "parameter"}
    assert len(found) == 3
    for left in (*found, *found):
        cloud.remove(left)
    assert cloud.leftovers() == []
    assert len(world.cloud(AwsSettings(owner="lab")).leftovers()) == 3


def test_an_attached_volume_is_no_leftover(world: World) -> None:
    """The root disk of a running machine carries the same tags."""
    cloud = world.cloud()
    world.launch(cloud)
    world.clock.wait(11 * 60)
    assert cloud.leftovers() == []


def test_parameters_need_no_permission(world: World) -> None:
    """Who does not use them need not allow reading them."""
    leave_behind(world, "runnerkit")
    world.clock.wait(11 * 60)
    world.ec2.refuse("AccessDeniedException", "DescribeParameters", times=None)
    assert {left.kind for left in world.cloud().leftovers()} == {"volume", "launch-template"}


def test_removing_without_permission_names_it(world: World) -> None:
    """A sweep that may not delete says which right it lacks."""
    leave_behind(world, "runnerkit")
    world.clock.wait(11 * 60)
    cloud = world.cloud()
    volume: Leftover = next(left for left in cloud.leftovers() if left.kind == "volume")
    world.ec2.refuse("UnauthorizedOperation", "DeleteVolume")
    with pytest.raises(CloudDenied, match="ec2:DeleteVolume"):
        cloud.remove(volume)


def test_a_wish_launched_and_ended_leaves_nothing_at_all(world: World) -> None:
    """Machine, volume, template: all gone; only the security group stays, for the next one."""
    cloud = world.cloud()
    launched = world.launch(cloud, T4)
    cloud.terminate(HOME, [launched.instance_id])
    world.clock.wait(11 * 60)
    assert cloud.leftovers() == []
    assert world.templates() == 0
    assert world.ec2.instances("pending", "running") == []
