"""The search for capacity over types, zones and regions: where it goes, how it pauses, and that the pause is told."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from runnerkit.events import JobWaiting, OfferingRefused
from runnerkit.model import Market
from runnerkit.testing import FakeCloud, FakeWorld, Habits, shop
from runnerkit.wishes import Policy

if TYPE_CHECKING:
    from datetime import datetime

    from runnerkit.model import Offering

REPO, LABEL = "acme/widgets", "runnerkit=1/gpu=t4+l4"
HERE, THERE = "eu-west-1", "us-east-1"
MARKET = (*shop(HERE), *shop(THERE, ["us-east-1a", "us-east-1b"]))


def two_regions() -> FakeWorld:
    """A world with two regions, the first of which is the one to prefer."""
    world = FakeWorld(habits=Habits(boot=20, job=60), policy=Policy(refusal_memory=180, backoff_limit=900))
    world.cloud = FakeCloud(world.clock, lies=world.lies, offerings=MARKET)
    world.forge.queue(REPO, [LABEL])
    return world


def drought(world: FakeWorld, *regions: str, markets: tuple[Market, ...] = tuple(Market)) -> None:
    """Nothing is to be had in these regions."""
    for offering in MARKET:
        if offering.region in regions and offering.market in markets:
            world.cloud.refuse(offering)


def asked(world: FakeWorld) -> list[str]:
    """The regions whose pools said no, in order, each once."""
    return list(dict.fromkeys(event.refusal.region for event in world.events.of(OfferingRefused)))


def test_what_is_not_to_be_had_at_home_is_taken_elsewhere() -> None:
    """Every fitting type in every zone of the first region at both markets, then the second region."""
    world = two_regions()
    drought(world, HERE)
    world.fleet().once()
    (machine,) = world.cloud.live()
    assert (machine.region, machine.market, asked(world)) == (THERE, Market.SPOT, [HERE])
    refused = {(e.refusal.type, e.refusal.zone, e.refusal.market) for e in world.events.of(OfferingRefused)}
    assert refused == {_pool(offering) for offering in MARKET if offering.region == HERE and _fits(offering)}


def _pool(offering: Offering) -> tuple[str, str, Market]:
    return offering.type.name, offering.zone, offering.market


def _fits(offering: Offering) -> bool:
    """Of the fitting types the dear relatives are left out."""
    return offering.type.name in {"g4dn.xlarge", "g4dn.2xlarge", "g6.xlarge"}


def test_a_drought_everywhere_is_searched_less_and_less_often_and_says_when() -> None:
    """Three minutes, six, twelve, then a quarter of an hour at most; each pause is told with its end."""
    world = two_regions()
    drought(world, HERE, THERE)
    fleet = world.fleet()
    searches: list[datetime] = []
    promised: list[datetime] = []
    for _ in range(200):
        before = len(world.events.of(OfferingRefused))
        done = fleet.once()
        if len(world.events.of(OfferingRefused)) > before:
            searches.append(world.clock.now())
        promised += [each.until for each in done.plan.waiting if each.until is not None]
        world.clock.advance(20)
    gaps = [(later - earlier) / timedelta(minutes=1) for earlier, later in pairwise(searches)]
    assert [round(gap) for gap in gaps][:5] == [3, 6, 12, 15, 15]
    assert set(searches[1:]) <= {_up_to(at, world) for at in promised}
    assert any("in 3 searches" in event.why for event in world.events.of(JobWaiting))


def _up_to(promised: datetime, world: FakeWorld) -> datetime:
    """The first pass at or after the promised time: one each 20 seconds."""
    began = world.clock.now() - timedelta(seconds=200 * 20)
    late = (promised - began) / timedelta(seconds=20)
    return began + timedelta(seconds=20) * -(-late // 1)


def test_the_search_goes_on_where_capacity_returns() -> None:
    """The job is served, and the next drought begins with the short pause again."""
    world = two_regions()
    drought(world, HERE, THERE)
    world.fleet().run(interval=20, passes=30)
    world.cloud.accept_all()
    world.fleet().run(interval=20, passes=60)
    assert [job.conclusion for job in world.forge.real_jobs()] == ["success"]
    assert world.left() == {"instances": 0, "runners": 0, "jobs": 0}


def test_a_new_drought_begins_with_the_short_pause() -> None:
    """A machine that could be had is the end of the search before it, whatever happened before."""
    world = two_regions()
    drought(world, HERE, THERE)
    world.fleet().run(interval=20, passes=80)
    world.cloud.accept_all()
    world.fleet().run(interval=20, passes=60)
    assert world.cloud.launches == 1
    drought(world, HERE, THERE)
    world.forge.queue(REPO, [LABEL])
    world.clock.advance(200)
    world.fleet().once()
    (waiting,) = world.fleet().once().plan.waiting
    assert "a moment ago" in waiting.why
