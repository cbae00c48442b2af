"""How long GitHub still gives jobs to a runner of some version (pure).

GitHub registers no runner below :data:`MINIMUM`. And a release, patches included, must be installed within
:data:`ALLOWED`: a runner that lacks an older one is online and gets no job. An image with a runner in it goes stale by
that rule while nobody touches it, so its age is told before a machine is paid for.

Source: GitHub's documentation of self-hosted runners ("Runner software updates on self-hosted runners") and the
announcement of the minimum version. Both hold for github.com and data residency, not for GitHub Enterprise Server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from runnerkit.model import Release

MINIMUM = "2.329.0"
ALLOWED = timedelta(days=30)
WARNED = timedelta(days=7)

_DAY = timedelta(days=1)
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?![\d.])")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a runner's version is worth.

    ``error`` means that GitHub gives it no job, ``warn`` that this is near. ``days_left`` is negative when it is over,
    and None when nothing ends (the runner is the newest) or nobody knows when.
    """

    level: Literal["ok", "warn", "error"]
    text: str
    days_left: float | None = None


def numbers(version: str) -> tuple[int, int, int] | None:
    """The three numbers of a version, with or without a leading v; None for anything else."""
    found = _VERSION.fullmatch(version.strip())
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def lacks_since(version: str, releases: Iterable[Release]) -> datetime | None:
    """When the first of the releases came out that a version lacks; None when it lacks none, or nobody knows when."""
    own = numbers(version)
    later = [each.at for each in releases if own and (other := numbers(each.version)) and other > own]
    return min((at for at in later if at is not None), default=None)


def newest(releases: Iterable[Release]) -> str:
    """The highest version of all; empty when there is none that can be read."""
    known = [each.version for each in releases if numbers(each.version)]
    return max(known, key=lambda version: numbers(version) or (), default="")


def judge(version: str, current: str, released_at: datetime | None, now: datetime) -> Verdict:
    """What GitHub does with a runner of a version.

    Args:
        version: Of the runner, as in ``2.335.0``; empty when unknown.
        current: GitHub's newest, empty when unknown.
        released_at: When the first release came out that the runner lacks (:func:`lacks_since`). An earlier time, such
            as that of an image that held the newest runner when it was made, makes the verdict stricter; None: unknown.
        now: Aware UTC.
    """
    own, highest = numbers(version), numbers(current)
    if own is None:
        return Verdict("ok", "the runner's version is not known")
    if own < (numbers(MINIMUM) or ()):
        return Verdict("error", f"runner {version} is below {MINIMUM}, the oldest that GitHub registers", 0.0)
    if highest is None:
        return Verdict("ok", f"runner {version}; GitHub's newest is not known")
    if own >= highest:
        return Verdict("ok", f"runner {version} is GitHub's newest")
    if released_at is None:
        return Verdict("warn", f"runner {version} is not GitHub's newest ({current}), which came out nobody knows when")
    return _aged(version, current, released_at, now)


def _aged(version: str, current: str, released_at: datetime, now: datetime) -> Verdict:
    left = released_at + ALLOWED - now
    days = left / _DAY
    lacks = f"runner {version} lacks a release of {released_at:%Y-%m-%d} (newest: {current})"
    if left <= timedelta():
        return Verdict("error", f"{lacks}; after {ALLOWED.days} days GitHub gives it no job", days)
    text = f"{lacks}; GitHub gives it jobs until {released_at + ALLOWED:%Y-%m-%d}, for {_span(days)} more"
    return Verdict("warn" if left < WARNED else "ok", text, days)


def _span(days: float) -> str:
    whole = int(days)
    return "less than a day" if whole < 1 else f"{whole} day{'s' if whole > 1 else ''}"
