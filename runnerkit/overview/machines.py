"""Machines on a timeline: what each did and when, from the notes, and what it does now, from the world."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from runnerkit.overview import past as words
from runnerkit.overview.past import DAY, SLACK
from runnerkit.overview.words import End, Kind, MachineLine, Segment
from runnerkit.phases import Pair, Phase, join, phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from runnerkit.history import Note, Rental
    from runnerkit.model import Instance, Job, Observed
    from runnerkit.overview.past import Past
    from runnerkit.wishes import Policy

# More ended machines than this only make the document long; they are counted.
MOST_ENDED = 1500
STEPS = {words.JOB_TAKEN: Kind.BUSY, words.JOB_OVER: Kind.ENDING}
# The phases that cannot be told from notes: the world says since when they hold.
SUDDEN = frozenset({Phase.LOST, Phase.GONE, Phase.STOPPED})
GROWN = {Phase.READY: (Kind.BOOTING,), Phase.BUSY: (Kind.BOOTING, Kind.READY)}


class Now(NamedTuple):
    """The world of the last pass, by what a machine's line asks for."""

    phases: Mapping[str, Phase]
    instances: Mapping[str, Instance]
    jobs: Mapping[str, Job]
    unpaired: tuple[Pair, ...]
    at: datetime | None


def world(observed: Observed | None, jobs: Iterable[Job], policy: Policy) -> Now:
    """Bring instances, runners and jobs together; before the first pass there is nothing."""
    if observed is None:
        return Now({}, {}, {}, (), None)
    pairs = list(join(observed))
    return Now(
        phases={pair.instance.id: phase(pair, policy, observed.at) for pair in pairs if pair.instance},
        instances={instance.id: instance for instance in observed.instances},
        jobs={job.runner_name.lower(): job for job in jobs if job.runner_name},
        unpaired=tuple(pair for pair in pairs if pair.instance is None),
        at=observed.at,
    )


def machine_lines(
    rentals: Sequence[Rental], past: Past, here: Now, policy: Policy, now: datetime
) -> tuple[tuple[MachineLine, ...], int]:
    """The live machines, newest first, then those that ended in the last day; and how many of these are left out."""
    lines = [_line(rental, past, here, now) for rental in rentals if not rental.until or rental.until >= now - DAY]
    live = [line for line in lines if line.until is None] + list(_registered(here, policy, past))
    over = [line for line in lines if line.until is not None and line.until >= now - DAY]
    live.sort(key=lambda line: (line.since, line.name), reverse=True)
    over.sort(key=lambda line: (line.until or now, line.name), reverse=True)
    return (*live, *over[:MOST_ENDED]), max(0, len(over) - MOST_ENDED)


def _line(rental: Rental, past: Past, here: Now, now: datetime) -> MachineLine:
    instance = here.instances.get(rental.instance)
    notes = _own(past.of(rental.runner), rental)
    until = _until(rental, instance, notes, here, now)
    at_work = here.jobs.get(rental.runner.lower()) if until is None else None
    # Any sibling may take a machine, so who took it is better known than whom it was launched for.
    taken = next((note.id("job") for note in reversed(notes) if note.kind == words.JOB_TAKEN), None)
    job = at_work.id if at_work else taken or rental.job_id
    run = at_work.run_id if at_work else _run(notes) or rental.run_id
    # What the last pass itself launched was not there yet when it looked.
    unseen = Phase.BOOTING if instance is None else None
    stage = here.phases.get(rental.instance, unseen) if until is None else None
    end = _how(instance, notes) if until is not None else End.NONE
    return MachineLine(
        name=rental.runner,
        instance=rental.instance,
        phase=str(stage or ""),
        repo=rental.repo,
        run=run,
        job=job,
        title=at_work.name if at_work else past.title(job),
        url=past.link(rental.repo, run, job),
        type=rental.type,
        zone=rental.zone,
        market=rental.market,
        price=rental.price,
        since=rental.since,
        until=until,
        lease=instance.expires_at if instance and until is None else None,
        end=end,
        reason=_reason(instance, notes) if until is not None else "",
        segments=_segments(rental, until, _grown(list(_steps(rental, notes, instance, stage, at_work)), stage)),
    )


def _own(notes: Sequence[Note], rental: Rental) -> list[Note]:
    """The notes of this instance: a name may have had another one before or afterwards."""
    latest = rental.until + SLACK if rental.until else None
    return [
        note
        for note in notes
        if note.at >= rental.since
        and (latest is None or note.at <= latest)
        and note.text("instance") in {"", rental.instance}
    ]


def _until(
    rental: Rental, instance: Instance | None, notes: Sequence[Note], here: Now, now: datetime
) -> datetime | None:
    """When it ended. EC2 forgets the dead: one that nobody sees any more ended at its last sign."""
    last = max(notes[-1].at if notes else rental.since, rental.since)
    if rental.until is not None:
        known = any(note.kind == words.ENDED for note in notes) or (instance is not None and instance.ended_at)
        return min(rental.until if known else max(rental.until, last), now)
    if instance is not None or here.at is None or rental.since + SLACK > here.at:
        return None
    return last


def _run(notes: Sequence[Note]) -> int | None:
    return next((note.id("run") for note in reversed(notes) if note.kind == words.JOB_TAKEN), None)


def _how(instance: Instance | None, notes: Sequence[Note]) -> End:
    kinds = {note.kind for note in notes}
    if words.INTERRUPTED in kinds or (instance is not None and instance.taken_back):
        return End.INTERRUPTED
    return End.DONE if kinds & {words.ONLINE, words.JOB_TAKEN, words.JOB_OVER} else End.FAILED


def _reason(instance: Instance | None, notes: Sequence[Note]) -> str:
    """Ours says more than EC2's, where we ended it."""
    for kind in (words.TERMINATED, words.ENDED):
        for note in reversed(notes):
            if note.kind == kind and note.text("reason"):
                return note.text("reason")
    return instance.state_reason if instance else ""


def _steps(
    rental: Rental, notes: Sequence[Note], instance: Instance | None, stage: Phase | None, at_work: Job | None
) -> Iterator[tuple[datetime, Kind]]:
    """When something new began, in any order."""
    yield rental.since, Kind.BOOTING
    for note in notes:
        if note.kind == words.ONLINE:
            # The pass that noticed it came later than the runner did.
            yield min(note.at, rental.since + timedelta(seconds=note.number("seconds") or 0.0)), Kind.READY
        elif note.kind in STEPS:
            yield note.at, STEPS[note.kind]
    if at_work is not None and at_work.started_at and not any(note.kind == words.JOB_TAKEN for note in notes):
        yield max(at_work.started_at, rental.since), Kind.BUSY
    if stage is not None and instance is not None and stage in SUDDEN:
        marks = {Phase.LOST: instance.lost_since, Phase.GONE: instance.gone_since}
        yield marks.get(stage) or rental.since, Kind(str(stage))


def _grown(steps: list[tuple[datetime, Kind]], stage: Phase | None) -> list[tuple[datetime, Kind]]:
    """In order; where the world is further than the notes, which may be lost, the last step is what the world says."""
    order = sorted(steps, key=lambda step: step[0])
    if stage in GROWN and order[-1][1] in GROWN[stage]:
        order.append((order[-1][0], Kind(str(stage))))
    return order


def _segments(rental: Rental, until: datetime | None, order: list[tuple[datetime, Kind]]) -> tuple[Segment, ...]:
    ends = [*(at for at, _ in order[1:]), until]
    found = (
        Segment(kind, begin, end if until is None else min(end or until, until))
        for (begin, kind), end in zip(order, ends, strict=True)
    )
    return tuple(each for each in found if each.end is None or each.end > each.begin) or (
        Segment(Kind.BOOTING, rental.since, until),
    )


def _registered(here: Now, policy: Policy, past: Past) -> Iterator[MachineLine]:
    """Registrations whose instance is not to be seen: launches under way, and leftovers of some that failed."""
    for pair in here.unpaired:
        runner = pair.runner
        birth = runner.birth if runner else None
        if runner is None or birth is None or here.at is None:
            continue
        stage = phase(pair, policy, here.at)
        kind = Kind.DANGLING if stage is Phase.DANGLING else Kind.REGISTERED
        yield MachineLine(
            name=runner.name,
            instance="",
            phase=str(stage),
            repo=runner.repo,
            run=None,
            job=None,
            title="",
            url=past.link(runner.repo, None),
            type="",
            zone="",
            market="",
            price=None,
            since=birth.at,
            until=None,
            lease=None,
            end=End.NONE,
            reason="",
            segments=(Segment(kind, birth.at),),
        )
