"""The registry as people use it: list, look up, tag, delete."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runnerkit.errors import NothingKnown, PolicyRefused
from runnerkit.job.locks.leaving import LOCKS
from runnerkit.job.registry.record import Record, checked_id, checked_note, checked_type, unpacked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.job.stores import Store

RUNS = "runs"
REPORTS = "reports"
RESULTS = "results"
# Types that say that somebody counts on the run.
KEPT_TYPES = frozenset({"baseline", "candidate", "final"})
YOUNGEST = 7 * 86_400.0  # seconds
AT_ONCE = 16


def key_of(run: str) -> str:
    """Where the record of a run is."""
    return f"{RUNS}/{checked_id(run)}.json"


def result_of(run: str) -> str:
    """Where the result file of a run is."""
    return f"{RESULTS}/{checked_id(run)}.json"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs are meant: all that fit every word that is not empty; ``since`` and ``until`` are in epoch seconds."""

    type: str = ""
    outcome: str = ""
    since: float | None = None
    until: float | None = None

    def fits(self, record: Record) -> bool:
        """Whether a run is meant."""
        return (
            self.type in {"", record.type}
            and self.outcome in {"", record.outcome}
            and (self.since is None or record.started >= self.since)
            and (self.until is None or record.started <= self.until)
        )


@dataclass(frozen=True, slots=True)
class Doomed:
    """A run that shall be deleted, and everything of it that goes."""

    record: Record
    keys: tuple[str, ...]


class Shelf:
    """The runs in a store. Every method may raise what the store does.

    Args:
        store: What is beside the remote.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def address(self) -> str:
        """Where the runs are."""
        return f"{self._store.address}/{RUNS}"

    def every(self, wanted: Wanted | None = None) -> tuple[list[Record], int]:
        """All runs that are meant, newest first, and how many files could not be read."""
        found = [kept.key for kept in self._store.listed(f"{RUNS}/") if kept.key.endswith(".json")]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            bodies = [body for body in pool.map(self._store.get, found) if body is not None]
        records = [record for body in bodies if (record := unpacked(body)) is not None]
        fitting = [record for record in records if wanted is None or wanted.fits(record)]
        return sorted(fitting, key=lambda record: (record.started, record.id), reverse=True), len(bodies) - len(records)

    def one(self, run: str) -> Record:
        """One run, by its id or by GitHub's id of it (then its last attempt).

        Raises:
            NothingKnown: There is none.
        """
        body = self._store.get(key_of(run))
        record = unpacked(body) if body is not None else self._last_attempt(run)
        if record is None:
            raise NothingKnown(
                f"no run {run} is in {self.address}",
                hint="`runnerkit runs list` shows which are; --store names another",
            )
        return record

    def _last_attempt(self, run: str) -> Record | None:
        found = [kept.key for kept in self._store.listed(f"{RUNS}/{checked_id(run)}-")]
        bodies = [body for key in found if (body := self._store.get(key)) is not None]
        records = [record for body in bodies if (record := unpacked(body)) is not None and record.run == run]
        return max(records, key=lambda record: (record.attempt, record.started), default=None)

    def result(self, record: Record) -> bytes:
        """The result file of a run.

        Raises:
            NothingKnown: It has none: it goes on, or it died without a word.
        """
        body = self._store.get(result_of(record.id))
        if body is None:
            raise NothingKnown(f"run {record.id} has left no result", hint="it goes on, or its machine died")
        return body

    def tag(self, run: str, kind: str, note: str | None = None, *, dry_run: bool = False) -> Record:
        """Give a run a type, and a note unless that is None.

        Raises:
            NothingKnown: There is no such run.
            ConfigError: The type is no word.
        """
        record = replace(self.one(run), type=checked_type(kind))
        if note is not None:
            record = replace(record, note=checked_note(note))
        if not dry_run:
            self._store.put(key_of(record.id), record.packed(), "application/json")
        return record

    def doomed(self, records: Sequence[Record]) -> list[Doomed]:
        """What goes with runs: records, locks, and the reports of those of which no attempt is left."""
        ids = {record.id for record in records}
        runs = [kept.key for kept in self._store.listed(f"{RUNS}/")]
        left = {key.removeprefix(f"{RUNS}/").removesuffix(".json") for key in runs} - ids
        return [Doomed(record, tuple(self._keys(record, left))) for record in records]

    def _keys(self, record: Record, left: set[str]) -> list[str]:
        found = [key_of(record.id), *(kept.key for kept in self._store.listed(result_of(record.id)))]
        if record.lock.startswith(f"{LOCKS}/"):
            found += [kept.key for kept in self._store.listed(record.lock) if kept.key == record.lock]
        shared = record.run and any(each == record.run or each.startswith(f"{record.run}-") for each in left)
        for folder in (record.id, *(() if shared or not record.run else (record.run,))):
            found += [kept.key for kept in self._store.listed(f"{REPORTS}/{folder}/")]
        return list(dict.fromkeys(found))

    def delete(self, doomed: Sequence[Doomed]) -> int:
        """Delete what goes, the records last: what is cut short can be done again. Returns how many things went."""
        own = {key_of(each.record.id) for each in doomed}
        keys = [key for each in doomed for key in each.keys if key not in own]
        self._store.delete(keys)
        self._store.delete(sorted(own))
        return len(keys) + len(own)


def check_guards(records: Sequence[Record], now: float, *, youngest: float = YOUNGEST) -> None:
    """Refuse to delete what somebody may count on.

    Args:
        records: What shall go.
        now: Seconds since the epoch.
        youngest: Runs that ended (or, if they never did, began) less than so many seconds ago stay.

    Raises:
        PolicyRefused: Of a kept type, or too young; the message names every run and its reason.
    """
    reasons = []
    for record in records:
        age = now - (record.finished or record.started)
        if record.type in KEPT_TYPES:
            reasons.append(f"{record.id} is tagged {record.type}")
        elif age < youngest:
            reasons.append(f"{record.id} is {age / 86_400:.1f} days old, younger than {youngest / 86_400:g}")
    if reasons:
        raise PolicyRefused(
            f"not deleted: {'; '.join(reasons)}",
            hint="tag it otherwise, wait, name an age with --older-than, or --force",
        )
