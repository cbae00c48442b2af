"""Entries in memory, by kind and time, so that asking often costs little however many there are."""

from __future__ import annotations

import json
from bisect import bisect_left, insort
from contextlib import suppress
from heapq import merge
from typing import TYPE_CHECKING, cast

from runnerkit.journal import TYPED, Entry
from runnerkit.moments import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime

    Row = tuple[datetime, int, Entry]


class Ledger:
    """Keeps entries in the order of their times, equal ones in the order in which they came. Not safe for threads."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Row]] = {}
        self._count = 0

    def add(self, entries: Iterable[Entry]) -> None:
        """Take in entries; what has no time or no kind is of no use to anybody and left out."""
        for entry in entries:
            at, kind = moment(cast("str", entry.get("at"))), entry.get("kind")
            if at is None or not isinstance(kind, str):
                continue
            rows = self._rows.setdefault(kind, [])
            self._count += 1
            row = (at, self._count, entry)
            # The count is different for each, so that entries are never compared.
            if not rows or rows[-1][0] <= at:
                rows.append(row)
            else:
                insort(rows, row)

    def select(self, since: datetime, kinds: Collection[str] = ()) -> list[Entry]:
        """Those of these kinds (of all that are not typed, when none is named) from a moment on, oldest first."""
        wanted = kinds or (self._rows.keys() - TYPED)
        found = [_since(self._rows[kind], since) for kind in wanted if kind in self._rows]
        rows = found[0] if len(found) == 1 else merge(*found)
        return [entry for _, _, entry in rows]

    def every(self) -> list[Entry]:
        """All of them, oldest first."""
        return [entry for _, _, entry in merge(*self._rows.values())]

    def drop(self, oldest: Callable[[str], datetime]) -> None:
        """Forget what is older than ``oldest`` says of its kind."""
        self._rows = {kind: left for kind, rows in self._rows.items() if (left := _since(rows, oldest(kind)))}


def parsed(lines: list[bytes]) -> list[Entry]:
    """The entries in lines of JSON; those that are none are passed over."""
    whole = [line for line in lines if line.strip()]
    with suppress(ValueError, RecursionError):
        # All at once, which takes half the time, unless one of them is damaged.
        found = json.loads(b"[" + b",".join(whole) + b"]")
        if len(found) == len(whole):
            return [entry for entry in found if isinstance(entry, dict)]
    return [entry for line in whole if (entry := parsed_line(line)) is not None]


def parsed_line(line: bytes) -> Entry | None:
    """The entry in one line; None when it is none."""
    with suppress(ValueError, RecursionError):
        entry = json.loads(line)
        return entry if isinstance(entry, dict) else None
    return None


def line_of(entry: Entry) -> bytes:
    """An entry as a line."""
    return json.dumps(entry, default=str, separators=(",", ":")).encode() + b"\n"


def _since(rows: list[Row], since: datetime) -> list[Row]:
    return rows[bisect_left(rows, since, key=lambda row: row[0]) :]
