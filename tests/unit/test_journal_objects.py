"""Compaction of a journal's objects: by age, by anybody, at any time, and without losing or doubling an entry."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from runnerkit.errors import CloudUnavailable
from runnerkit.history import Note
from runnerkit.journals import keys as names
from runnerkit.journals.s3 import S3Journal
from runnerkit.journals.tidying import merge, tidy
from runnerkit.testing import FakeWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runnerkit.events import Event

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
KEPT = timedelta(days=35)
EVER = datetime(2020, 1, 1, tzinfo=UTC)


class FakeObjects:
    """Objects in memory, strongly consistent as S3's; ``before`` is called before each call."""

    def __init__(self, there: dict[str, bytes] | None = None) -> None:
        self.there = {} if there is None else there
        self.calls: list[str] = []
        self.before: Callable[[str], None] = lambda _: None

    def keys(self, prefix: str, after: str = "") -> Sequence[str]:
        """By prefix, sorted."""
        self._called("keys")
        return sorted(key for key in self.there if key.startswith(prefix) and key > after)

    def get(self, key: str) -> bytes | None:
        """None when absent."""
        self._called("get")
        return self.there.get(key)

    def put(self, key: str, content: bytes) -> None:
        """Keep it."""
        self._called("put")
        self.there[key] = content

    def delete(self, keys: Sequence[str]) -> None:
        """Forget them."""
        self._called("delete")
        for key in keys:
            self.there.pop(key, None)

    def _called(self, name: str) -> None:
        self.calls.append(name)
        self.before(name)


def journal(
    objects: FakeObjects, at: Callable[[], datetime] = lambda: NOW, told: list[Event] | None = None
) -> S3Journal:
    return S3Journal(objects, "p/", "s3://b/p/", now=at, told=(told if told is not None else []).append)


def line(number: int) -> bytes:
    entry = {"kind": "job-over", "at": NOW.isoformat(), "facts": {"number": number}, "id": f"w-{number}"}
    return json.dumps(entry).encode() + b"\n"


def numbers(objects: FakeObjects) -> list[float]:
    return sorted(note.number("number") or 0 for note in journal(objects).notes(EVER))


def put(objects: FakeObjects, at: datetime, *entries: int) -> str:
    key = names.fresh("p/", at, f"{len(objects.there):04d}")
    objects.there[key] = b"".join(map(line, entries))
    return key


# --- what is merged ---------------------------------------------------------------------------------------------------


def test_a_day_that_is_over_becomes_one_object() -> None:
    """Its entries are all there, each once; the day under way keeps its few."""
    objects = FakeObjects()
    for hours in range(10):
        put(objects, NOW - timedelta(days=1, hours=hours), hours)
        put(objects, NOW - timedelta(hours=hours), 100 + hours)
    tidy(objects, "p/", KEPT, NOW)
    days = [key.split("/")[1] for key in sorted(objects.there)]
    assert (1, 10) == (days.count("2026-03-09"), days.count("2026-03-10"))
    assert [*range(10), *range(100, 110)] == numbers(objects)


def test_many_small_objects_of_the_day_are_merged_but_not_the_newest() -> None:
    """A cold start reads a few; what somebody may be writing this minute is left."""
    objects = FakeObjects()
    for minutes in range(120):
        put(objects, NOW - timedelta(minutes=minutes), minutes)
    tidy(objects, "p/", KEPT, NOW)
    assert 1 + 15 == len(objects.there)
    assert list(range(120)) == numbers(objects)


def test_what_is_too_old_is_deleted() -> None:
    """By the day of its key, which no entry in it is younger than."""
    objects = FakeObjects()
    for days in (34, 35, 36, 37, 400):
        put(objects, NOW - timedelta(days=days), days)
    objects.there["p/other.txt"] = b"not ours"
    tidy(objects, "p/", KEPT, NOW)
    assert [34, 35] == numbers(objects)
    assert "p/other.txt" in objects.there


def test_a_journal_tidies_by_itself_once_an_hour() -> None:
    """When it has something to write; a failure of it costs no entry and no pass."""
    at, objects, told = [NOW], FakeObjects(), list[tuple[str, int]]()
    one = journal(objects, lambda: at[0])
    for number in range(300):
        one.note(Note(at[0], "job-over", {"number": number + 1}))
        one.flush()
        told.append((f"{at[0]:%H:%M}", len(objects.there)))
        at[0] += timedelta(minutes=1)
    assert max(count for _, count in told) < 110
    assert 5 == objects.calls.count("delete") + 1
    assert list(range(1, 301)) == numbers(objects)


def test_a_pass_with_nothing_to_do_costs_one_list() -> None:
    """A function that wakes each minute writes nothing while nothing happens, and reads nothing twice."""
    world, objects = FakeWorld(bursts=True), FakeObjects()
    fleet = world.fleet(outside=replace(world.outside, journal=journal(objects, world.clock.now)))
    world.forge.queue("acme/widgets", ["runnerkit=1/gpu=t4"])
    world.clock.advance(60)
    for _ in range(2):
        fleet.once()
        world.clock.advance(60)
    assert "put" in objects.calls
    objects.calls.clear()
    for _ in range(3):
        fleet.once()
        world.clock.advance(60)
    assert objects.calls == ["keys"] * 3


def test_a_service_that_reads_for_months_forgets_what_is_of_no_use() -> None:
    """Entries, their ids and the names of objects, of others' writing as well; nothing that is kept is missing."""
    at, objects = [NOW], FakeObjects()
    writer, reader = journal(objects, lambda: at[0]), journal(objects, lambda: at[0])
    for number in range(120):
        writer.note(Note(at[0], "job-over", {"number": number}))
        writer.note(Note(at[0], "job-waiting", {"number": number}))
        writer.flush()
        reader.notes(at[0] - timedelta(days=2))
        at[0] += timedelta(days=1)
    for each in (writer, reader):
        told = each.notes(at[0] - KEPT, {"job-over"})
        assert [note.facts["number"] for note in told] == list(range(85, 120))
        assert len(each._ledger.every()) == len(each._ids) <= 36 + 15
        assert len(each._seen) <= 2 * 37


# --- several at once --------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.data())
def test_no_interleaving_of_two_compactors_loses_or_doubles_an_entry(data: st.DataObject) -> None:
    """Whenever one is interrupted by the whole work of another, or dies: a reader sees each entry once."""
    objects = FakeObjects()
    count = data.draw(st.integers(2, 6))
    for number in range(count):
        put(objects, NOW - timedelta(days=1, minutes=number), number + 1, data.draw(st.integers(1, count)))
    expected = list(range(1, count + 1))
    stops = data.draw(st.lists(st.integers(0, 12), max_size=3))
    dies = data.draw(st.none() | st.integers(0, 12))
    adds = data.draw(st.booleans())
    steps = iter(range(1_000))
    working = [False]

    def before(_: str) -> None:
        if working[0]:
            return
        step = next(steps)
        if step in stops:
            working[0] = True
            if adds:
                put(objects, NOW - timedelta(days=1, seconds=step), 1)
            tidy(objects, "p/", KEPT, NOW, readers=1)
            assert expected == numbers(objects)
            working[0] = False
        if step == dies:
            raise CloudUnavailable("it died here")

    objects.before = before
    with suppress(CloudUnavailable):
        tidy(objects, "p/", KEPT, NOW, readers=1)
    objects.before = lambda _: None
    assert expected == numbers(objects)
    tidy(objects, "p/", KEPT, NOW, readers=1)
    assert (expected, 1) == (numbers(objects), len(objects.there))


def test_two_who_merge_the_same_write_the_same() -> None:
    """The name is made of the content, so the second one's object is the first one's."""
    one, two = FakeObjects(), FakeObjects()
    for objects, order in ((one, (1, 2, 3)), (two, (3, 1, 2))):
        for minutes, number in enumerate(order):
            put(objects, NOW - timedelta(days=1, minutes=minutes), number)
        merge(objects, "p/", (NOW - timedelta(days=1)).date(), sorted(objects.there))
    assert one.there == two.there


def test_a_reader_finds_what_is_merged_under_its_hands() -> None:
    """Listed, then deleted by a compactor before it is read: the next list has it."""
    objects = FakeObjects()
    for minutes in range(4):
        put(objects, NOW - timedelta(days=1, minutes=minutes), minutes + 1)

    def before(name: str) -> None:
        if name == "get":
            objects.before = lambda _: None
            tidy(objects, "p/", KEPT, NOW)

    objects.before = before
    assert [1, 2, 3, 4] == sorted(note.number("number") or 0 for note in journal(objects).notes(EVER))


def test_threads_share_a_journal() -> None:
    """Notes, looks and flushes at once: every entry is written once."""
    objects = FakeObjects()
    one = journal(objects)

    def work(first: int) -> None:
        for number in range(first, first + 50):
            one.note(Note(NOW, "job-over", {"number": number}))
            one.notes(NOW)
            one.flush()

    threads = [Thread(target=work, args=(first,)) for first in (1, 101, 201, 301)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    one.flush()
    expected = sorted(number for first in (1, 101, 201, 301) for number in range(first, first + 50))
    assert expected == numbers(objects) == sorted(note.number("number") or 0 for note in one.notes(NOW))
    lines = [row for content in objects.there.values() for row in content.splitlines()]
    assert 200 == len(lines)
