"""Orders as the core writes them: attempts from what is on offer, images for them, tags with every lease."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit import tags
from runnerkit.offerings import attempts, matching
from runnerkit.ports import BatchOrder, LaunchOrder
from runnerkit.wishes import RunnerSpec

if TYPE_CHECKING:
    from runnerkit.model import Attempt, Market
    from runnerkit.ports import Image, Launched
    from runnerkit.testing.contracts.benches import CloudBench

NAME = "rk-77-1"
T4 = RunnerSpec(type=("g4dn.xlarge",))
SCRIPT = b"#!/bin/sh\n"
UNKNOWN_ID = "i-0123456789abcdef0"
NO_CAPACITY = "InsufficientInstanceCapacity"


def tries(bench: CloudBench, spec: RunnerSpec = T4) -> tuple[Attempt, ...]:
    """What the core would try for a wish."""
    return attempts(spec, matching(spec, bench.cloud.offerings(spec)), ())


def attempt(bench: CloudBench, market: Market) -> Attempt:
    """The attempt at one market."""
    return next(each for each in tries(bench) if each.market is market)


def order(
    bench: CloudBench,
    name: str = NAME,
    *,
    user_data: bytes = SCRIPT,
    owner: str | None = None,
    with_images: bool = True,
) -> LaunchOrder:
    """A complete order; ``owner`` None is the bench's."""
    now = bench.now().replace(microsecond=0)
    written = tags.launch_tags(
        owner=bench.owner if owner is None else owner,
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
        price=0.25,
        wish="runnerkit=1234/gpu=t4",
    )
    return LaunchOrder(name=name, user_data=user_data, tags=written, images=_images(bench) if with_images else {})


def _images(bench: CloudBench) -> dict[tuple[str, str], Image]:
    wanted = {(each.region, pool.type.arch) for each in tries(bench) for pool in each.offerings}
    return {(region, arch): bench.cloud.image(T4, region, arch) for region, arch in wanted}


def batch(bench: CloudBench, *, user_data: bytes = SCRIPT, with_images: bool = True) -> BatchOrder:
    """A complete order for a burst of two or three; the bench knows the profile ``runners``."""
    now = bench.now().replace(microsecond=0)
    name = tags.batch_of(("rk-77-1", "rk-78-1"), now)
    written = tags.launch_tags(
        owner=bench.owner,
        name="",
        repo="octo/models",
        digest="0a1b2c3d",
        launched_at=now,
        online_by=now + timedelta(minutes=5),
        idle_until=now + timedelta(minutes=10),
        expires_at=now + timedelta(hours=24),
        batch=name,
    )
    images = _images(bench) if with_images else {}
    return BatchOrder(name=name, user_data=user_data, tags=written, images=images, profile="runners")


def launch(bench: CloudBench, name: str = NAME, *, market: Market | None = None) -> Launched:
    """One machine, at one market or at whichever gives it."""
    wanted = tries(bench) if market is None else (attempt(bench, market),)
    return bench.cloud.launch(order(bench, name), wanted)
