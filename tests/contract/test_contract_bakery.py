"""Builders and images: the contract over the fakes and over EC2's adapter, and what only EC2 has."""

# ruff: noqa: D102 - fixtures of suites are told by their Protocol

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from runnerkit import tags as words
from runnerkit.baking.ports import BakedImage
from runnerkit.baking.shelf import Present, judged, prunable, worst
from runnerkit.ec2 import Ec2Builders, Ec2Cloud, Ec2Images
from runnerkit.errors import CloudDenied, ConfigError
from runnerkit.model import Release
from runnerkit.settings import AwsSettings
from runnerkit.testing import FakeClock
from runnerkit.testing.bakery import FakeBuilders, FakeImages
from runnerkit.testing.contracts import BakeryContract
from tests.contract.ec2_world import REGION, WorldTime, _shared_loader

if TYPE_CHECKING:
    from pathlib import Path

    from runnerkit.baking.ports import Builders, Images
    from runnerkit.ports import Clock
    from runnerkit.sandbox.ec2 import SandboxEc2

OWNER = "lab-7"
SETTINGS = AwsSettings(owner=OWNER, regions=(REGION,))


@dataclass
class Bench:
    """Both ports over one world."""

    builders: Builders
    images: Images
    clock: Clock
    owner: str = OWNER


class TestFakeBakery(BakeryContract):
    @pytest.fixture
    def bakery(self) -> Bench:
        clock = FakeClock()
        return Bench(FakeBuilders(clock), FakeImages(clock), clock)


def _bench(ec2: SandboxEc2, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    # botocore parses its model of EC2 for every session, a third of a second each time; once is enough here.
    monkeypatch.setattr("botocore.session.create_loader", _shared_loader)
    clock = WorldTime(ec2)
    return Bench(
        Ec2Builders(SETTINGS, clock=clock, cache_dir=folder), Ec2Images(SETTINGS, clock=clock, cache_dir=folder), clock
    )


class TestEc2Bakery(BakeryContract):
    @pytest.fixture
    def bakery(self, ec2: SandboxEc2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
        return _bench(ec2, tmp_path, monkeypatch)

    def test_a_builder_is_a_machine_like_ours_with_a_door(self, bakery: Bench, ec2: SandboxEc2, tmp_path: Path) -> None:
        """One network may come in at one port; everything else is as for runners, and it is no runner."""
        import boto3

        builder = self.running(bakery)
        client = boto3.client("ec2", region_name=REGION)
        (told,) = client.describe_instances(InstanceIds=[builder.id])["Reservations"][0]["Instances"]
        group = client.describe_security_groups(GroupIds=[told["SecurityGroups"][0]["GroupId"]])["SecurityGroups"][0]
        (rule,) = group["IpPermissions"]
        assert (22, 22, "203.0.113.7/32") == (rule["FromPort"], rule["ToPort"], rule["IpRanges"][0]["CidrIp"])
        assert ("required", None) == (told["MetadataOptions"]["HttpTokens"], told.get("KeyName"))
        how = client.describe_instance_attribute(InstanceId=builder.id, Attribute="instanceInitiatedShutdownBehavior")
        assert "terminate" == how["InstanceInitiatedShutdownBehavior"]["Value"]
        assert client.describe_launch_templates()["LaunchTemplates"] == []
        assert list(Ec2Cloud(SETTINGS, clock=bakery.clock, cache_dir=tmp_path).instances()) == []
        assert ec2.instance(builder.id).tags[words.BUILDER] == "plain"

    def test_a_network_that_is_none_is_refused_before_anything_is_made(self, bakery: Bench) -> None:
        """The message says what a network looks like."""
        with pytest.raises(ConfigError, match="no network that may reach the builder"):
            bakery.builders.launch(replace(self.order(bakery), ssh_from="everybody"))

    def test_what_went_wrong_first_is_told(self, bakery: Bench, ec2: SandboxEc2) -> None:
        """A launch that is refused, and a security group that cannot be looked for then: the launch is what counts."""
        order = self.order(bakery)
        ec2.refuse("UnauthorizedOperation", "CreateLaunchTemplate")
        ec2.refuse("UnauthorizedOperation", "DescribeSecurityGroups")
        with pytest.raises(CloudDenied, match="CreateLaunchTemplate"):
            bakery.builders.launch(order)

    def test_the_sweep_ends_what_outlived_its_bake(self, bakery: Bench, tmp_path: Path) -> None:
        """A builder past its end, stopped or not, and then its security group."""
        builder = self.running(bakery)
        cloud = Ec2Cloud(SETTINGS, clock=bakery.clock, cache_dir=tmp_path)
        bakery.builders.stop(builder)
        bakery.clock.wait(1800)
        assert [] == [left.kind for left in cloud.leftovers()], "it may still be needed"
        bakery.clock.wait(1900)
        kinds = []
        for _ in range(3):
            for left in cloud.leftovers():
                kinds.append(left.kind)
                cloud.remove(left)
            bakery.clock.wait(60)
        assert {"builder", "security-group"} == set(kinds)
        assert list(cloud.leftovers()) == []
        assert bakery.builders.clear(builder.region, builder.name)


NOW = FakeClock().now()


def _image(name: str, days: int, version: str = "2.336.0", **other: object) -> BakedImage:
    from datetime import timedelta

    made = BakedImage(name, name, REGION, "cpu", "available", NOW - timedelta(days=days), runner_version=version)
    return replace(made, content="c", base="ami-old", **other)  # type: ignore[arg-type]  # fields of an image


def test_pruning_keeps_the_newest_the_used_and_the_unfinished() -> None:
    """Also when everything else asks for them to go; what failed always goes."""
    images = [_image("a", 1), _image("b", 2), _image("c", 3), _image("d", 4), _image("e", 0, state="pending")]
    images += [_image("f", 0, state="failed"), _image("g", 9, recipe="gpu")]
    assert ["b", "d", "f"] == sorted(image.id for image in prunable(images, {"c": 1}, 1))
    assert ["d", "f"] == sorted(image.id for image in prunable(images, {}, 3))


def test_an_image_is_judged_by_runner_base_and_recipe() -> None:
    """The newest image of a recipe decides; a replaced one is shown and does not count."""
    from datetime import timedelta

    releases = [Release("2.337.0", NOW - timedelta(days=40)), Release("2.336.0", NOW - timedelta(days=90))]
    newest, old = judged(
        [_image("old", 60), _image("new", 5, "2.337.0")],
        releases=releases,
        present={("cpu", REGION): Present("changed", "ami-new")},
        now=NOW,
    )
    assert ("new", "warn", True, 3) == (newest.image.id, newest.level, newest.newest, len(newest.reasons))
    assert ("old", "error", False) == (old.image.id, old.level, old.newest)
    assert "warn" == worst([newest, old])
