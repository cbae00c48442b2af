"""From stays to a bill: lines by run, job, repository, day or spec, within a span of time."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from math import ceil
from typing import TYPE_CHECKING

from runnerkit.costs import DEAR, HOUR, LAUNCHED, reach, spent
from runnerkit.costs import KINDS as OF_RENTALS
from runnerkit.costs import rentals as rented
from runnerkit.spending.stays import Stays
from runnerkit.spending.words import Bill, Budget, Line, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from typing import Any

    from runnerkit.history import Note
    from runnerkit.spending.words import Sources, Stay
    from runnerkit.wishes import Cap, Policy

UNKNOWN = "unknown"
TOTAL = "total"
LAUNCH_FAILED = "launch-failed"
DAY = timedelta(days=1)
SPOT = "spot"
MINUTE = 60.0


class By(StrEnum):
    """What lines add up by."""

    RUN = "run"
    JOB = "job"
    REPO = "repo"
    DAY = "day"
    SPEC = "spec"


def bill(
    sources: Sources, policy: Policy, since: datetime, until: datetime, *, by: By = By.RUN, repos: Collection[str] = ()
) -> Bill:
    """What all machines cost in a span of time.

    Args:
        sources: The notes must reach back to the launches of machines that lived in the span.
        policy: Says the budgets.
        since: Aware UTC; what a machine cost before is left out.
        until: Aware UTC; at most now counts.
        by: What lines add up by.
        repos: Only these, as ``owner/name`` or a pattern; empty: all.
    """
    until = min(until, sources.now)
    stays = [stay for stay in Stays(sources).all() if _wanted(stay.repo, repos)]
    total = Line(TOTAL)
    lines: dict[str, Line] = {}
    for stay in stays:
        for key, begin, end in _cut(stay, by, since, until):
            _add(lines.setdefault(key, Line(key)), stay, begin, end)
        _add(total, stay, since, until)
    _count_failed(sources, lines, total, by, (since, until), repos)
    found = [line for line in lines.values() if line.machines or line.failed_launches]
    order: Callable[[Line], Any] = _by_key if by is By.DAY else _dearest
    return Bill(
        since=since,
        until=until,
        by=str(by),
        lines=tuple(sorted(found, key=order)),
        total=total,
        live=None if sources.instances is None else sum(stay.live for stay in stays),
        budgets=budgets(sources, policy),
        prices=_prices(sources),
        unknown=tuple(_unknown(sources, total, since)),
    )


def _by_key(line: Line) -> str:
    return line.key


def _dearest(line: Line) -> tuple[float, float, str]:
    return -line.dollars, -line.seconds, line.key


def _wanted(repo: str, repos: Collection[str]) -> bool:
    return not repos or any(fnmatchcase(repo.lower(), wanted.lower()) for wanted in repos)


def _cut(stay: Stay, by: By, since: datetime, until: datetime) -> Iterator[tuple[str, datetime, datetime]]:
    """The lines that a machine belongs to, and the time that counts for each."""
    if by is not By.DAY:
        yield _key(stay, by), since, until
        return
    first = max(since, stay.rental.since)
    last = min(until, stay.stretches[-1].end) if stay.stretches else until
    day = datetime.combine(first.astimezone(UTC).date(), time(), tzinfo=UTC)
    while day < last:
        yield f"{day:%Y-%m-%d}", max(day, since), min(day + DAY, until)
        day += DAY


def _key(stay: Stay, by: By) -> str:
    if by is By.REPO:
        return stay.repo or UNKNOWN
    if by is By.SPEC:
        return stay.spec or UNKNOWN
    run = f"{stay.repo} {stay.run}" if stay.run else f"{stay.repo} {UNKNOWN}"
    if by is By.RUN:
        return run
    return f"{run} {stay.title or UNKNOWN} ({stay.job})" if stay.job else f"{run} {UNKNOWN}"


def _add(line: Line, stay: Stay, begin: datetime, end: datetime) -> None:
    rental, counted = stay.rental, 0.0
    for stretch in stay.stretches:
        seconds = (min(stretch.end, end) - max(stretch.begin, begin)).total_seconds()
        if seconds > 0:
            counted += seconds
            line.part_seconds[stretch.part] += seconds
            line.part_dollars[stretch.part] += (rental.price or 0.0) * seconds / HOUR
    here = begin <= rental.since < end
    if not counted and not here:
        return
    line.machines += 1
    line.seconds += counted
    line.open_ended += not stay.certain
    if rental.price is None:
        line.unpriced += 1
        known = line.at_most is not None and rental.on_demand is not None
        line.at_most = (line.at_most or 0.0) + (rental.on_demand or 0.0) * counted / HOUR if known else None
    line.dollars += (rental.price or 0.0) * counted / HOUR
    if rental.market == SPOT:
        line.spot_machines += 1
        if rental.price is None or rental.on_demand is None:
            line.unsaved += 1
        else:
            line.saved += max(0.0, rental.on_demand - rental.price) * counted / HOUR
            line.instead += max(rental.on_demand, rental.price) * counted / HOUR


def _count_failed(
    sources: Sources,
    lines: dict[str, Line],
    total: Line,
    by: By,
    span: tuple[datetime, datetime],
    repos: Collection[str],
) -> None:
    """Launches that started nothing cost nothing; they are told since they made somebody wait.

    Their note names no repository, so with some repositories asked for they are left out, and by day alone they have
    a line.
    """
    for note in sources.notes if not repos else ():
        if note.kind == LAUNCH_FAILED and span[0] <= note.at < span[1]:
            total.failed_launches += 1
            if by is By.DAY:
                key = f"{note.at.astimezone(UTC):%Y-%m-%d}"
                lines.setdefault(key, Line(key)).failed_launches += 1


def budgets(sources: Sources, policy: Policy) -> tuple[Budget, ...]:
    """Every budget, and what was spent of it today, counted as launching counts it."""
    caps = [cap for cap in policy.caps() if cap.dollars_per_day is not None]
    if not caps:
        return ()
    since = reach(policy, sources.now)
    notes = [note for note in sources.notes if note.kind in OF_RENTALS and note.at >= since]
    of = spent(rented(notes, sources.instances or ()), sources.now, lambda repo: policy.of(repo).max_price or DEAR)
    return tuple(Budget(cap.pattern, cap.dollars_per_day or 0.0, _covered(cap, of)) for cap in caps)


def _covered(cap: Cap, of: Mapping[str, float]) -> float:
    return sum(dollars for repo, dollars in of.items() if cap.covers(repo))


def _prices(sources: Sources) -> dict[str, str]:
    return {
        "spot": "AWS's spot price history, at each machine's launch",
        "on_demand": f"the table of {sources.prices_of:%Y-%m-%d} that this release ships: Linux in us-east-1, "
        "elsewhere by a factor for region and family",
        "table_date": f"{sources.prices_of:%Y-%m-%d}",
    }


def _unknown(sources: Sources, total: Line, since: datetime) -> Iterator[str]:
    """What the figures leave out, as sentences."""
    first = _first(sources.notes)
    if first is None:
        yield "the journal tells of no machine: is it the one that launches write to?"
    elif first > since:
        yield f"whether anything ran before {first:%Y-%m-%d %H:%M} UTC, the first launch that the journal tells of"
    if since < sources.now - timedelta(days=sources.kept_days):
        yield f"the journal keeps {sources.kept_days} days (kept_days); what was before is not counted"
    if sources.instances is None:
        yield "EC2 could not be read, so what runs now is counted only to its last sign"
    if total.unpriced:
        yield _unpriced(total)
    if total.open_ended:
        yield f"when {total.open_ended} of {total.machines} machines ended: they cost at least what is counted"
    if total.unsaved:
        yield f"what {total.unsaved} spot machines would have cost on demand: no saving is counted for them"
    if total.part_seconds[Part.UNKNOWN]:
        yield f"what {_span(total.part_seconds[Part.UNKNOWN])} of machine time were for: nobody noted it"
    if total.part_seconds[Part.REPEATED]:
        yield "how much of the repeated work was restored from the remote: the figure is the most that it can be"


def _unpriced(total: Line) -> str:
    bound = "" if total.at_most is None else f"; on demand they would have cost {total.at_most:.2f} dollars together"
    return (
        f"what {total.unpriced} of {total.machines} machines cost an hour: their hours count, their dollars do not"
        f"{bound}. Whoever launches notes the price in the journal: where hosted jobs do, keep it on S3"
        " (where under [journal])"
    )


def _span(seconds: float) -> str:
    return f"{seconds / HOUR:.1f} hours" if seconds >= HOUR else f"{ceil(seconds / MINUTE)} min"


def _first(notes: Iterable[Note]) -> datetime | None:
    return min((note.at for note in notes if note.kind == LAUNCHED), default=None)
