"""The one function behind the status page."""

from __future__ import annotations

from collections import Counter
from math import ceil
from typing import TYPE_CHECKING

from runnerkit.costs import rentals
from runnerkit.overview import jobs, machines, money, troubles
from runnerkit.overview.past import INTERRUPTED, JOB_TAKEN, LAUNCHED, Past
from runnerkit.overview.words import Numbers, Overview

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from runnerkit.history import Note
    from runnerkit.overview.seen import Seen
    from runnerkit.overview.words import About, FailureLine, JobLine, MachineLine, Trouble
    from runnerkit.wishes import Policy


def overview(
    seen: Seen | None,
    notes: Iterable[Note],
    policy: Policy,
    now: datetime,
    *,
    about: About,
    trouble: Trouble | None = None,
    unread: Sequence[FailureLine] = (),
) -> Overview:
    """All that the status page shows.

    Args:
        seen: The last good pass; None before the first one.
        notes: The journal's of the last week. What is lost of them is missing, nothing else.
        policy: As the controller has it.
        now: Aware UTC.
        about: The installation.
        trouble: Why the passes since then failed; None when they did not.
        unread: What the last pass could not read.
    """
    going = tuple(seen.active) if seen else ()
    observed = seen.observed if seen else None
    past = Past(notes, now, (*going, *(wish.job for wish in (seen.demand if seen else ()))), about.web)
    here = machines.world(observed, going, policy)
    rented = rentals(past.all("instance-launched", "instance-ended"), observed.instances if observed else ())
    lines, left_out = machines.machine_lines(rented, past, here, policy, now)
    ends = {line.instance: line.until for line in lines if line.instance}
    bill = money.shares(money.ended(rented, ends), now)
    waiting = jobs.job_lines(seen, lines, past) if seen else ()
    return Overview(
        at=now,
        about=about,
        passed=observed.at if observed else None,
        trouble=trouble,
        numbers=_numbers(lines, waiting, past, money.total(bill)),
        jobs=waiting,
        machines=lines,
        left_out=left_out,
        missed=tuple(note.at for note in past.day(troubles.LAUNCH_FAILED)),
        repos=money.repo_costs(bill),
        runs=money.run_costs(bill, past),
        refusals=troubles.refusal_lines(past, policy),
        failures=(*unread, *troubles.failure_lines(past)),
        github=about.allowance(),
    )


def _numbers(lines: Sequence[MachineLine], waiting: Sequence[JobLine], past: Past, bill: money.Sum) -> Numbers:
    live = [line for line in lines if line.until is None]
    billed = [line for line in live if line.instance]
    queued = [found for note in past.day(JOB_TAKEN) if (found := note.number("seconds")) is not None]
    return Numbers(
        waiting=len(waiting),
        blocked=sum(line.state in jobs.BLOCKED for line in waiting),
        phases=dict(sorted(Counter(line.phase or "unknown" for line in live).items())),
        dollars_an_hour=sum(line.price or 0.0 for line in billed),
        unpriced=sum(line.price is None for line in billed),
        dollars_today=bill.today,
        dollars_week=bill.week,
        saved_today=bill.saved_today,
        saved_week=bill.saved_week,
        queue_p50=percentile(queued, 0.5),
        queue_p90=percentile(queued, 0.9),
        taken=len(queued),
        launches=len(past.day(LAUNCHED)),
        interruptions=len(past.day(INTERRUPTED)),
        reruns=len(past.day("run-repeated")),
    )


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of all do not exceed; None of nothing."""
    order = sorted(values)
    return order[max(0, ceil(len(order) * share) - 1)] if order else None
