"""What machines cost and what spot saved: today (UTC), in the last 7 days, by repository and by run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, NamedTuple

from runnerkit.costs import HOUR, seconds
from runnerkit.overview.past import WEEK
from runnerkit.overview.words import RepoCost, RunCost

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runnerkit.history import Rental
    from runnerkit.overview.past import Past

MOST_RUNS = 8


class Share(NamedTuple):
    """The dollars of one rental, and what spot saved on it."""

    today: float
    week: float
    saved_today: float
    saved_week: float


@dataclass
class Sum:
    """What is added up."""

    today: float = 0.0
    week: float = 0.0
    saved_today: float = 0.0
    saved_week: float = 0.0
    machines: int = 0

    def add(self, share: Share) -> None:
        """Count one more rental."""
        self.today += share.today
        self.week += share.week
        self.saved_today += share.saved_today
        self.saved_week += share.saved_week
        self.machines += share.week > 0


def ended(rentals: Iterable[Rental], ends: Mapping[str, datetime | None]) -> tuple[Rental, ...]:
    """The rentals with the ends that the timeline knows: what nobody sees any more must not be billed for ever."""
    return tuple(
        rental if (end := ends.get(rental.instance, rental.until)) == rental.until else replace(rental, until=end)
        for rental in rentals
    )


def shares(rentals: Sequence[Rental], now: datetime) -> list[tuple[Rental, Share]]:
    """What each rental of the last week comes to; one without a price costs nothing here."""
    midnight, week = datetime.combine(now.date(), time(), tzinfo=UTC), now - WEEK
    return [(rental, _share(rental, now, midnight, week)) for rental in rentals]


def _share(rental: Rental, now: datetime, midnight: datetime, week: datetime) -> Share:
    today, whole = seconds(rental, now, midnight) / HOUR, seconds(rental, now, week) / HOUR
    price = rental.price or 0.0
    gain = 0.0 if rental.price is None or rental.on_demand is None else max(0.0, rental.on_demand - rental.price)
    return Share(price * today, price * whole, gain * today, gain * whole)


def total(of: Iterable[tuple[Rental, Share]]) -> Sum:
    """All of it."""
    found = Sum()
    for _, share in of:
        found.add(share)
    return found


def repo_costs(of: Iterable[tuple[Rental, Share]]) -> tuple[RepoCost, ...]:
    """By repository, the dearest of the week first; GitHub's names do not differ by case alone."""
    sums: dict[str, Sum] = defaultdict(Sum)
    names: dict[str, str] = {}
    for rental, share in of:
        sums[rental.repo.lower()].add(share)
        names[rental.repo.lower()] = rental.repo
    lines = [RepoCost(names[key], s.today, s.week, s.saved_week, s.machines) for key, s in sums.items() if s.machines]
    return tuple(sorted(lines, key=lambda line: (-line.week, line.repo)))


def run_costs(of: Iterable[tuple[Rental, Share]], past: Past) -> tuple[RunCost, ...]:
    """The dearest of the runs that had a machine in the last week.

    Any job with the same labels may take a machine, so it counts for the run that took it, if one did.
    """
    groups: dict[tuple[str, int], list[tuple[Rental, Share]]] = defaultdict(list)
    for rental, share in of:
        run = past.taker(rental) or rental.run_id
        if run and share.week > 0:
            groups[rental.repo, run].append((rental, share))
    sums = [(sum(share.week for _, share in group), run) for run, group in groups.items()]
    dearest = sorted(sums, key=lambda each: (-each[0], each[1]))[:MOST_RUNS]
    return tuple(_run_cost(run, [rental for rental, _ in groups[run]], cost, past) for cost, run in dearest)


def _run_cost(run: tuple[str, int], group: Sequence[Rental], cost: float, past: Past) -> RunCost:
    return RunCost(
        repo=run[0],
        run=run[1],
        url=past.link(*run),
        dollars=cost,
        machines=len(group),
        last=max(rental.since for rental in group),
        going=any(rental.until is None for rental in group),
    )
