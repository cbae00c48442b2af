"""What machines cost and what was wasted: from notes made by hand, and against a world that knows the truth."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from runnerkit import costs
from runnerkit.history import Note
from runnerkit.model import Instance, Market, State
from runnerkit.spending import Bill, By, Part, Sources, bill
from runnerkit.spending.stays import KINDS, Stays
from runnerkit.testing.simulation import Simulation, named
from runnerkit.wishes import Bounds, Policy

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
REPO = "acme/widgets"
PRICE, ON_DEMAND = 0.36, 1.2  # dollars an hour: one minute is 0.006
DATED = date(2026, 10, 1)
MINUTE = timedelta(minutes=1)


def ago(minutes: float) -> datetime:
    return NOW - minutes * MINUTE


def note(minutes: float, kind: str, **facts: Any) -> Note:  # noqa: ANN401 - whatever the fields hold
    return Note(ago(minutes), kind, facts)


def launched(minutes: float, number: int = 1, **more: Any) -> Note:  # noqa: ANN401 - whatever the fields hold
    facts = {
        "runner": f"rk-{number}-1", "instance": f"i-{number}", "repo": REPO, "type": "g4dn.xlarge",
        "zone": "eu-west-1a", "region": "eu-west-1", "market": "spot",
        "price": PRICE, "on_demand": ON_DEMAND, "run": 9, "job": number,
    }  # fmt: skip
    return note(minutes, "instance-launched", **facts | more)


def online(minutes: float, seconds: float, number: int = 1) -> Note:
    return note(minutes, "runner-online", runner=f"rk-{number}-1", seconds=seconds)


def seen(minutes: float, number: int = 1, **more: Any) -> Note:  # noqa: ANN401 - whatever the fields hold
    facts = {
        "job": number, "run": 9, "attempt": 1, "repo": REPO, "title": "train", "queued_at": ago(minutes).isoformat(),
        "labels": "runnerkit=9/gpu=t4/disk=100gb",
    }  # fmt: skip
    return note(minutes, "job-seen", **facts | more)


def taken(
    minutes: float,
    waited: float,
    number: int = 1,
    **more: Any,  # noqa: ANN401 - whatever the fields hold
) -> Note:
    facts = {"job": number, "run": 9, "repo": REPO, "runner": f"rk-{number}-1", "seconds": waited}
    return note(minutes, "job-taken", **facts | more)


def over(minutes: float, ended: float | None = None, number: int = 1, conclusion: str = "success") -> Note:
    times = {} if ended is None else {"ended_at": ago(ended).isoformat()}
    facts = {"job": number, "run": 9, "repo": REPO, "runner": f"rk-{number}-1", "conclusion": conclusion}
    return note(minutes, "job-over", **facts, **times)


def ended(minutes: float, begin: float, number: int = 1, **more: Any) -> Note:  # noqa: ANN401 - whatever the fields hold
    facts = {"runner": f"rk-{number}-1", "instance": f"i-{number}", "repo": REPO, "run": 9, "job": number,
             "since": ago(begin).isoformat(), "until": ago(minutes).isoformat(), "market": "spot"}  # fmt: skip
    return note(minutes - 0.5, "instance-ended", **facts | more)


def lost(minutes: float, number: int = 1) -> Note:
    return note(minutes, "instance-interrupted", runner=f"rk-{number}-1", instance=f"i-{number}", repo=REPO, run=9)


def instance(number: int, minutes: float, **more: Any) -> Instance:  # noqa: ANN401 - whatever the fields hold
    facts: dict[str, Any] = {"runner_id": number, "run_id": 9, "job_id": number, "state": State.RUNNING} | more
    place = ("eu-west-1", "eu-west-1a", "g4dn.xlarge", Market.SPOT)
    return Instance(f"i-{number}", f"rk-{number}-1", REPO, *place, launched_at=ago(minutes), **facts)


def made(
    *notes: Note,
    instances: tuple[Instance, ...] | None = (),
    days: float = 7,
    policy: Policy | None = None,
    **more: Any,  # noqa: ANN401 - whatever a bill takes
) -> Bill:
    sources = Sources(notes, instances, NOW, DATED)
    return bill(sources, policy or Policy(), NOW - timedelta(days=days), NOW, **more)


def minutes(found: Bill) -> dict[str, float]:
    return {str(part): round(seconds / 60, 3) for part, seconds in found.total.part_seconds.items() if seconds}


# A whole life: launched, online after 2 min, the job 3 min later for 40 min, gone 1 min after it; told a pass late.
WHOLE = (
    seen(121), launched(120), online(117.5, 120), taken(114.4, 6 * 60), over(74, 75), ended(74, 120),
)  # fmt: skip


def test_a_machine_s_time_is_told_apart_to_the_second_though_passes_notice_late() -> None:
    """Boot, idle, work and what came after it add up to the life, in minutes and in dollars; spot saved the rest."""
    found = made(*WHOLE)
    assert {"boot": 2, "idle": 3, "work": 40, "after": 1} == minutes(found)
    (line,) = found.lines
    assert (f"{REPO} 9", 1, round(46 / 60, 9)) == (line.key, line.machines, round(line.hours, 9))
    assert 46 * 0.006 == pytest.approx(line.dollars)
    assert 6 * 0.006 == pytest.approx(line.waste)
    assert 46 * 0.014 == pytest.approx(line.saved)
    assert 0.7 == pytest.approx(line.saved_share or 0.0)
    assert () == tuple(each for each in found.unknown if "before" not in each)
    assert "2026-10-01" in found.prices["on_demand"]
    assert "spot price history" in found.prices["spot"]


def test_work_that_was_interrupted_or_run_again_is_repeated_work() -> None:
    """Whether AWS took the machine or somebody re-ran the job; and the most that it can be is what is told."""
    notes = [*WHOLE, launched(60, 2), online(58, 60, 2), taken(55, 0, 2), lost(30, 2), ended(30, 60, 2)]
    found = made(*notes)
    assert (25, 40) == (minutes(found)["repeated"], minutes(found)["work"])
    assert any("most that it can be" in each for each in found.unknown)
    again = made(*WHOLE, seen(20, 3, attempt=2))
    assert {"boot": 2, "idle": 3, "repeated": 40, "after": 1} == minutes(again)
    other = made(*WHOLE, seen(20, 3, attempt=2, title="test"))
    assert 40 == minutes(other)["work"]


def test_a_machine_that_never_came_online_failed_and_a_launch_of_none_costs_nothing() -> None:
    """A minute at least is billed; where nobody made passes, silence is no failure."""
    found = made(*WHOLE, launched(30, 2), ended(29.9, 30, 2), note(20, "launch-failed", runner="rk-3-1", error={}))
    assert 1 == minutes(found)["failed"]
    assert 1 == found.total.failed_launches
    assert made(
        launched(30), instances=(instance(1, 30, state=State.TERMINATED, ended_at=ago(10)),)
    ).total.part_seconds[Part.UNKNOWN] == pytest.approx(1200)


def test_what_is_not_known_is_said_and_is_not_zero() -> None:
    """No price, no price on demand, no end, no notes of what it did: each is a sentence, and null in JSON."""
    found = made(launched(60, 1, price=None, on_demand=None), note(50, "runner-online", runner="rk-1-1", seconds=120))
    assert (None, None, None) == tuple(found.total.as_dict()[key] for key in ("dollars", "saved", "waste"))
    assert 10 / 60 == pytest.approx(found.total.hours)
    assert (1, 1, 1) == (found.total.unpriced, found.total.open_ended, found.total.unsaved)
    told = "\n".join(found.unknown)
    for text in ("cost an hour", "ended", "on demand", "8 min of machine time"):
        assert text in told
    assert found.total.as_dict()["parts"]["boot"]["dollars"] is None
    unread = made(*WHOLE, launched(60, 2), instances=None)
    assert (None, 1) == (unread.live, unread.total.open_ended)
    assert "EC2 could not be read" in "\n".join(unread.unknown)
    dead = made(launched(60), instances=(instance(1, 60, state=State.TERMINATED),))
    assert 1 == dead.total.open_ended
    assert "tells of no machine" in made().unknown[0]
    assert "keeps 35 days" in "\n".join(made(*WHOLE, days=40).unknown)


def test_what_runs_now_counts_until_now() -> None:
    """As far as it has got; one that EC2 does not show yet is running as well."""
    notes = (*WHOLE, launched(10, 2), online(8, 60, 2), launched(5, 3))
    found = made(*notes, instances=(instance(2, 10),))
    assert 2 == found.live
    assert {"boot": 2 + 1 + 5, "idle": 3 + 9, "work": 40, "after": 1} == minutes(found)
    assert 0 == found.total.open_ended
    working = made(*notes, taken(6, 0, 2), instances=(instance(2, 10),))
    assert 46 == minutes(working)["work"]


def test_lines_add_up_by_what_is_asked_and_to_the_same_total() -> None:
    """A machine counts for the run that took it; one over midnight for both days; a wish without its scope."""
    late = [seen(740, 2), launched(735, 2), online(734, 60, 2), taken(734, 0, 2, run=7, repo="acme/gears")]
    notes = [*WHOLE, *late, ended(705, 735, 2, repo="acme/gears"), launched(90, 3, repo="acme/gears"), ended(80, 90, 3)]
    bills = {by: made(*notes, by=by) for by in By}
    assert ["2026-11-21", "2026-11-22"] == [line.key for line in bills[By.DAY].lines]
    assert 15 * 60 == pytest.approx(bills[By.DAY].lines[0].seconds)
    assert {"acme/widgets", "acme/gears"} == {line.key for line in bills[By.REPO].lines}
    assert {"runnerkit/gpu=t4/disk=100gb", "unknown"} == {line.key for line in bills[By.SPEC].lines}
    assert "acme/gears 7" in {line.key for line in bills[By.RUN].lines}
    assert f"{REPO} 9 train (1)" in {line.key for line in bills[By.JOB].lines}
    for found in bills.values():
        for key in ("seconds", "dollars", "saved", "waste"):
            assert getattr(found.total, key) == pytest.approx(sum(getattr(line, key) for line in found.lines)), key
    assert "large" == made(*WHOLE, seen(121, labels="runnerkit=9/spec=large"), by=By.SPEC).lines[0].key
    assert [REPO] == [line.key for line in made(*notes, by=By.REPO, repos=["ACME/wid*"]).lines]
    assert 16 * 60 == pytest.approx(made(*WHOLE, days=90 / 1440).total.seconds)


def test_budgets_are_what_launching_counts() -> None:
    """All together and for some repositories; what is left never falls below nothing, and JSON says it is used up."""
    policy = Policy(
        dollars_per_day=1, repositories={"acme/wid*": Bounds(dollars_per_day=0.2), "x/*": Bounds(max_price=1)}
    )
    first, second = made(*WHOLE, policy=policy).budgets
    assert ("*", 1.0, 0.276, 0.724) == (first.pattern, first.limit, round(first.spent, 6), round(first.left, 6))
    assert (0, True) == (second.left, second.as_dict()["exhausted"])
    assert () == made(*WHOLE).budgets
    # However far a bill reaches back: launching has long forgotten a machine whose end nobody noted.
    forgotten = launched(9 * 24 * 60, number=7, run=8, job=7)
    assert 0.276 == round(made(forgotten, *WHOLE, policy=policy).budgets[0].spent, 6)


def test_a_bill_is_json_as_it_is() -> None:
    """With every part of every line."""
    told = json.loads(json.dumps(made(*WHOLE).as_dict()))
    assert {str(part) for part in Part} == set(told["lines"][0]["parts"])
    assert told["total"]["parts"]["boot"] == {"seconds": 120.0, "dollars": 0.012, "share": round(2 / 46, 4)}


def test_a_price_that_nobody_noted_is_bounded_by_the_table() -> None:
    """On demand it is the table's; a spot price is in no table, so it stays unknown, and what to do is said."""
    spot = instance(2, 60)
    bought, table = replace(instance(1, 60), market=Market.ON_DEMAND), {(spot.type, spot.region): 2.0}

    def told(*there: Instance) -> Bill:
        sources = Sources((), there, NOW, DATED, on_demand=lambda type_, region: table.get((type_, region)))
        return bill(sources, Policy(), ago(600), NOW)

    both = told(bought, spot).total
    assert (round(both.dollars, 6), both.unpriced, round(both.at_most or 0, 6)) == (2.0, 1, 2.0)
    (said,) = [each for each in told(spot).unknown if "cost an hour" in each]
    assert "on demand they would have cost 2.00 dollars together" in said
    assert "keep it on S3" in said
    assert told(replace(spot, type="b"), bought).total.at_most is None


def test_the_bill_of_a_made_up_world_is_the_one_that_the_world_knows() -> None:
    """Machines that fail, wait and are taken back, told by the real controller's journal and nothing else.

    The notes come a pass late where EC2 and GitHub give no time, so each machine may be off by some seconds.
    """
    scenario = named("bad-boots")
    machines = scenario.machines.model_copy(update={"interruptions": 0.5})
    play = Simulation(scenario.model_copy(update={"days": 0.08, "machines": machines}))
    report = play.play()
    now = play.world.clock.now()
    notes = play.journals[0].notes(datetime(2000, 1, 1, tzinfo=UTC), KINDS)
    sources = Sources(notes, play.world.cloud.instances(), now, DATED)
    found = bill(sources, play.policy, now - timedelta(days=1), now)
    assert report.machines == found.total.machines > 40
    known = {stay.rental.instance: stay for stay in Stays(sources).all() if stay.certain}
    hires = [hire for id_, hire in play.world.ledger.hires.items() if id_ in known and hire.ended_at]
    assert len(hires) > 40
    true_dollars = told_dollars = 0.0
    for hire in hires:
        rental = known[hire.rental.instance].rental
        assert rental.until is not None
        assert hire.ended_at is not None
        assert abs((rental.until - hire.ended_at).total_seconds()) < 90
        assert (hire.rental.price, hire.rental.on_demand) == (rental.price, rental.on_demand)
        true_dollars += costs.dollars(hire.final(now), now) or 0.0
        told_dollars += costs.dollars(rental, now) or 0.0
    for part in (Part.BOOT, Part.FAILED):
        true = report.waste[str(part)]
        assert true.seconds == pytest.approx(found.total.part_seconds[part], rel=0.25, abs=300), part
        assert true.dollars == pytest.approx(found.total.part_dollars[part], rel=0.25, abs=0.05), part
    assert report.waste["repeated"].seconds <= found.total.part_seconds[Part.REPEATED] + 60
    assert true_dollars == pytest.approx(told_dollars, rel=0.05)


def test_what_a_journal_holds_never_makes_it_fail() -> None:
    """Facts of other kinds, of other days, without the other half."""
    odd = [
        replace(
            each, facts={**each.facts, "seconds": 1e300, "queued_at": "x", "ended_at": 7, "labels": "runnerkit/z=1"}
        )
        for each in WHOLE
    ]
    empty = [Note(each.at, each.kind, {}) for each in WHOLE]
    for notes in (odd, empty, list(reversed(odd)), [*WHOLE, *odd, *empty]):
        for by in By:
            assert made(*notes, by=by).total.seconds >= 0
