"""What the EC2 adapter finds out before a launch, how many calls that takes, and what it remembers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import boto3
import pytest

from runnerkit import tags
from runnerkit.ec2.baked import Ec2Images
from runnerkit.ec2.images import DEEP_LEARNING, UBUNTU
from runnerkit.errors import CloudDenied, CloudUnavailable, ConfigError, ImageMissing
from runnerkit.model import Market
from runnerkit.settings import AwsSettings, ImageSource
from runnerkit.wishes import GpuWish, Range, RunnerSpec, SpotUse
from tests.contract.ec2_world import T4, World, ec2_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runnerkit.model import Offering

L4 = RunnerSpec(gpu=(GpuWish(model="l4"),))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """A local EC2 with a baked image."""
    with ec2_world(monkeypatch, tmp_path / "cache") as made:
        yield made


def reads(world: World) -> int:
    """How many reads reached AWS since the last look."""
    made = [action for action in world.ec2.calls.actions() if action.startswith(("Describe", "Get"))]
    world.ec2.calls.clear()
    return len(made)


def by_pool(offerings: list[Offering]) -> dict[tuple[str, str, Market], float | None]:
    """The price of each pool."""
    return {(o.type.name, o.zone, o.market): o.price for o in offerings}


def test_a_cold_launch_reads_six_times_and_a_warm_one_never(world: World) -> None:
    """Types, zones, spot prices, subnets, group and image; a later process finds all of it on disk."""
    world.launch(world.cloud(), name="rk-1-1")
    world.ec2.calls.clear()
    for kept in world.cache_dir.iterdir():
        kept.unlink()
    world.launch(world.cloud(), name="rk-2-1")
    assert reads(world) == 6
    world.launch(world.cloud(), name="rk-3-1")
    assert reads(world) == 0


def test_nothing_is_asked_when_an_adapter_is_made(world: World) -> None:
    """Help pages and dry configuration checks make one, and must not wait for AWS."""
    world.cloud()
    assert len(world.ec2.calls) == 0


def test_offerings_are_priced_pools_of_types_that_fit(world: World) -> None:
    """Spot from the price history, on-demand from the shipped table, only where the zone offers the type."""
    world.ec2.spot_price("g6.xlarge", "us-east-1a", 0.31)
    offerings = list(world.cloud().offerings(L4))
    prices = by_pool(offerings)
    assert prices["g6.xlarge", "us-east-1a", Market.SPOT] == 0.31
    assert prices["g6.xlarge", "us-east-1a", Market.ON_DEMAND] == 0.8048
    assert {o.type.gpu.model for o in offerings if o.type.gpu} == {"l4"}
    offered = world.client().describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["g6.xlarge"]}]
    )
    zones = {one["Location"] for one in offered["InstanceTypeOfferings"]}
    assert {o.zone for o in offerings if o.type.name == "g6.xlarge"} == zones


def test_types_come_with_their_hardware(world: World) -> None:
    """GPU model, count and memory, CPUs, memory and architecture as EC2 describes them."""
    types = {o.type.name: o.type for o in world.cloud().offerings(RunnerSpec(type=("g5.12xlarge", "g5g.xlarge")))}
    big, arm = types["g5.12xlarge"], types["g5g.xlarge"]
    assert (big.arch, big.cpu, big.ram) == ("x64", 48, 192)
    assert big.gpu is not None
    assert (big.gpu.model, big.gpu.count, round(big.gpu.memory)) == ("a10g", 4, 22)
    assert (arm.arch, arm.gpu and arm.gpu.model) == ("arm64", "t4g")


def test_a_part_of_a_gpu_is_not_taken_for_a_whole_one(world: World) -> None:
    """g6f has an eighth of an L4 and 3 GiB: `gpu=l4` never gets it, `family=g6f` does."""
    cloud = world.cloud()
    assert not {o.type.name for o in cloud.offerings(L4) if o.type.family == "g6f"}
    parts = {o.type.gpu for o in cloud.offerings(RunnerSpec(type=("g6f.large",)))}
    assert {(gpu.model, gpu.count, gpu.memory) for gpu in parts if gpu} == {("l4-fraction", 1, 2.8)}


def test_a_type_the_table_does_not_know_is_asked_for_by_name(world: World) -> None:
    """A family that came out after this release works, without an on-demand price."""
    offerings = list(world.cloud().offerings(RunnerSpec(type=("x2gd.medium",))))
    assert {o.type.name for o in offerings} == {"x2gd.medium"}
    assert {o.price for o in offerings if o.market is Market.ON_DEMAND} == {None}
    assert all(o.price for o in offerings if o.market is Market.SPOT)


def test_spot_prices_that_may_not_be_read_are_unknown(world: World) -> None:
    """The permission is optional: a launch works without prices, and does not ask again each time."""
    world.ec2.refuse("UnauthorizedOperation", "DescribeSpotPriceHistory", times=None)
    cloud = world.cloud()
    prices = by_pool(list(cloud.offerings(T4)))
    assert {price for (_, _, market), price in prices.items() if market is Market.SPOT} == {None}
    cloud.offerings(T4)
    assert world.ec2.calls.count("DescribeSpotPriceHistory") == 1


def test_spot_prices_that_aws_fails_to_tell_are_asked_for_again(world: World) -> None:
    """An outage is no answer to remember."""
    world.ec2.refuse("InternalError", "DescribeSpotPriceHistory", times=3)
    cloud = world.cloud()
    spot = [o.price for o in cloud.offerings(T4) if o.market is Market.SPOT]
    assert set(spot) == {None}
    assert all(o.price for o in cloud.offerings(T4) if o.market is Market.SPOT)


def test_spot_prices_are_not_read_for_who_never_wants_spot(world: World) -> None:
    """One read less."""
    world.cloud().offerings(T4.model_copy(update={"spot": SpotUse.NEVER}))
    assert world.ec2.calls.count("DescribeSpotPriceHistory") == 0


def test_prices_age_within_minutes_and_types_within_days(world: World) -> None:
    """After a quarter of an hour only the spot prices are read again."""
    world.cloud().offerings(T4)
    world.ec2.calls.clear()
    world.clock.wait(15 * 60)
    world.cloud().offerings(T4)
    assert world.ec2.calls.actions() == ["DescribeSpotPriceHistory"]


@pytest.mark.parametrize(
    "damage", ["", "{", '{"at": 9e9, "value": []}', '{"at": "now"}', "[]", '{"at": 1, "value": 7}']
)
def test_a_damaged_cache_is_no_cache(world: World, damage: str) -> None:
    """Half a file, another version's file: asked again, and mended."""
    first = list(world.cloud().offerings(T4))
    for kept in world.cache_dir.iterdir():
        kept.write_text(damage)
    assert list(world.cloud().offerings(T4)) == first
    world.ec2.calls.clear()
    assert list(world.cloud().offerings(T4)) == first
    assert len(world.ec2.calls) == 0


def test_a_kept_answer_of_another_shape_is_asked_for_again(world: World) -> None:
    """Young and readable, but not what this release writes."""
    first = list(world.cloud().offerings(T4))
    for kept in world.cache_dir.iterdir():
        kept.write_text(f'{{"at": {world.clock.now().timestamp()}, "value": [[1], {{"x": 2}}]}}')
    assert list(world.cloud().offerings(T4)) == first


def test_a_cache_that_cannot_be_written_stops_nothing(world: World) -> None:
    """A read-only home directory is no reason not to launch."""
    world.cache_dir.parent.mkdir(parents=True, exist_ok=True)
    world.cache_dir.write_text("a file where the folder should be")
    assert world.launch(world.cloud()).instance_id


def test_other_credentials_do_not_see_what_was_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Subnets and images of one account mean nothing in another."""
    world.cloud().offerings(T4)
    world.ec2.calls.clear()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAANOTHERACCOUNT00")
    world.cloud().offerings(T4)
    assert len(world.ec2.calls) == 4


def test_a_region_that_is_not_configured_is_refused(world: World) -> None:
    """Machines there would not be seen by any pass, so nobody would end them."""
    with pytest.raises(ConfigError, match="eu-west-1 is not among the configured ones") as caught:
        world.cloud().offerings(T4.model_copy(update={"region": ("eu-west-1",)}))
    assert "add eu-west-1 to regions" in caught.value.hint


def test_a_region_out_of_reach_leaves_the_others(world: World) -> None:
    """Offerings of the regions that answer; when none does, the failure is told."""
    world.cloud(AwsSettings(regions=("us-east-1",))).offerings(T4)
    world.ec2.refuse("Unavailable", "DescribeInstanceTypeOfferings", times=None)
    cloud = world.cloud(AwsSettings(regions=("us-east-1", "us-west-2")))
    assert {o.region for o in cloud.offerings(T4)} == {"us-east-1"}
    world.clock.wait(3600 * 25)
    with pytest.raises(CloudUnavailable, match="reading which zones"):
        cloud.offerings(T4)


def test_a_region_without_subnets_says_what_to_do(world: World) -> None:
    """No default VPC and nothing configured."""
    client = world.client()
    for subnet in client.describe_subnets()["Subnets"]:
        client.delete_subnet(SubnetId=subnet["SubnetId"])
    with pytest.raises(ConfigError, match="nowhere to launch in us-east-1") as caught:
        world.cloud().offerings(T4)
    assert "create-default-vpc" in caught.value.hint


def test_a_wish_for_zones_gets_only_those(world: World) -> None:
    """`zone=` narrows what is asked of the fleet."""
    spec = T4.model_copy(update={"zone": ("us-east-1b",)})
    assert {o.zone for o in world.cloud().offerings(spec)} == {"us-east-1b"}


def test_a_missing_permission_to_read_types_is_named(world: World) -> None:
    """Which permission, for which reading."""
    world.ec2.refuse("UnauthorizedOperation", "DescribeInstanceTypes", times=None)
    with pytest.raises(CloudDenied, match="ec2:DescribeInstanceTypes is missing"):
        world.cloud().offerings(T4)


def test_a_wide_wish_is_still_one_page(world: World) -> None:
    """Hundreds of types have four CPUs or more; the cheapest of both architectures are asked about, in four reads."""
    offerings = list(world.cloud().offerings(RunnerSpec(cpu=Range(low=4))))
    assert {o.type.arch for o in offerings} == {"x64", "arm64"}
    assert len({o.type.name for o in offerings}) <= 100
    assert len(world.ec2.calls) == 4


# --- images -----------------------------------------------------------------------------------------------------------


def test_the_newest_baked_image_is_the_default(world: World) -> None:
    """Its tags say that it is baked, and with which runner."""
    image = world.cloud().image(T4, "us-east-1", "x64")
    assert (image.id, image.baked, image.runner_version, image.root_gb) == (world.image_id, True, "2.330.0", 40)
    assert image.created_at is not None
    assert image.created_at > datetime.now(UTC) - timedelta(days=1)


def test_our_own_images_of_both_architectures_are_one_read(world: World) -> None:
    """Most wishes leave the architecture to the price; of each the newest counts."""
    world.ec2.bake("older", {tags.RECIPE: "cpu"}, arch="arm64")
    world.clock.wait(1)
    newer = world.ec2.bake("newer", {tags.RECIPE: "cpu"}, arch="arm64")
    wish, cloud = RunnerSpec(cpu=Range(low=4)), world.cloud()
    world.ec2.calls.clear()
    assert {image.arch: image.id for image in cloud.baked(wish)} == {"x64": world.image_id, "arm64": newer}
    assert cloud.image(wish, "us-east-1", "arm64").id == newer
    assert len(world.ec2.calls) == 1
    assert cloud.baked(RunnerSpec(image=newer)) == ()


def test_an_image_that_comes_or_goes_is_noticed_at_once(world: World) -> None:
    """By launches from the same computer; others look again after an hour."""
    shelf = Ec2Images(AwsSettings(), clock=world.clock, cache_dir=world.cache_dir)
    assert [image.id for image in world.cloud().baked(T4)] == [world.image_id]
    newer = world.ec2.bake("newer", {tags.RECIPE: "gpu", tags.OWNER: "default", tags.GPU: "yes"})
    assert [image.id for image in world.cloud().baked(T4)] == [world.image_id]
    made = shelf.image("us-east-1", newer)
    assert [image.id for image in world.cloud().baked(T4)] == [newer]
    assert made is not None
    shelf.delete(made)
    assert [image.id for image in world.cloud().baked(T4)] == [world.image_id]


def test_images_are_found_by_id_by_name_and_by_parameter(world: World) -> None:
    """The three sources of [aws.images], and `image=ami-...` in a label."""
    older = world.ec2.bake("train-1", {})
    world.clock.wait(1)
    newer = world.ec2.bake("train-2", {})
    world.client().create_tags(Resources=[newer], Tags=[{"Key": "note", "Value": "kept"}])
    settings = AwsSettings(
        images={
            "pinned": ImageSource(ami=older),
            "train": ImageSource(name="train-*"),
            "ubuntu": ImageSource(ssm=UBUNTU.format("amd64")),
        }
    )
    cloud = world.cloud(settings)
    found = {
        name: cloud.image(RunnerSpec(image=name), "us-east-1", "x64") for name in ("pinned", "train", "ubuntu", newer)
    }
    assert found["pinned"].id == older
    assert found["train"].id == newer
    assert found["ubuntu"].root_device
    assert found[newer].id == newer
    assert not any(image.baked for image in found.values())


def test_without_a_baked_image_the_wish_decides_which_stock_image(world: World) -> None:
    """A GPU needs a driver, so it gets AWS's deep learning image; anything else plain Ubuntu."""
    world.client().deregister_image(ImageId=world.image_id)
    cloud, parameters = world.cloud(), boto3.client("ssm", region_name="us-east-1")
    found = [
        cloud.image(T4, "us-east-1", "x64").id,
        cloud.image(RunnerSpec(type=("g5.xlarge",)), "us-east-1", "x64").id,
        cloud.image(RunnerSpec(cpu=Range(low=4)), "us-east-1", "arm64").id,
    ]
    named = [DEEP_LEARNING.format("x86_64"), DEEP_LEARNING.format("x86_64"), UBUNTU.format("arm64")]
    assert found == [parameters.get_parameter(Name=name)["Parameter"]["Value"] for name in named]
    assert len(set(found)) == 2


def test_a_missing_image_says_what_was_looked_for(world: World) -> None:
    """Name, pattern, owner, architecture and region; or the id; or the nearest configured name."""
    settings = AwsSettings(images={"train": ImageSource(name="train-*", arch="x64")})
    cloud = world.cloud(settings)
    with pytest.raises(ImageMissing, match=r"self has no available x64 image named 'train-\*' in us-east-1"):
        cloud.image(RunnerSpec(image="train"), "us-east-1", "x64")
    with pytest.raises(ImageMissing, match="ami-0123456789abcdef0"):
        cloud.image(RunnerSpec(image="ami-0123456789abcdef0"), "us-east-1", "x64")
    with pytest.raises(ImageMissing, match="no image named 'trian'") as caught:
        cloud.image(RunnerSpec(image="trian"), "us-east-1", "x64")
    assert caught.value.hint == "did you mean train?"


def test_an_image_of_another_architecture_is_no_image(world: World) -> None:
    """It would not boot, and EC2 would say so in words that name neither image nor wish."""
    with pytest.raises(ImageMissing, match="is for x64 and the machine is arm64"):
        world.cloud().image(RunnerSpec(image=world.image_id), "us-east-1", "arm64")


def test_images_of_others_are_not_taken_for_baked_ones(world: World) -> None:
    """The tag counts on images of this account only, which nobody else can put there."""
    image = world.cloud().image(T4, "us-east-1", "x64")
    seen = world.client().describe_images(ImageIds=[image.id])["Images"][0]
    assert seen["OwnerId"] == world.ec2.account
    assert {tag["Key"] for tag in seen["Tags"]} >= {tags.RECIPE}
