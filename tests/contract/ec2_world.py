"""What the contract tests of the EC2 adapter share: a local EC2 on the adapter's clock, and an order to launch."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.loaders import create_loader

from runnerkit import tags
from runnerkit.ec2 import Ec2Cloud
from runnerkit.errors import NoCapacity
from runnerkit.model import Market
from runnerkit.offerings import attempts, matching
from runnerkit.ports import LaunchOrder
from runnerkit.sandbox.ec2 import SandboxEc2
from runnerkit.settings import AwsSettings
from runnerkit.wishes import GpuWish, RunnerSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from mypy_boto3_ec2 import EC2Client

    from runnerkit.model import Attempt, Refusal
    from runnerkit.ports import Launched

REGION = "us-east-1"
T4 = RunnerSpec(gpu=(GpuWish(model="t4"),), type=("g4dn.xlarge",))
MUTATING = ("CreateLaunchTemplate", "CreateFleet", "DeleteLaunchTemplate")


class WorldTime:
    """A Clock over the sandbox's time: waiting moves the world on at once."""

    def __init__(self, ec2: SandboxEc2) -> None:
        self._ec2 = ec2
        self._ahead = timedelta()
        self.waited: list[float] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        """The world's time."""
        return datetime.now(tz=UTC) + self._ahead

    def wait(self, seconds: float) -> bool:
        """Move on."""
        self.waited.append(seconds)
        self._ahead += timedelta(seconds=seconds)
        self._ec2.advance(seconds)
        self.meanwhile()
        return False

    def wake(self) -> None:
        """Nobody sleeps here."""


@dataclass
class World:
    """A local EC2 with a baked image, and what tests do in it."""

    ec2: SandboxEc2
    clock: WorldTime
    image_id: str
    cache_dir: Path
    refused: list[Refusal] = field(default_factory=list)

    def cloud(self, settings: AwsSettings | None = None, *, fresh_cache: bool = False) -> Ec2Cloud:
        """An adapter as another process would make it."""
        folder = None if fresh_cache else self.cache_dir
        return Ec2Cloud(settings or AwsSettings(), clock=self.clock, cache_dir=folder, on_refusal=self.refused.append)

    def client(self, region: str = REGION) -> EC2Client:
        """EC2 as anybody else would talk to it."""
        return boto3.client("ec2", region_name=region)

    def launch(self, cloud: Ec2Cloud, spec: RunnerSpec = T4, name: str = "rk-77-1", **order: object) -> Launched:
        """Do what the core does: choose, find images, launch."""
        tries = self.tries(cloud, spec)
        return cloud.launch(self.order(cloud, spec, tries, name, **order), tries)

    def tries(self, cloud: Ec2Cloud, spec: RunnerSpec = T4) -> Sequence[Attempt]:
        """The attempts for a wish."""
        return attempts(spec, matching(spec, cloud.offerings(spec)), [])

    def order(
        self, cloud: Ec2Cloud, spec: RunnerSpec, tries: Sequence[Attempt], name: str = "rk-77-1", **changes: object
    ) -> LaunchOrder:
        """A complete order for the attempts."""
        wanted = {(attempt.region, pool.type.arch) for attempt in tries for pool in attempt.offerings}
        images = {(region, arch): cloud.image(spec, region, arch) for region, arch in wanted}
        fields = {"user_data": b"#!/bin/sh\n", "disk": spec.disk, "profile": spec.profile, **changes}
        return LaunchOrder(name=name, tags=self.tags(name), images=images, **fields)  # type: ignore[arg-type]  # any field

    def tags(self, name: str = "rk-77-1", owner: str = "runnerkit") -> dict[str, str]:
        """The tags of a launch."""
        now = self.clock.now().replace(microsecond=0)
        return tags.launch_tags(
            owner=owner,
            name=name,
            repo="octo/models",
            digest="0a1b2c3d",
            launched_at=now,
            online_by=now + timedelta(minutes=5),
            idle_until=now + timedelta(minutes=10),
            expires_at=now + timedelta(hours=24),
            runner_id=7,
            run_id=1234,
            job_id=77,
        )

    def launches(self) -> list[str]:
        """The mutating calls at the wire since the last look."""
        made = [action for action in self.ec2.calls.actions() if action in MUTATING]
        self.ec2.calls.clear()
        return made

    def templates(self) -> int:
        """How many launch templates there are."""
        return len(self.client().describe_launch_templates()["LaunchTemplates"])


_shared_loader = cache(create_loader)


@contextmanager
def ec2_world(monkeypatch: pytest.MonkeyPatch, cache_dir: Path) -> Iterator[World]:
    """An EC2 of this test's own, which the environment points to."""
    with SandboxEc2() as ec2:
        for name, value in ec2.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        # botocore parses its model of EC2 for every session, a third of a second each time; once is enough here.
        monkeypatch.setattr("botocore.session.create_loader", _shared_loader)
        image_id = ec2.bake("ml-2026", {tags.RECIPE: "0123456789ab", tags.RUNNER_VERSION: "2.330.0"}, gigabytes=40)
        yield World(ec2, WorldTime(ec2), image_id, cache_dir)


def no_capacity(world: World, cloud: Ec2Cloud, spec: RunnerSpec = T4) -> NoCapacity:
    """Launch where nothing can be had."""
    with pytest.raises(NoCapacity) as caught:
        world.launch(cloud, spec)
    return caught.value


SPOT_ONLY = T4.model_copy(update={"spot": "only"})
ON_DEMAND = Market.ON_DEMAND
