"""How the journal's objects on S3 are named, and which of them are to be merged. Pure.

``PREFIX2026-11-22/101500123456-9f2c61d0.jsonl`` was written by one flush at that time of that day (UTC);
``PREFIX2026-11-22/merged-SHA.jsonl`` replaces several of a day. An entry stands in the day of its flush, or in none: so
what was noted since a moment is in that day's objects or later ones.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MERGED = "merged-"
SUFFIX = ".jsonl"
# A flush that is younger may still be unknown to somebody who lists.
SETTLED = timedelta(minutes=15)
# So many small objects of the day that is not over are merged: a cold start reads each of them.
MANY = 32
MOST_AT_ONCE = 200
_TIME = "%H%M%S%f"


def fresh(prefix: str, at: datetime, random: str) -> str:
    """The key of what is flushed now; keys of a day sort by time."""
    return f"{prefix}{at.astimezone(UTC):%Y-%m-%d}/{at.astimezone(UTC):{_TIME}}-{random}{SUFFIX}"


def merged(prefix: str, day: date, content: bytes) -> str:
    """The key of a merged object: the same for everybody who merged the same."""
    return f"{prefix}{day.isoformat()}/{MERGED}{hashlib.sha256(content).hexdigest()[:24]}{SUFFIX}"


def first_of(prefix: str, day: date) -> str:
    """Sorts before every key of a day and after those of the days before."""
    return f"{prefix}{day.isoformat()}/"


def day_of(prefix: str, key: str) -> date | None:
    """The day of an object; None for what is not ours."""
    if not key.startswith(prefix) or not key.endswith(SUFFIX):
        return None
    with suppress(ValueError):
        return date.fromisoformat(key.removeprefix(prefix).split("/", 1)[0])
    return None


def outdated(prefix: str, keys: Iterable[str], kept: timedelta, now: datetime) -> list[str]:
    """The objects whose last entry is no longer kept."""
    oldest = (now - kept).date()
    return [key for key in keys if (day := day_of(prefix, key)) is not None and day < oldest]


def to_merge(prefix: str, keys: Iterable[str], now: datetime) -> dict[date, list[str]]:
    """What is to be merged into one object, by day: a day that is over, or many small objects of this one."""
    days: dict[date, list[str]] = {}
    for key in sorted(keys):
        day = day_of(prefix, key)
        if day is not None and _is_settled(key, day, now):
            days.setdefault(day, []).append(key)
    today = (now - SETTLED).date()
    return {day: found[:MOST_AT_ONCE] for day, found in days.items() if len(found) > (1 if day < today else MANY)}


def union(contents: Iterable[Mapping[str, bytes]]) -> bytes:
    """Entries (lines by id) of several objects as one, each once, in an order that does not depend on who merges."""
    lines: dict[str, bytes] = {}
    for content in contents:
        lines.update(content)
    return b"".join(lines[id_] + b"\n" for id_ in sorted(lines))


def _is_settled(key: str, day: date, now: datetime) -> bool:
    name = key.rsplit("/", 1)[-1]
    if name.startswith(MERGED):
        return True
    with suppress(ValueError):
        text = f"{day.isoformat()} {name.split('-', 1)[0]} +0000"
        return datetime.strptime(text, f"%Y-%m-%d {_TIME} %z") <= now - SETTLED
    return False
