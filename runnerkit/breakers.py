"""When launching pauses: after failures, after searches that found nothing, after interruptions. Pure.

All of them read the journal's entries; without those they are closed, and EC2's and GitHub's own lists bound launches.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from runnerkit.errors import CloudDenied, ForgeDenied, NoCapacity, NotFound, NotOffered, PolicyRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runnerkit.history import Interruption
    from runnerkit.model import Failure
    from runnerkit.wishes import Policy

# Launches that failed for these reasons say nothing about the label's machines, only that there are none to be had.
UNOBTAINABLE = frozenset({NoCapacity.code, NotOffered.code, PolicyRefused.code})
# Nor do these count for people who launch again: they have seen to credentials or permissions, a controller has not.
MENDABLE = UNOBTAINABLE | {CloudDenied.code, ForgeDenied.code, NotFound.code}


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is tried before ``until``, after so many times."""

    until: datetime
    times: int


def breaker_open_until(failures: Iterable[Failure], digest: str, policy: Policy, now: datetime) -> datetime | None:
    """Until when nothing is launched for a label set, after too many failures within a window; None when it may be."""
    counted = [failure.at for failure in failures if failure.digest == digest and failure.code not in UNOBTAINABLE]
    most = policy.breaker_failures
    until = _tripped(sorted(counted), most, policy.breaker_window, policy.breaker_pause)
    return until if until is not None and now < until else None


def search_paused(failures: Iterable[Failure], digest: str, policy: Policy, now: datetime) -> Pause | None:
    """Whether a label set whose wish could not be had lets others go first, each time for twice as long; None when not.

    The pause begins with the memory of refusals, and never gets longer than the policy's limit.
    """
    times = sorted(f.at for f in failures if f.digest == digest and f.code in UNOBTAINABLE)
    searches = _searches(times, policy)
    if not searches:
        return None
    # Bounded, so that a long drought does not make a number that no timedelta holds.
    doubled = policy.refusal_memory * 2 ** min(len(searches) - 1, 20)
    pause = max(policy.refusal_memory, min(doubled, policy.backoff_limit))
    until = searches[-1] + timedelta(seconds=pause)
    return Pause(until, len(searches)) if now < until else None


def _searches(times: Sequence[datetime], policy: Policy) -> list[datetime]:
    """The latest unbroken row of searches; jobs of one pass fail together and are one search."""
    together = timedelta(seconds=policy.refusal_memory / 2)
    apart = timedelta(seconds=2 * max(policy.backoff_limit, policy.refusal_memory) + policy.settle)
    row: list[datetime] = []
    for at in times:
        if row and at - row[-1] > apart:
            row = []
        if row and at - row[-1] <= together:
            row[-1] = at
        else:
            row.append(at)
    return row


def spot_paused(interruptions: Iterable[Interruption], wish: str, policy: Policy, now: datetime) -> Pause | None:
    """Whether a wish is bought on demand for a while, because spot was taken back too often; None when it is not."""
    # Two controllers may have noted the same one.
    times = sorted({each.runner: each.at for each in interruptions if each.wish == wish}.values())
    most = policy.spot_breaker_interruptions
    until = _tripped(times, most, policy.spot_breaker_window, policy.spot_breaker_pause)
    return Pause(until, most) if until is not None and now < until else None


def _tripped(times: Sequence[datetime], most: int, window: int, pause: int) -> datetime | None:
    """When the pause ends that the latest ``most`` of these times began; None when they lie too far apart."""
    latest = times[-most:]
    if len(latest) < most or latest[-1] - latest[0] > timedelta(seconds=window):
        return None
    return latest[-1] + timedelta(seconds=pause)
