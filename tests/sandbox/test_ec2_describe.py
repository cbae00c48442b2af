"""Lists and look-ups, eventual consistency, pages, and what the console says."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.sandbox.ec2 import Stage


def tagged(**tags: str) -> dict[str, Any]:
    """Arguments that tag a machine."""
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    return {"TagSpecifications": [{"ResourceType": "instance", "Tags": listed}]}


def test_a_fresh_machine_is_denied_until_it_has_settled(stage: Stage, refused: Callable[..., str]) -> None:
    """By id InvalidInstanceID.NotFound (describe, terminate, tag), in lists nothing; it exists all the same."""
    stage.world.settle(10)
    instance_id = stage.run()
    assert refused(stage.ec2.describe_instances, InstanceIds=[instance_id]) == "InvalidInstanceID.NotFound"
    assert refused(stage.ec2.terminate_instances, InstanceIds=[instance_id]) == "InvalidInstanceID.NotFound"
    assert refused(stage.ec2.describe_instance_status, InstanceIds=[instance_id]) == "InvalidInstanceID.NotFound"
    tags = [{"Key": "a", "Value": "b"}]
    assert refused(stage.ec2.create_tags, Resources=[instance_id], Tags=tags) == "InvalidInstanceID.NotFound"
    assert stage.listed() == []
    assert [m.id for m in stage.world.instances()] == [instance_id]
    stage.world.advance(10)
    assert stage.listed() == [instance_id]
    assert stage.describe(instance_id)["State"]["Name"] == "running"


def test_lists_lag_and_look_ups_do_not(stage: Stage) -> None:
    """A list shows an ended machine as running and a new one not at all; by id both are right."""
    old = stage.run()
    stage.world.advance(60)
    stage.world.lag(30)
    stage.ec2.terminate_instances(InstanceIds=[old])
    new = stage.run()
    assert stage.listed(instance_state_name=["running"]) == [old]
    assert stage.describe(old)["State"]["Name"] == "terminated"
    assert stage.describe(new)["State"]["Name"] == "running"
    stage.world.advance(31)
    assert stage.listed(instance_state_name=["running"]) == [new]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("instance_lifecycle", "spot"),
        ("client_token", "mine"),
        ("spot_instance_request_id", "sir-*"),
        ("metadata_options.http_tokens", "required"),
        ("iam_instance_profile.arn", "*/runner"),
        ("launch_time", "20*"),
        ("instance_type", "g5.*"),
        ("tag__run", "17*"),
        ("tag__run", "17?4"),
        ("tag_key", "ru*"),
        ("instance.group_id", "sg-*"),
    ],
)
def test_filters_that_moto_lacks_and_wildcards(stage: Stage, name: str, value: str) -> None:
    """Each finds the one machine that it describes, and not the plain one."""
    stage.connect("iam").create_instance_profile(InstanceProfileName="runner")
    options = {"HttpTokens": "required"}
    special = stage.run(
        ClientToken="mine", MetadataOptions=options, IamInstanceProfile={"Name": "runner"}, **tagged(run="1704")
    )
    plain = stage.run(spot=False, InstanceType="m5.large")
    found = stage.listed(**{name: [value]})
    assert special in found
    assert (plain in found) is (name in {"launch_time", "instance.group_id"})


def test_filters_are_joined_by_and_their_values_by_or(stage: Stage) -> None:
    """As EC2 does it; a tag that is absent never matches."""
    first, second = stage.run(**tagged(run="1", who="a")), stage.run(**tagged(run="2", who="a"))
    assert stage.listed(tag__run=["1", "2"], tag__who=["a"]) == [first, second]
    assert stage.listed(tag__run=["2"], tag__who=["a"]) == [second]
    assert stage.listed(tag__run=["*"], tag__none=["*"]) == []


@pytest.mark.parametrize(
    ("kind", "place"), [("availability-zone", "us-east-1a"), ("availability-zone-id", "use1-*"), ("region", "us-*")]
)
def test_type_offerings_are_filtered_with_wildcards(stage: Stage, kind: str, place: str) -> None:
    """All sizes of a family in a place."""
    asked = [{"Name": "instance-type", "Values": ["g5.*"]}, {"Name": "location", "Values": [place]}]
    found = stage.ec2.describe_instance_type_offerings(LocationType=kind, Filters=asked)["InstanceTypeOfferings"]
    assert {"g5.xlarge", "g5.48xlarge"} <= {offer["InstanceType"] for offer in found}
    assert all(offer["InstanceType"].startswith("g5.") for offer in found)


def test_an_unknown_filter_is_an_error(stage: Stage, refused: Callable[..., str]) -> None:
    """And not an HTML page with status 500."""
    stage.run()
    asked = [{"Name": "shoe-size", "Values": ["42"]}]
    assert refused(stage.ec2.describe_instances, Filters=asked) == "InvalidParameterValue"


def test_lists_come_in_pages(stage: Stage, refused: Callable[..., str]) -> None:
    """MaxResults limits a page; ids and MaxResults do not go together."""
    stage.run(MinCount=7, MaxCount=7)
    pages = list(stage.ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}))
    assert [sum(len(r["Instances"]) for r in page["Reservations"]) for page in pages] == [5, 2]
    ids = {"InstanceIds": stage.listed()[:1], "MaxResults": 5}
    assert refused(stage.ec2.describe_instances, **ids) == "InvalidParameterCombination"


def test_tags_can_be_changed_later(stage: Stage, refused: Callable[..., str]) -> None:
    """CreateTags and DeleteTags show in lists; reserved keys are refused."""
    instance_id = stage.run()
    stage.ec2.create_tags(Resources=[instance_id], Tags=[{"Key": "job", "Value": "7"}])
    assert stage.listed(tag__job=["7"]) == [instance_id]
    stage.ec2.delete_tags(Resources=[instance_id], Tags=[{"Key": "job"}])
    assert stage.listed(tag__job=["7"]) == []
    reserved = {"Resources": [instance_id], "Tags": [{"Key": "aws:x", "Value": "1"}]}
    assert refused(stage.ec2.create_tags, **reserved) == "InvalidParameterValue"


def test_a_hundred_machines_are_listed_quickly(stage: Stage) -> None:
    """By tag, which is quadratic in moto and would take half a minute; a busy computer may take some seconds.

    Who asks for no pages gets all of them, where moto stops after a hundred launches.
    """
    tags = tagged(owner="me")["TagSpecifications"]
    stage.ec2.create_fleet(**stage.fleet_request(stage.template(), count=101, TagSpecifications=tags))
    begun = time.perf_counter()
    assert len(stage.listed(tag__owner=["me"])) == 101
    assert time.perf_counter() - begun < 10
    everything = stage.ec2.describe_instances()
    assert (len(everything["Reservations"]), everything.get("NextToken")) == (101, None)


def test_the_console_shows_what_the_machine_wrote(stage: Stage) -> None:
    """Nothing at first, then the last 64 KB."""
    instance_id = stage.run()
    assert "Output" not in stage.ec2.get_console_output(InstanceId=instance_id)
    stage.world.console(instance_id, "x" * 70_000)
    stage.world.console(instance_id, "runnerkit: powering off ✓\n")
    output = stage.ec2.get_console_output(InstanceId=instance_id)["Output"]
    assert output.endswith("x" * 10 + "runnerkit: powering off ✓\n")
    assert len(output.encode()) == 65_536


def test_only_nitro_shows_the_latest_console(stage: Stage, refused: Callable[..., str]) -> None:
    """On older hypervisors EC2 refuses the wish for it; without it, it answers."""
    for kind, latest in (("g4dn.xlarge", True), ("t2.micro", False)):
        instance_id = stage.run(InstanceType=kind)
        stage.world.console(instance_id, "hello\n")
        assert stage.ec2.get_console_output(InstanceId=instance_id)["Output"] == "hello\n"
        if latest:
            assert stage.ec2.get_console_output(InstanceId=instance_id, Latest=True)["Output"] == "hello\n"
        else:
            answer = refused(stage.ec2.get_console_output, InstanceId=instance_id, Latest=True)
            assert answer == "UnsupportedOperation"


def test_systems_manager_lists_machines_whose_agent_reports(stage: Stage, refused: Callable[..., str]) -> None:
    """By id and by state; one that has ended has lost its connection, one without agent was never there."""
    first, second, silent = stage.run(), stage.run(), stage.run()
    ssm = stage.connect("ssm")
    for instance_id in (first, second):
        stage.world.agent(instance_id)
    stage.world.power_off(second)
    listed = ssm.describe_instance_information()["InstanceInformationList"]
    assert {first: "Online", second: "ConnectionLost"} == {each["InstanceId"]: each["PingStatus"] for each in listed}
    wanted = [{"Key": "InstanceIds", "Values": [second, silent]}]
    (found,) = ssm.describe_instance_information(Filters=wanted)["InstanceInformationList"]
    assert found["InstanceId"] == second
    online = [{"Key": "PingStatus", "Values": ["Online"]}]
    assert len(ssm.describe_instance_information(Filters=online)["InstanceInformationList"]) == 1
    versions = [{"Key": "AgentVersion", "Values": ["3"]}]
    assert refused(ssm.describe_instance_information, Filters=versions) == "InvalidFilterKey"


def test_machines_that_moto_starts_by_itself_are_shown_too(stage: Stage) -> None:
    """The legacy RequestSpotInstances is left to moto, and what it starts can be listed and terminated."""
    launch = {"ImageId": stage.image, "InstanceType": "g5.xlarge", "SubnetId": stage.subnets["us-east-1a"]}
    stage.ec2.request_spot_instances(LaunchSpecification=launch)
    (instance_id,) = stage.listed(instance_lifecycle=["spot"])
    stage.ec2.terminate_instances(InstanceIds=[instance_id])
    assert stage.describe(instance_id)["State"]["Name"] == "terminated"
