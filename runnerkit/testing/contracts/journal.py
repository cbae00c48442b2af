"""The contract of the port :class:`runnerkit.ports.Journal`."""

# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from runnerkit.history import Note
from runnerkit.model import Breadth, Failure, LaunchNote, Market, Refusal

if TYPE_CHECKING:
    from runnerkit.ports import Journal

THEN = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
LATER = THEN + timedelta(seconds=1)
FAILURE = Failure(THEN, "0a1b2c3d", "lease-expired", "rk-77-1")
REFUSAL = Refusal(
    "InsufficientInstanceCapacity",
    Breadth.POOL,
    "g4dn.xlarge",
    "eu-west-1",
    "eu-west-1a",
    Market.SPOT,
    THEN,
    'no "capacity"\njust now \N{SNOWMAN}',
)

LAUNCHED = Note(THEN, "instance-launched", {"runner": "rk-77-1", "price": 0.21, "run": 77, "on_demand": None})
REFUSED = Note(LATER, "job-refused", {"job": 7, "error": {"code": "policy", "message": 'no "l4"\n\N{SNOWMAN}'}})


class JournalContract:
    """What breaker and memory rely on. Needs a fixture ``journal``, an empty one."""

    def test_an_empty_journal_is_empty(self, journal: Journal) -> None:
        """Nothing noted is no error."""
        assert list(journal.failures(THEN)) == []
        assert list(journal.refusals(THEN)) == []
        assert list(journal.launches(THEN)) == []
        assert list(journal.notes(THEN)) == []
        journal.flush()

    def test_what_is_noted_is_read_back(self, journal: Journal) -> None:
        """Every field of both kinds, to the microsecond, and each kind for itself."""
        journal.failed(FAILURE)
        journal.refused(REFUSAL)
        assert list(journal.failures(THEN)) == [FAILURE]
        assert list(journal.refusals(THEN)) == [REFUSAL]

    def test_names_of_launches_are_kept(self, journal: Journal) -> None:
        """What was launched is remembered by name from a moment on, whoever launched it."""
        notes = [LaunchNote("rk-77-1", "acme/widgets", THEN), LaunchNote("rk-77-2", "acme/other", LATER)]
        for note in notes:
            journal.launched(note)
        assert list(journal.launches(THEN)) == notes
        assert list(journal.launches(LATER)) == notes[1:]

    def test_what_is_older_is_left_out(self, journal: Journal) -> None:
        """The moment that is asked for is included."""
        journal.failed(FAILURE)
        journal.failed(replace(FAILURE, at=LATER))
        journal.refused(REFUSAL)
        journal.refused(replace(REFUSAL, at=LATER))
        assert [each.at for each in journal.failures(LATER)] == [LATER]
        assert [each.at for each in journal.refusals(LATER)] == [LATER]
        assert list(journal.failures(LATER + timedelta(microseconds=1))) == []
        assert list(journal.refusals(LATER + timedelta(microseconds=1))) == []

    def test_equal_entries_count_each(self, journal: Journal) -> None:
        """Three failures in one second are three; the breaker counts them, in the order in which they came."""
        others = [replace(FAILURE, runner=f"rk-77-{number}") for number in (3, 1, 2)]
        for failure in (FAILURE, FAILURE, *others):
            journal.failed(failure)
        assert list(journal.failures(THEN)) == [FAILURE, FAILURE, *others]

    def test_every_breadth_and_market_survives(self, journal: Journal) -> None:
        """A refusal that came back narrower or wider would close the wrong pools."""
        noted = [replace(REFUSAL, breadth=breadth, market=market) for breadth in Breadth for market in Market]
        for refusal in noted:
            journal.refused(refusal)
        assert list(journal.refusals(THEN)) == noted

    def test_notes_are_read_back(self, journal: Journal) -> None:
        """Texts, numbers, nothing and tables within, as JSON has them, before and after a flush."""
        journal.note(LAUNCHED)
        journal.note(REFUSED)
        for _ in range(2):
            assert list(journal.notes(THEN)) == [LAUNCHED, REFUSED]
            journal.flush()

    def test_notes_are_asked_for_by_kind_and_time(self, journal: Journal) -> None:
        """Several kinds at once; a kind that nobody noted has none, and one that nobody knows is a note like others."""
        unknown = Note(LATER, "seen-by-a-later-version", {"x": [1]})
        for note in (LAUNCHED, REFUSED, unknown):
            journal.note(note)
        assert list(journal.notes(LATER)) == [REFUSED, unknown]
        assert list(journal.notes(THEN, {"instance-launched"})) == [LAUNCHED]
        assert list(journal.notes(THEN, ["instance-launched", "job-refused"])) == [LAUNCHED, REFUSED]
        assert list(journal.notes(THEN, ["run-repeated"])) == []
        assert list(journal.notes(LATER + timedelta(microseconds=1))) == []

    def test_notes_are_told_oldest_first(self, journal: Journal) -> None:
        """Whoever noted late; equal ones each, in the order in which they came."""
        for note in (REFUSED, LAUNCHED, REFUSED):
            journal.note(note)
        assert list(journal.notes(THEN)) == [LAUNCHED, REFUSED, REFUSED]

    def test_notes_and_the_other_kinds_are_apart(self, journal: Journal) -> None:
        """What the breaker counts is no note, and no note is a failure."""
        journal.failed(FAILURE)
        journal.refused(REFUSAL)
        journal.launched(LaunchNote("rk-77-1", "acme/widgets", THEN))
        journal.note(LAUNCHED)
        assert list(journal.notes(THEN)) == [LAUNCHED]
        assert list(journal.failures(THEN)) == [FAILURE]

    def test_a_flush_doubles_nothing(self, journal: Journal) -> None:
        """However often it is called, with or without something to write."""
        for _ in range(3):
            journal.failed(FAILURE)
            journal.flush()
            journal.flush()
        assert list(journal.failures(THEN)) == [FAILURE] * 3
