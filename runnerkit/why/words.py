"""Times and durations as people read them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_UNITS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s"))


def clock(at: datetime, now: datetime) -> str:
    """A time of day (UTC), with its date unless that is today's."""
    return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M:%S}"


def span(seconds: float) -> str:
    """A duration in its two largest units: ``4m05s``."""
    whole = max(0, int(seconds))
    for size, letter, part, small in _UNITS:
        if whole >= size:
            return f"{whole // size}{letter}{whole % size // part:02d}{small}"
    return f"{whole}s"


def relative(at: datetime, now: datetime) -> str:
    """How far away a time is: ``4m05s ago``, ``in 30s``."""
    seconds = (at - now).total_seconds()
    return f"in {span(seconds)}" if seconds > 0 else f"{span(-seconds)} ago"


def times(count: int, what: str = "time") -> str:
    """``once``, ``3 times``."""
    return "once" if count == 1 and what == "time" else f"{count} {what}{'' if count == 1 else 's'}"


def some(words: Sequence[str], most: int = 4) -> str:
    """The first of several words, and how many more there are."""
    unique = list(dict.fromkeys(words))
    return ", ".join(unique[:most]) + (f" and {len(unique) - most} more" if len(unique) > most else "")
