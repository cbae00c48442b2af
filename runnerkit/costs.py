"""What machines cost: rentals from the journal and from what lives, and their dollars. Pure.

EC2 bills by the second, at least a minute; a spot machine that AWS takes back within its first hour is not billed,
which is left out here: a budget rather counts too much.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from runnerkit.history import Rental
from runnerkit.moments import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from runnerkit.history import Note
    from runnerkit.model import Instance
    from runnerkit.ports import Journal
    from runnerkit.wishes import Policy

# Source: EC2's on-demand pricing page: per second, with a minimum of 60 seconds.
LEAST = timedelta(seconds=60)
LAUNCHED, ENDED = "instance-launched", "instance-ended"
KINDS = frozenset({LAUNCHED, ENDED})
HOUR = 3600.0
# What a machine of unknown price counts an hour where policy has no max_price: rather too much than nothing.
DEAR = 5.0


def rentals(notes: Iterable[Note], instances: Iterable[Instance]) -> tuple[Rental, ...]:
    """Every machine that the notes or EC2 know of, oldest first.

    A machine whose end nobody has noted yet counts as running; :mod:`runnerkit.following` closes the accounts.
    """
    found: dict[str, Rental] = {}
    for note in notes:
        id_ = note.text("instance")
        if note.kind == LAUNCHED and id_:
            found[id_] = _launched(note, found.get(id_))
        elif note.kind == ENDED and id_:
            found[id_] = _ended(note, found.get(id_))
    for instance in instances:
        found[instance.id] = _seen(instance, found.get(instance.id))
    return tuple(sorted(found.values(), key=lambda rental: (rental.since, rental.instance)))


def hired(instance: Instance) -> Rental:
    """A machine as EC2 shows it, still running."""
    return Rental(
        runner=instance.name,
        instance=instance.id,
        repo=instance.repo,
        run_id=instance.run_id,
        job_id=instance.job_id,
        type=instance.type,
        region=instance.region,
        zone=instance.zone,
        market=str(instance.market),
        price=instance.price,
        on_demand=None,
        since=instance.launched_at,
    )


def dollars(rental: Rental, now: datetime, since: datetime | None = None) -> float | None:
    """What a rental has cost until now, or from a moment on; None when its price is unknown."""
    return None if rental.price is None else rental.price * seconds(rental, now, since) / HOUR


def saved(rental: Rental, now: datetime) -> float | None:
    """What the same time would have cost more on demand; None when a price is unknown."""
    if rental.price is None or rental.on_demand is None:
        return None
    return max(0.0, rental.on_demand - rental.price) * seconds(rental, now) / HOUR


def seconds(rental: Rental, now: datetime, since: datetime | None = None) -> float:
    """The billed seconds of a rental until now, or from a moment on."""
    begin, end = rental.since, max(rental.until or now, rental.since + LEAST)
    return max(0.0, (end - max(begin, since or begin)).total_seconds())


def spent_today(journal: Journal, instances: Iterable[Instance], policy: Policy, now: datetime) -> Mapping[str, float]:
    """The dollars of this day (UTC) by repository in lower case; nothing is read where policy has no budget."""
    if all(cap.dollars_per_day is None for cap in policy.caps()):
        return {}
    notes = journal.notes(reach(policy, now), KINDS)
    return spent(rentals(notes, instances), now, lambda repo: policy.of(repo).max_price or DEAR)


def reach(policy: Policy, now: datetime) -> datetime:
    """What was noted before says nothing of today: such a machine's time is over, even if nobody noted its end."""
    longest = max(policy.max_life, *(bounds.max_life or 0 for bounds in policy.repositories.values()), 0)
    return now - timedelta(days=1, seconds=longest)


def spent(
    of: Iterable[Rental], now: datetime, unknown: Callable[[str], float] = lambda _repo: DEAR
) -> Mapping[str, float]:
    """The dollars of this day (UTC) by repository in lower case.

    A machine without a price counts as on demand, or as what ``unknown`` says for its repository.
    """
    today = datetime.combine(now.date(), time(), tzinfo=UTC)
    found: dict[str, float] = defaultdict(float)
    for rental in of:
        known = rental.on_demand if rental.price is None else rental.price
        price = unknown(rental.repo) if known is None else known
        found[rental.repo.lower()] += price * seconds(rental, now, today) / HOUR
    return dict(found)


def _launched(note: Note, known: Rental | None) -> Rental:
    price, on_demand = note.number("price"), note.number("on_demand")
    return replace(_noted(note), price=price, on_demand=on_demand, until=known.until if known else None)


def _ended(note: Note, known: Rental | None) -> Rental:
    since, until = moment(note.text("since")) or note.at, moment(note.text("until")) or note.at
    return replace(
        _noted(note),
        price=known.price if known else None,
        on_demand=known.on_demand if known else None,
        since=min(since, known.since) if known else since,
        # Of two controllers that noted its end, the one that missed it only later knows less.
        until=min(until, known.until) if known and known.until else until,
    )


def _noted(note: Note) -> Rental:
    return Rental(
        runner=note.text("runner"),
        instance=note.text("instance"),
        repo=note.text("repo"),
        run_id=note.id("run"),
        job_id=note.id("job"),
        type=note.text("type"),
        region=note.text("region"),
        zone=note.text("zone"),
        market=note.text("market"),
        price=None,
        on_demand=None,
        since=note.at,
    )


def _seen(instance: Instance, known: Rental | None) -> Rental:
    until = known.until if known else None
    return replace(
        hired(instance),
        price=known.price if known and known.price is not None else instance.price,
        on_demand=known.on_demand if known else None,
        since=min(instance.launched_at, known.since) if known else instance.launched_at,
        until=None if instance.live else (until or instance.ended_at or instance.launched_at),
    )
