"""What happens to jobs and machines is told once each, whoever looks, and costs are made of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit import costs
from runnerkit.events import InstanceEnded, InstanceInterrupted, JobOver, JobSeen, JobTaken, RunnerOnline
from runnerkit.history import Note
from runnerkit.testing import FakeWorld, Habits
from runnerkit.wishes import Bounds, Policy

if TYPE_CHECKING:
    from runnerkit.events import Event

REPO, LABEL = "acme/widgets", "runnerkit=1/gpu=t4"
KINDS: tuple[type[Event], ...] = (JobSeen, RunnerOnline, JobTaken, JobOver, InstanceEnded, InstanceInterrupted)


def told(world: FakeWorld) -> list[str]:
    """The names of the events about jobs and machines, in order."""
    return [event.name for event in world.events.seen if isinstance(event, KINDS)]


def test_the_life_of_a_job_is_told_in_order_and_once() -> None:
    """Seen, online, taken, over, ended - though many passes see each of them."""
    world = FakeWorld(habits=Habits(boot=60, job=300))
    world.forge.queue(REPO, [LABEL])
    world.fleet().run(interval=30, passes=40)
    assert told(world) == ["job-seen", "runner-online", "job-taken", "job-over", "instance-ended"]
    (taken,), (ended,) = world.events.of(JobTaken), world.events.of(InstanceEnded)
    assert (taken.runner, ended.runner) == ("rk-1-1", "rk-1-1")
    assert taken.seconds >= 60


def test_another_controller_with_the_same_journal_tells_nothing_again() -> None:
    """What was told is known from the journal, not from memory."""
    world = FakeWorld(habits=Habits(boot=30, job=300))
    world.forge.queue(REPO, [LABEL])
    for _ in range(40):
        world.fleet().once()
        world.clock.advance(30)
    assert told(world) == ["job-seen", "runner-online", "job-taken", "job-over", "instance-ended"]


def test_a_preview_tells_nothing() -> None:
    """Looking is no happening."""
    world = FakeWorld()
    world.forge.queue(REPO, [LABEL])
    world.fleet().preview()
    assert told(world) == []


def test_a_machine_that_ended_unseen_is_counted_until_it_is_missed() -> None:
    """EC2 forgets the dead after an hour; a controller that was down until then closes the account."""
    world = FakeWorld(habits=Habits(boot=30, job=300))
    world.forge.queue(REPO, [LABEL])
    world.fleet().once()
    world.clock.advance(3 * 3600)
    world.fleet().once()
    (ended,) = world.events.of(InstanceEnded)
    assert "does not show it" in ended.reason
    (rental,) = costs.rentals(world.journal.notes(world.clock.now().replace(year=2000)), ())
    assert rental.until == world.clock.now()


def test_an_interruption_is_told_with_the_wish_that_it_hit() -> None:
    """The spot breaker counts by wish, and the machine's tags say which it was."""
    world = FakeWorld(habits=Habits(boot=10, job=6000))
    world.forge.queue(REPO, [LABEL])
    world.fleet().run(interval=30, passes=3)
    (machine,) = world.cloud.live()
    world.interrupt(machine.id)
    world.fleet().once()
    (event,) = world.events.of(InstanceInterrupted)
    assert (event.wish, event.run, event.job) == (machine.wish, 1, 1)
    assert machine.wish


def test_a_job_of_somebody_elses_runner_is_not_followed() -> None:
    """Only what asks for us or runs on our machines is ours to tell."""
    world = FakeWorld()
    other = world.forge.queue(REPO, ["self-hosted", "gpu"])
    world.fleet().once()
    world.forge._change_job(replace(other, status="in_progress", runner_name="the-old-box"))
    world.fleet().run(interval=30, passes=3)
    assert told(world) == []


# --- costs ------------------------------------------------------------------------------------------------------------


def test_a_rental_costs_what_it_ran() -> None:
    """Price by seconds from launch to end; what is on demand elsewhere tells the saving."""
    world = FakeWorld(habits=Habits(boot=60, job=3000))
    world.forge.queue(REPO, [LABEL])
    world.fleet().run(interval=30, passes=300)
    (rental,) = costs.rentals(world.journal.notes(world.clock.now().replace(year=2000)), ())
    now = world.clock.now()
    assert rental.until is not None
    hours = (rental.until - rental.since).total_seconds() / 3600
    assert rental.price is not None
    assert rental.on_demand is not None
    assert costs.dollars(rental, now) == rental.price * hours
    assert costs.saved(rental, now) == (rental.on_demand - rental.price) * hours
    assert costs.spent([rental], now) == {REPO: rental.price * hours}
    assert 0.2 < rental.price < rental.on_demand < 0.6


def test_an_end_is_counted_once_and_by_who_saw_it_first() -> None:
    """Of two controllers one may have been away, and miss the machine only hours later."""
    world = FakeWorld(habits=Habits(boot=60, job=3000))
    world.forge.queue(REPO, [LABEL])
    world.fleet().run(interval=30, passes=300)
    notes = world.journal.notes(world.clock.now().replace(year=2000))
    (ended,) = [note for note in notes if note.kind == "instance-ended"]
    late = replace(ended, facts={**ended.facts, "until": world.clock.now().replace(year=2100).isoformat()})
    assert costs.rentals([*notes, late], ()) == costs.rentals(notes, ())


def test_a_machine_that_a_running_controller_loses_sight_of_is_closed_as_well() -> None:
    """AWS may not be readable for hours; a budget must not count a machine that is long gone."""
    world = FakeWorld(habits=Habits(boot=30, job=300))
    world.forge.queue(REPO, [LABEL])
    fleet = world.fleet()
    fleet.run(interval=30, passes=2)
    world.clock.advance(3 * 3600)
    fleet.once()
    (ended,) = world.events.of(InstanceEnded)
    assert "does not show it" in ended.reason


def test_what_has_no_price_counts_all_the_same() -> None:
    """As on demand, as the dearest that policy allows, or as dear: a budget of nothing is no budget."""
    world = FakeWorld()
    now = world.clock.now()
    facts = {"instance": "i-1", "runner": "rk-1-1", "repo": REPO}
    notes = [
        Note(now, "instance-launched", facts),
        Note(now, "instance-launched", {**facts, "instance": "i-2", "on_demand": 2.0}),
    ]
    for note in notes:
        world.journal.note(note)
    later = now + timedelta(hours=1)
    today = [
        costs.spent_today(world.journal, (), policy, later)
        for policy in (
            Policy(dollars_per_day=9),
            Policy(dollars_per_day=9, max_price=1),
            Policy(repositories={"acme/*": Bounds(dollars_per_day=9, max_price=3)}),
            Policy(),
        )
    ]
    assert today == [{REPO: 7.0}, {REPO: 3.0}, {REPO: 5.0}, {}]
