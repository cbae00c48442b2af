"""Launching when AWS says no, says nothing, or says it twice: never a second machine, never a silent one."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from botocore.parsers import EC2QueryParser

from runnerkit import tags
from runnerkit.errors import (
    CloudDenied,
    CloudThrottled,
    CloudUnavailable,
    ConfigError,
    ImageMissing,
    LaunchRejected,
    RunnerkitError,
)
from runnerkit.model import Breadth, Market
from runnerkit.settings import AwsSettings
from tests.contract.ec2_world import SPOT_ONLY, T4, World, ec2_world, no_capacity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from botocore.model import Shape


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """A local EC2 with a baked image."""
    with ec2_world(monkeypatch, tmp_path / "cache") as made:
        yield made


def failed(world: World, error: type[RunnerkitError]) -> RunnerkitError:
    """Launch, and return what went wrong."""
    cloud = world.cloud()
    with pytest.raises(error) as caught:
        world.launch(cloud)
    assert type(caught.value) is error
    return caught.value


def test_everything_refused_is_told_pool_by_pool_and_leaves_nothing(world: World) -> None:
    """NoCapacity carries one refusal for each pool of both markets; no machine and no template stay."""
    world.ec2.capacity("*", "*", "*", 0)
    cloud = world.cloud()
    pools = sum(len(attempt.offerings) for attempt in world.tries(cloud))
    error = no_capacity(world, cloud)
    assert len({(r.type, r.zone, r.market) for r in error.refusals}) == len(error.refusals) == pools > 4
    assert {(r.market, r.code) for r in error.refusals} == {
        (Market.SPOT, "UnfulfillableCapacity"),
        (Market.ON_DEMAND, "InsufficientInstanceCapacity"),
    }
    assert tuple(world.refused) == error.refusals
    assert "UnfulfillableCapacity" in error.message
    assert error.hint
    assert (world.ec2.instances(), world.templates()) == ([], 0)


def test_a_spot_quota_is_named_with_its_code_and_place(world: World) -> None:
    """New accounts have a G spot quota of 0 and learn of it at launch only: say which quota, and where to raise it."""
    world.ec2.quota("spot", "G", 0)
    launched = world.launch(world.cloud())
    assert launched.market is Market.ON_DEMAND
    refusal = launched.refusals[0]
    assert (refusal.code, refusal.breadth) == ("MaxSpotInstanceCountExceeded", Breadth.QUOTA)
    assert "'All G and VT Spot Instance Requests' (L-3819A6DF) of us-east-1" in refusal.message
    assert "servicequotas/home/services/ec2/quotas/L-3819A6DF" in refusal.message


def test_both_quotas_used_up_is_no_capacity(world: World) -> None:
    """Nothing to wait for, and the hint says that a quota is the matter."""
    world.ec2.quota("spot", "G", 0)
    world.ec2.quota("on-demand", "G", 0)
    error = no_capacity(world, world.cloud())
    assert {refusal.code for refusal in error.refusals} == {"MaxSpotInstanceCountExceeded", "VcpuLimitExceeded"}
    assert "quota" in error.hint


def test_capacity_refused_as_http_500_is_not_repeated(world: World) -> None:
    """It is botocore that would send the same call three times; here it goes out once, and the next attempt follows."""
    world.ec2.refuse("InsufficientInstanceCapacity", "CreateFleet")
    launched = world.launch(world.cloud())
    assert world.launches().count("CreateFleet") == 2
    assert launched.market is Market.ON_DEMAND
    assert {refusal.market for refusal in launched.refusals} == {Market.SPOT}
    assert world.clock.waited == []


def test_spot_without_its_service_linked_role_falls_back(world: World) -> None:
    """The account cannot use spot at all: on-demand, and the hint tells how to make the role."""
    world.ec2.refuse("AuthFailure.ServiceLinkedRoleCreationNotPermitted", "CreateFleet")
    launched = world.launch(world.cloud())
    assert launched.market is Market.ON_DEMAND
    assert {refusal.breadth for refusal in launched.refusals} == {Breadth.MARKET}
    world.ec2.refuse("AuthFailure.ServiceLinkedRoleCreationNotPermitted", "CreateFleet")
    assert "create-service-linked-role" in no_capacity(world, world.cloud(), SPOT_ONLY).hint


def test_a_limit_of_the_region_skips_its_other_attempts(world: World) -> None:
    """Too many fleets is true for on-demand as well."""
    world.ec2.refuse("MaxFleetCountExceeded", "CreateFleet", times=None)
    error = no_capacity(world, world.cloud())
    assert world.launches().count("CreateFleet") == 1
    assert {refusal.breadth for refusal in error.refusals} == {Breadth.REGION}


def test_a_throttled_launch_is_repeated_after_growing_pauses(world: World) -> None:
    """The same call under the same token, a little later each time."""
    world.ec2.throttle("CreateFleet", times=2)
    world.launch(world.cloud())
    fleets = world.ec2.calls.of("CreateFleet")
    assert len(fleets) == 3
    assert len({call.parameters["ClientToken"] for call in fleets}) == 1
    assert world.clock.waited == sorted(world.clock.waited)
    assert len(world.ec2.instances()) == 1


def test_a_throttle_without_end_is_given_up_within_twenty_seconds(world: World) -> None:
    """Four tries; then the caller decides when to come back."""
    world.ec2.throttle("CreateFleet", times=None)
    error = failed(world, CloudThrottled)
    assert error.retryable
    assert world.ec2.calls.count("CreateFleet") == 4
    assert sum(world.clock.waited) <= 20
    assert world.templates() == 0


def test_a_lost_answer_after_the_template_leaves_one_template_and_none_at_the_end(world: World) -> None:
    """The call is repeated under its token, which gives the template that was made the first time."""
    world.ec2.lose_answer("CreateLaunchTemplate")
    world.launch(world.cloud())
    made = world.ec2.calls.of("CreateLaunchTemplate")
    assert len({call.parameters["ClientToken"] for call in made}) == 1
    assert (len(made), world.templates(), len(world.ec2.instances())) == (2, 0, 1)
    assert world.clock.waited, "it was repeated by us, not by boto3"


def test_a_template_whose_answer_never_arrives_is_deleted_by_name(world: World) -> None:
    """It may exist: nothing is left behind on failure."""
    world.ec2.lose_answer("CreateLaunchTemplate", times=None)
    failed(world, CloudUnavailable)
    assert (world.templates(), world.ec2.instances()) == (0, [])


def test_a_lost_answer_after_the_fleet_starts_no_second_machine(world: World) -> None:
    """The repeated call gives back the machine that the first one started."""
    world.ec2.lose_answer("CreateFleet")
    launched = world.launch(world.cloud())
    assert [instance.id for instance in world.ec2.instances()] == [launched.instance_id]
    assert world.ec2.calls.count("CreateFleet") == 2


def test_an_answer_cut_short_starts_no_second_machine(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an answer, or a proxy's page in its place, is none: the call is repeated under its token."""
    whole, cut = EC2QueryParser.parse, ["CreateLaunchTemplateResponse", "CreateFleetResponse"]

    def parse(self: EC2QueryParser, response: dict[str, Any], shape: Shape) -> object:
        body = response["body"]
        if cut and cut[0].encode() in body:
            cut.pop(0)
            response = {**response, "body": body[: len(body) // 2]}
        return whole(self, response, shape)

    monkeypatch.setattr(EC2QueryParser, "parse", parse)
    launched = world.launch(world.cloud())
    assert [instance.id for instance in world.ec2.instances()] == [launched.instance_id]
    assert (world.ec2.calls.count("CreateFleet"), cut, world.templates()) == (2, [], 0)


def test_a_fleet_whose_answer_never_arrives_is_unknown_and_can_be_found(world: World) -> None:
    """CloudUnavailable says where to look; exactly one machine runs, and its name finds it."""
    world.ec2.lose_answer("CreateFleet", times=None)
    error = failed(world, CloudUnavailable)
    assert "unknown" in error.message
    assert f"{tags.RUNNER}=rk-77-1" in error.hint
    assert [found.id for found in world.cloud().find("rk-77-1")] == [i.id for i in world.ec2.instances()]
    assert len(world.ec2.instances()) == 1


def test_credentials_that_expire_while_the_outcome_is_unknown_leave_it_unknown(world: World) -> None:
    """The first call may have started a machine, so "denied" would be a lie."""
    world.ec2.lose_answer("CreateFleet")
    world.clock.meanwhile = lambda: world.ec2.credentials("ExpiredToken")
    error = failed(world, CloudUnavailable)
    assert error.retryable
    assert len(world.ec2.instances()) == 1


def test_an_internal_error_of_aws_is_repeated(world: World) -> None:
    """HTTP 500 with a code that says nothing about capacity."""
    world.ec2.refuse("InternalError", "CreateFleet", times=2)
    world.launch(world.cloud())
    assert (world.ec2.calls.count("CreateFleet"), len(world.ec2.instances())) == (3, 1)


def test_a_fleet_that_failed_on_its_side_is_asked_anew(world: World) -> None:
    """Under another token: the same one would get the same answer for ever."""
    world.ec2.capacity("*", "*", "spot", 0, code="InternalError")
    world.clock.meanwhile = lambda: world.ec2.capacity("*", "*", "spot", None)
    assert world.launch(world.cloud()).market is Market.SPOT
    assert len({call.parameters["ClientToken"] for call in world.ec2.calls.of("CreateFleet")}) == 2


def test_a_missing_permission_is_named(world: World) -> None:
    """What is missing and where to add it, without the encoded part that nobody can read; no second attempt."""
    world.ec2.refuse("UnauthorizedOperation", "CreateFleet", times=None)
    error = failed(world, CloudDenied)
    assert "the permission ec2:CreateFleet is missing" in error.message
    assert "Encoded" not in error.message
    assert "ec2:CreateFleet" in error.hint
    assert (world.ec2.calls.count("CreateFleet"), world.templates()) == (1, 0)


def test_expired_credentials_say_how_to_get_new_ones(world: World) -> None:
    """A workflow's credentials live an hour; the message says what to do in a workflow and at a desk."""
    world.ec2.credentials("ExpiredToken")
    error = failed(world, CloudDenied)
    assert "ExpiredToken" in error.message
    assert "aws sso login" in error.hint


def test_a_wrong_launch_is_refused_at_once(world: World) -> None:
    """A mistake in the request is no reason to try on-demand, nor to try again."""
    world.ec2.refuse(
        "InvalidParameterValue", "CreateFleet", message="Value (nope) for parameter iamInstanceProfile.name is invalid."
    )
    error = failed(world, LaunchRejected)
    assert "iamInstanceProfile" in error.message
    assert (world.ec2.calls.count("CreateFleet"), world.templates()) == (1, 0)


def test_a_template_that_cannot_be_deleted_is_no_failed_launch(world: World) -> None:
    """The machine runs; the template is a leftover that the sweep removes."""
    world.ec2.refuse("UnauthorizedOperation", "DeleteLaunchTemplate")
    launched = world.launch(world.cloud())
    assert world.ec2.instance(launched.instance_id).state == "running"
    assert world.templates() == 1


def test_a_template_of_an_earlier_crash_is_replaced(world: World) -> None:
    """Its user data holds a spent secret: it is deleted and made anew, because it carries our tag."""
    world.client().create_launch_template(
        LaunchTemplateName="rk-77-1",
        LaunchTemplateData={"InstanceType": "t3.nano"},
        TagSpecifications=[
            {"ResourceType": "launch-template", "Tags": [{"Key": tags.OWNER, "Value": "runnerkit"}]},
        ],
    )
    launched = world.launch(world.cloud())
    assert launched.type == "g4dn.xlarge"
    assert world.templates() == 0


def test_a_template_of_somebody_else_is_left_alone(world: World) -> None:
    """Nothing without our owner tag is ever touched."""
    world.client().create_launch_template(LaunchTemplateName="rk-77-1", LaunchTemplateData={"InstanceType": "t3.nano"})
    error = failed(world, LaunchRejected)
    assert "does not carry our owner tag" in error.message
    assert world.templates() == 1


def test_a_remembered_security_group_that_is_gone_is_looked_up_anew(world: World) -> None:
    """The cache is an hour old at most, and that is long enough for somebody to tidy up."""
    first = world.launch(world.cloud())
    group = world.ec2.instance(first.instance_id).group_ids[0]
    world.cloud().terminate("us-east-1", [first.instance_id])
    world.client().delete_security_group(GroupId=group)
    second = world.launch(world.cloud(), name="rk-78-1")
    assert world.ec2.instance(second.instance_id).group_ids[0] != group
    assert world.templates() == 0


def test_a_group_that_aws_does_not_know_yet_is_waited_for(world: World) -> None:
    """What was made a moment ago may not be known everywhere: a pause, and the same once more."""
    world.ec2.capacity("*", "*", "*", 0, code="InvalidGroup.NotFound")
    world.clock.meanwhile = lambda: world.ec2.capacity("*", "*", "*", None)
    world.launch(world.cloud())
    assert (world.ec2.calls.count("CreateFleet"), len(world.ec2.instances()), world.templates()) == (2, 1, 0)


def test_a_remembered_image_that_is_gone_is_looked_up_anew(world: World) -> None:
    """A rebake deregistered the old image a minute ago."""
    world.launch(world.cloud())
    newer = world.ec2.bake("ml-2027", {tags.RECIPE: "cafe"})
    world.client().deregister_image(ImageId=world.image_id)
    launched = world.launch(world.cloud(), name="rk-78-1")
    assert world.ec2.instance(launched.instance_id).image_id == newer


def test_an_image_of_another_kind_does_not_replace_a_baked_one(world: World) -> None:
    """A stock image needs other user data: the launch fails as ImageMissing instead of booting into nothing."""
    world.launch(world.cloud())
    world.client().deregister_image(ImageId=world.image_id)
    error = failed(world, ImageMissing)
    assert "InvalidAMIID.NotFound" in error.message


def test_two_launchers_may_create_the_security_group_at_once(world: World) -> None:
    """The one that comes second finds the first one's group."""
    first, second = world.cloud(fresh_cache=True), world.cloud(fresh_cache=True)
    outcome: list[object] = []
    with world.ec2.hold("CreateSecurityGroup") as held:
        thread = Thread(target=lambda: outcome.append(_result(lambda: world.launch(first, name="rk-1-1"))))
        thread.start()
        assert held.reached.wait(30)
        there = world.launch(second, name="rk-2-1")
    thread.join(30)
    groups = {world.ec2.instance(i.id).group_ids for i in world.ec2.instances()}
    assert len(world.ec2.instances()) == 2
    assert groups == {world.ec2.instance(there.instance_id).group_ids}


def test_a_group_of_our_name_without_our_tag_is_not_used(world: World) -> None:
    """Somebody else's group may let anybody in."""
    vpc = world.client().describe_vpcs()["Vpcs"][0]["VpcId"]
    world.client().create_security_group(GroupName="runnerkit-runnerkit", Description="another", VpcId=vpc)
    error = failed(world, ConfigError)
    assert "not our tag" in error.message


def test_configured_groups_and_subnets_are_used_as_they_are(world: World) -> None:
    """One subnet a zone, the first configured one; no look-up of groups."""
    client = world.client()
    subnets = client.describe_subnets()["Subnets"]
    group = client.create_security_group(GroupName="mine", Description="mine", VpcId=subnets[0]["VpcId"])["GroupId"]
    world.ec2.calls.clear()
    launched = world.launch(
        world.cloud(AwsSettings(subnets=(subnets[1]["SubnetId"],), security_groups=(group,), owner="lab"))
    )
    seen = world.ec2.instance(launched.instance_id)
    assert (seen.subnet_id, seen.group_ids) == (subnets[1]["SubnetId"], (group,))
    assert seen.tags[tags.OWNER] == "lab"
    assert world.ec2.calls.count("DescribeSecurityGroups") == 0


def test_a_launch_stays_within_one_network(world: World) -> None:
    """A fleet cannot span two, and its security groups belong to one: that of the first configured subnet."""
    client = world.client()
    here, *_ = client.describe_subnets()["Subnets"]
    other = client.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    zone = next(z for z in ("us-east-1a", "us-east-1b") if z != here["AvailabilityZone"])
    there = client.create_subnet(VpcId=other, CidrBlock="10.9.1.0/24", AvailabilityZone=zone)["Subnet"]
    cloud = world.cloud(AwsSettings(subnets=(there["SubnetId"], here["SubnetId"])))
    assert {offering.zone for offering in cloud.offerings(T4)} == {zone}


def _result(call: object) -> object:
    try:
        return call()  # type: ignore[operator]  # whatever the test wants to run
    except RunnerkitError as error:
        return error
