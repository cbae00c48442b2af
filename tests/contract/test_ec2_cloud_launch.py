"""Launching on the EC2 adapter, over real boto3 and the local EC2: what is started, and by how many calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest

from runnerkit import tags
from runnerkit.errors import LaunchRejected
from runnerkit.model import Breadth, Market
from runnerkit.settings import AwsSettings
from runnerkit.wishes import Disk, GpuWish, RunnerSpec, SpotUse
from tests.contract.ec2_world import T4, World, ec2_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLAIN = ["CreateLaunchTemplate", "CreateFleet", "DeleteLaunchTemplate"]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """A local EC2 with a baked image."""
    with ec2_world(monkeypatch, tmp_path / "cache") as made:
        yield made


def test_a_launch_with_everything_remembered_makes_three_calls(world: World) -> None:
    """Template, fleet, deletion of the template; nothing else goes to AWS, in a process that was just started."""
    world.launch(world.cloud(), name="rk-77-1")
    world.ec2.calls.clear()
    world.launch(world.cloud(), name="rk-78-1")
    assert world.ec2.calls.actions() == PLAIN


def test_a_launch_sets_everything_that_makes_a_machine_safe(world: World) -> None:
    """Ends itself, IMDSv2 with one hop, an encrypted gp3 root that goes with it, no key, no way in, one-time spot."""
    spec = T4.model_copy(update={"disk": Disk(gb=120, mibps=500, iops=6000)})
    launched = world.launch(world.cloud(), spec)
    seen = world.ec2.instance(launched.instance_id)
    assert (seen.market, seen.state, seen.image_id) == ("spot", "running", world.image_id)
    assert seen.shutdown_behavior == "terminate"
    assert seen.metadata_options == {
        "HttpEndpoint": "enabled",
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
        "InstanceMetadataTags": "enabled",
    }
    client = world.client()
    described = client.describe_instances(InstanceIds=[launched.instance_id])["Reservations"][0]["Instances"][0]
    assert "KeyName" not in described
    assert [mapping["Ebs"]["DeleteOnTermination"] for mapping in described["BlockDeviceMappings"]] == [True]
    volume = client.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [launched.instance_id]}])
    root = volume["Volumes"][0]
    assert (root["Size"], root["VolumeType"], root["Encrypted"], root["Iops"], root["Throughput"]) == (
        (120, "gp3", True, 6000, 500)
    )
    group = client.describe_security_groups(GroupIds=list(seen.group_ids))["SecurityGroups"][0]
    assert (group["GroupName"], group["IpPermissions"]) == ("runnerkit-runnerkit", [])
    request = client.describe_spot_instance_requests(SpotInstanceRequestIds=[seen.spot_request_id])
    assert request["SpotInstanceRequests"][0]["Type"] == "one-time"


def test_tags_travel_in_the_launch_call(world: World) -> None:
    """Instance and volume carry the order's tags and the configured ones from their first moment; no CreateTags."""
    settings = AwsSettings(tags={"team": "vision"})
    launched = world.launch(world.cloud(settings))
    expected = {**world.tags(), "team": "vision"}
    seen = {k: v for k, v in world.ec2.instance(launched.instance_id).tags.items() if not k.startswith("aws:")}
    assert set(seen) == set(expected)
    assert (seen[tags.RUNNER], seen[tags.RUNNER_ID], seen["team"]) == ("rk-77-1", "7", "vision")
    volume = world.client().describe_volumes(Filters=[{"Name": f"tag:{tags.RUNNER}", "Values": ["rk-77-1"]}])
    assert len(volume["Volumes"]) == 1
    assert world.ec2.calls.count("CreateTags") == 0


def test_user_data_arrives_as_given(world: World) -> None:
    """Whatever bytes boot makes are what the machine boots from."""
    sent = b"\x1f\x8b" + bytes(range(256)) * 40
    launched = world.launch(world.cloud(), user_data=sent)
    assert world.ec2.instance(launched.instance_id).user_data == sent


def test_user_data_too_large_is_refused_before_anything_is_made(world: World) -> None:
    """EC2 takes 16 KB; nothing is created to find that out."""
    cloud = world.cloud()
    with pytest.raises(LaunchRejected, match="16385 bytes and EC2 takes 16384"):
        world.launch(cloud, user_data=b"x" * 16385)
    assert world.launches() == []


def test_a_profile_opens_a_second_hop(world: World) -> None:
    """Containers of a job with a role reach the metadata service."""
    boto3.client("iam", region_name="us-east-1").create_instance_profile(InstanceProfileName="trainer")
    launched = world.launch(world.cloud(), T4.model_copy(update={"profile": "trainer"}))
    seen = world.ec2.instance(launched.instance_id)
    assert seen.profile_arn.endswith("instance-profile/trainer")
    assert seen.metadata_options["HttpPutResponseHopLimit"] == 2


def test_an_unbaked_image_gets_room_for_a_job(world: World) -> None:
    """A stock image's own disk would be full after one `pip install torch`."""
    world.client().deregister_image(ImageId=world.image_id)
    launched = world.launch(world.cloud())
    found = world.client().describe_volumes(
        Filters=[{"Name": "attachment.instance-id", "Values": [launched.instance_id]}]
    )
    assert found["Volumes"][0]["Size"] >= 64


def test_refused_pools_are_told_although_another_gave_the_machine(world: World) -> None:
    """The next launch within some minutes need not ask the same pools again."""
    for zone in ("us-east-1a", "us-east-1b"):
        world.ec2.capacity("g4dn.xlarge", zone, "spot", 0)
    launched = world.launch(world.cloud())
    assert launched.market is Market.SPOT
    assert launched.zone not in ("us-east-1a", "us-east-1b")
    told = {(r.type, r.zone, r.market, r.breadth) for r in launched.refusals}
    asked_first = {("g4dn.xlarge", zone, Market.SPOT, Breadth.POOL) for zone in ("us-east-1a", "us-east-1b")}
    assert told <= asked_first
    assert tuple(world.refused) == launched.refusals


def test_spot_refused_falls_back_to_on_demand_with_one_more_call(world: World) -> None:
    """A fleet without machines answers HTTP 200 with errors; the next attempt is another fleet of the same template."""
    world.ec2.capacity("*", "*", "spot", 0)
    launched = world.launch(world.cloud())
    assert launched.market is Market.ON_DEMAND
    assert launched.price == 0.526
    assert world.launches() == ["CreateLaunchTemplate", "CreateFleet", "CreateFleet", "DeleteLaunchTemplate"]
    assert {refusal.code for refusal in launched.refusals} == {"UnfulfillableCapacity"}
    assert {refusal.market for refusal in launched.refusals} == {Market.SPOT}


def test_each_attempt_has_a_token_of_its_own(world: World) -> None:
    """EC2 would answer the on-demand attempt with IdempotentParameterMismatch, as it did to others."""
    world.ec2.capacity("*", "*", "spot", 0)
    world.launch(world.cloud())
    fleets = [call.parameters["ClientToken"] for call in world.ec2.calls.of("CreateFleet")]
    assert len(set(fleets)) == len(fleets) == 2


def test_fleets_name_strategy_and_pools_and_no_price_limit(world: World) -> None:
    """price-capacity-optimized over one subnet a zone; a MaxPrice would only raise the interruptions."""
    world.launch(world.cloud())
    asked = world.ec2.calls.of("CreateFleet")[0].parameters
    assert asked["SpotOptions"]["AllocationStrategy"] == "price-capacity-optimized"
    assert asked["SpotOptions"]["InstanceInterruptionBehavior"] == "terminate"
    assert asked["TargetCapacitySpecification"] == {"TotalTargetCapacity": 1, "DefaultTargetCapacityType": "spot"}
    overrides = asked["LaunchTemplateConfigs"][0]["Overrides"]
    assert len({pool["SubnetId"] for pool in overrides}) == len(overrides) > 2
    assert "MaxPrice" not in str(asked)


def test_machines_of_both_architectures_boot_their_own_image(world: World) -> None:
    """Where the wish leaves the architecture open, each pool of the fleet names the image that runs on it."""
    arm = world.ec2.bake("ml-2026-arm", {tags.RECIPE: "fedcba"}, arch="arm64")
    spec = RunnerSpec(type=("g4dn.xlarge", "g5g.xlarge"), spot=SpotUse.NEVER)
    first = world.launch(world.cloud(), spec, name="rk-1-1")
    for other in ("g4dn.xlarge", "g5g.xlarge"):
        world.ec2.capacity(other, "*", "on-demand", 0 if other == first.type else None)
    second = world.launch(world.cloud(), spec, name="rk-2-1")
    booted = {launched.type: world.ec2.instance(launched.instance_id).image_id for launched in (first, second)}
    assert booted == {"g4dn.xlarge": world.image_id, "g5g.xlarge": arm}


def test_another_region_is_tried_with_a_template_of_its_own(world: World) -> None:
    """Launch templates live in one region; both are gone afterwards."""
    settings = AwsSettings(regions=("us-east-1", "us-west-2"))
    world.ec2.capacity("*", "us-east-1a", "*", 0)
    for zone in "bcdef":
        world.ec2.capacity("*", f"us-east-1{zone}", "*", 0)
    cloud = world.cloud(settings)
    launched = world.launch(cloud, RunnerSpec(gpu=(GpuWish(model="t4"),), type=("g4dn.xlarge",), image=stock(world)))
    assert launched.region == "us-west-2"
    assert world.launches() == [
        "CreateLaunchTemplate",
        "CreateFleet",
        "CreateFleet",
        "CreateLaunchTemplate",
        "CreateFleet",
        "DeleteLaunchTemplate",
        "DeleteLaunchTemplate",
    ]
    assert [instance.region for instance in cloud.instances()] == ["us-west-2"]


def stock(world: World) -> str | None:
    """No image of ours is needed: the baked one exists in one region only, the stock one in all."""
    world.client().deregister_image(ImageId=world.image_id)
    return None
