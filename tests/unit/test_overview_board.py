"""The board: what it keeps between requests, when it makes the document anew, and what it reads of the journal."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit.errors import ForgeUnavailable, NoCapacity, NotFound
from runnerkit.events import ActionFailed, PassEnded, RepositorySkipped
from runnerkit.history import Note
from runnerkit.overview import About, Allowance, Board
from runnerkit.testing import FakeClock, FakeWorld, MemoryJournal
from runnerkit.testing.clock import EPOCH
from runnerkit.wishes import Policy

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

REPO = "acme/widgets"
DOWN = ForgeUnavailable("GitHub answered 503", hint="wait")


class CountedJournal(MemoryJournal):
    """Remembers what was asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[datetime] = []
        self.given = 0

    def notes(self, since: datetime, kinds: Collection[str] = ()) -> Sequence[Note]:
        """The notes, counted."""
        found = super().notes(since, kinds)
        self.asked.append(since)
        self.given += len(found)
        return found


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld(repos=(REPO,))


def board(world: FakeWorld, journal: MemoryJournal | None = None) -> Board:
    return Board(journal or world.journal, world.clock, world.policy, About(served=(REPO,)))


def read(of: Board) -> dict[str, Any]:
    return dict(json.loads(of.document()))


def test_a_real_day(world: FakeWorld) -> None:
    """From queued to ended, the document follows what a real controller sees and notes."""
    shown, fleet = board(world), world.fleet()
    assert (None, []) == (read(shown)["passed"], read(shown)["jobs"])
    world.forge.queue(REPO, ["runnerkit=1/gpu=t4"])
    shown.saw(fleet.once())
    assert ["launching"] == [job["state"] for job in read(shown)["jobs"]]
    phases = [machine["phase"] for machine in read(shown)["machines"]]
    for _ in range(40):
        world.clock.advance(30)
        shown.saw(fleet.once())
        (machine,) = read(shown)["machines"]
        phases.append(machine["phase"] or machine["end"])
    assert ["booting", "ready", "busy", "done"] == list(dict.fromkeys(phases))
    document = read(shown)
    assert (0, 1, 1) == (
        document["numbers"]["waiting"],
        document["numbers"]["launches"],
        document["numbers"]["taken"],
    )
    assert document["numbers"]["saved_today"] > 0
    assert [REPO] == [each["repo"] for each in document["repos"]]


def test_interruption(world: FakeWorld) -> None:
    """A machine that AWS takes back is marked so, and its run's other attempt is counted."""
    shown, fleet = board(world), world.fleet()
    world.forge.queue(REPO, ["runnerkit=1/gpu=t4"])
    for lap in range(60):
        shown.saw(fleet.once())
        if lap == 10:
            world.interrupt(world.cloud.live()[0].id)
        world.clock.advance(30)
    document = read(shown)
    assert {"interrupted", "done"} >= {machine["end"] for machine in document["machines"] if machine["end"]}
    assert "interrupted" in {machine["end"] for machine in document["machines"]}
    assert (1, 1) == (document["numbers"]["interruptions"], document["numbers"]["reruns"])


def test_same_document_same_tag(world: FakeWorld) -> None:
    """Between passes the document is not made again, so its tag stays; a pass or a minute changes it."""
    shown, fleet = board(world), world.fleet()
    shown.saw(fleet.once())
    first = shown.sheet()
    world.clock.advance(30)
    assert first is shown.sheet()
    world.clock.advance(30)
    second = shown.sheet()
    assert first.etag != second.etag
    shown.saw(fleet.once())
    assert second is not shown.sheet()


def test_failed_pass(world: FakeWorld) -> None:
    """A pass that failed is told with its reason and since when, over what was seen last; a good one ends that."""
    shown, fleet = board(world), world.fleet()
    shown.saw(fleet.once())
    since = world.clock.now()
    error = ForgeUnavailable("GitHub answered 503", hint="wait")
    for _ in range(2):
        shown.saw(error)
        shown.emit(ActionFailed("pass", "", error))
        shown.emit(ActionFailed("launch", "rk-1-1", NoCapacity("not a matter of the whole pass")))
        world.clock.advance(60)
    trouble = read(shown)["trouble"]
    assert (int(since.timestamp()), "GitHub answered 503", "wait") == (
        trouble["since"],
        trouble["message"],
        trouble["hint"],
    )
    assert read(shown)["passed"] == int(EPOCH.timestamp())
    shown.saw(fleet.once())
    assert read(shown)["trouble"] is None


def test_repositories_that_cannot_be_read_are_told(world: FakeWorld) -> None:
    """One line for each reason as long as it holds: the page must not look as if nobody had a job there."""
    shown, clock = board(world), world.clock
    gone = NotFound("acme/old is not there", hint="take it from the list")
    for repo, error in (("acme/old", gone), ("acme/a", DOWN), ("acme/b", DOWN), ("acme/c", DOWN)):
        shown.emit(RepositorySkipped(repo, error))
    shown.emit(PassEnded(0, 0, 0, 0, 1.0))
    lines = read(shown)["failures"]
    assert [("acme/old", "take it from the list"), ("acme/a and 2 more", "wait")] == [
        (line["runner"], line["hint"]) for line in lines
    ]
    assert {int(clock.now().timestamp())} == {line["at"] for line in lines}
    shown.emit(PassEnded(0, 0, 0, 0, 1.0))
    assert [] == read(shown)["failures"]


def test_journal_is_read_once(world: FakeWorld) -> None:
    """What was read is kept: each pass asks only for what is new, and requests ask for nothing."""
    journal, clock = CountedJournal(), FakeClock()
    for minute in range(40):
        journal.note(Note(clock.now() + timedelta(minutes=minute), "job-taken", {"job": minute, "seconds": 1.0}))
    clock.advance(3600)
    shown = Board(journal, clock, Policy(), About())
    shown.saw(world.fleet().once())
    assert 40 == journal.given
    for _ in range(5):
        shown.document()
    clock.advance(1200)
    journal.note(Note(clock.now(), "job-taken", {"job": 99, "seconds": 3.0}))
    shown.saw(world.fleet().once())
    assert 41 == journal.given
    assert clock.now() - timedelta(minutes=30) == journal.asked[-1]
    assert 41 == read(shown)["numbers"]["taken"]


def test_late_notes_of_others(world: FakeWorld) -> None:
    """A note of another controller that arrives some minutes late is counted, and none is counted twice."""
    journal, clock = MemoryJournal(), FakeClock()
    shown = Board(journal, clock, Policy(), About())
    shown.saw(world.fleet().once())
    clock.advance(300)
    shown.saw(world.fleet().once())
    journal.note(Note(clock.now() - timedelta(minutes=4), "job-taken", {"job": 1, "seconds": 1.0}))
    for _ in range(3):
        clock.advance(30)
        shown.saw(world.fleet().once())
    assert 1 == read(shown)["numbers"]["taken"]


def test_old_notes_are_let_go(world: FakeWorld) -> None:
    """Memory is bounded: what the page no longer shows is forgotten, the bill's part after a week."""
    journal, clock = MemoryJournal(), FakeClock()
    shown = Board(journal, clock, Policy(), About())
    for kind in ("job-over", "instance-launched"):
        journal.note(Note(clock.now(), kind, {"job": 1, "seconds": 1.0, "instance": "i-1", "runner": "rk-1-1"}))
    left = []
    for days in (0, 2, 6):
        clock.advance(days * 86_400)
        shown.saw(world.fleet().once())
        left.append(sorted(note.kind for note in shown._notes.values()))
    assert [["instance-launched", "job-over"], ["instance-launched"], []] == left


def test_strange_texts(world: FakeWorld) -> None:
    """Half of a surrogate pair in a name does not keep the page from being served."""
    journal = MemoryJournal()
    facts = {"runner": "rk-1-1", "instance": "i-1", "repo": "acme/\ud83d", "type": "g5.xlarge", "price": 1.0}
    journal.note(Note(world.clock.now(), "instance-launched", facts))
    assert "acme/?" == read(board(world, journal))["machines"][0]["repo"]


def test_github_budget(world: FakeWorld) -> None:
    """What is left of GitHub's budget is asked for when the document is made."""
    about = About(allowance=lambda: Allowance(17, 5_000, EPOCH))
    document = read(Board(world.journal, world.clock, world.policy, about))
    assert {"remaining": 17, "limit": 5_000, "reset": int(EPOCH.timestamp())} == document["github"]


def test_many_readers(world: FakeWorld) -> None:
    """Any number of threads may read while the controller tells: each gets a whole document."""
    shown, fleet = board(world), world.fleet()
    world.forge.queue(REPO, ["runnerkit=1/gpu=t4"])
    broken: list[BaseException] = []

    def look() -> None:
        try:
            for _ in range(50):
                read(shown)
        except BaseException as error:  # noqa: BLE001 - told to the test's own thread
            broken.append(error)

    readers = [threading.Thread(target=look) for _ in range(4)]
    for reader in readers:
        reader.start()
    for _ in range(20):
        world.clock.advance(30)
        shown.saw(fleet.once())
    for reader in readers:
        reader.join(30)
    assert [] == broken
