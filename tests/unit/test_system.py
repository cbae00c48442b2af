"""The journal on disk, the real clock and the log, under the conditions they must survive."""

from __future__ import annotations

import io
import json
import os
import stat
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runnerkit.errors import NoCapacity
from runnerkit.events import Event, LaunchFailed, OfferingRefused, PassEnded, RunnerOnline
from runnerkit.journal import KEPT
from runnerkit.journals.file import COMPACT_OVER, FileJournal
from runnerkit.model import Breadth, Failure, Market, Refusal
from runnerkit.system import LogEvents, SeveralEvents, SilentEvents, SystemClock
from runnerkit.testing import FakeWorld, Habits, RecordedEvents
from runnerkit.wishes import Policy

if TYPE_CHECKING:
    from pathlib import Path

THEN = datetime(2026, 1, 1, tzinfo=UTC)
FAILURE = Failure(THEN, "0a1b2c3d", "never-online", "rk-7-1")
REFUSAL = Refusal("X", Breadth.POOL, "g5.xlarge", "eu-west-1", "eu-west-1a", Market.SPOT, THEN, "it's “full”\nsays AWS")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.jsonl"


def later(seconds: float) -> Failure:
    return replace(FAILURE, at=THEN + timedelta(seconds=seconds))


# --- the journal ------------------------------------------------------------------------------------------------------


def test_the_journal_reads_back_what_was_noted(path: Path) -> None:
    """Every field of both kinds, by this process and the next, from a moment on."""
    journal = FileJournal(path)
    for failure in (later(0), later(10)):
        journal.failed(failure)
    journal.refused(REFUSAL)
    for reader in (journal, FileJournal(path)):
        assert [later(0), later(10)] == list(reader.failures(THEN))
        assert [later(10)] == list(reader.failures(THEN + timedelta(seconds=10)))
        assert [REFUSAL] == list(reader.refusals(THEN))
        assert [] == list(reader.refusals(THEN + timedelta(seconds=1)))


TEXTS = st.text(max_size=20)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(digest=TEXTS, code=TEXTS, runner=TEXTS, seconds=st.floats(-1e9, 1e9))
def test_any_text_survives_the_journal(path: Path, digest: str, code: str, runner: str, seconds: float) -> None:
    """Line breaks, quotes and letters of any script: an entry is one line, and comes back as it was."""
    path.unlink(missing_ok=True)
    failure = Failure(THEN + timedelta(seconds=seconds), digest, code, runner)
    FileJournal(path).failed(failure)
    assert [failure] == list(FileJournal(path).failures(failure.at))


def test_writers_share_a_file(path: Path) -> None:
    """Several controllers append at once: every entry arrives whole, and everybody reads all of them."""
    journals = [FileJournal(path) for _ in range(4)]

    def write(number: int) -> None:
        for entry in range(25):
            journals[number].failed(later(number * 100 + entry))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    expected = {later(number * 100 + entry) for number in range(4) for entry in range(25)}
    for journal in (*journals, FileJournal(path)):
        found = list(journal.failures(THEN))
        assert (100, expected) == (len(found), set(found))


GARBAGE = [
    b"not json\n",
    b"\xff\xfe\n",
    b"[1]\n",
    b"null\n",
    b"\n\n",
    b"{}\n",
    b'{"kind": "failure"}\n',
    b'{"kind": "failure", "at": 5, "digest": "x", "code": "y"}\n',
    b'{"kind": "failure", "at": "yesterday", "digest": "x", "code": "y"}\n',
    b'{"kind": "refusal", "at": "2026-01-01T00:00:00+00:00", "code": "x", "breadth": "sea", "market": "spot"}\n',
    b'{"kind": 7}\n',
    b'{"kind": "failure", "digest": "half',
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_costs_no_entry(path: Path, garbage: bytes) -> None:
    """Whatever stands in the file, even half a line of a writer that died: what came before and after counts."""
    journal = FileJournal(path)
    journal.failed(later(0))
    with path.open("ab") as file:
        file.write(garbage)
    journal.failed(later(1))
    journal.refused(REFUSAL)
    for reader in (journal, FileJournal(path)):
        assert [later(0), later(1)] == list(reader.failures(THEN))
        assert [REFUSAL] == list(reader.refusals(THEN))


def test_a_line_still_being_written_is_read_when_it_is_whole(path: Path) -> None:
    """Half a line is neither an entry nor garbage."""
    FileJournal(path).failed(FAILURE)
    line, reader = path.read_bytes(), FileJournal(path)
    path.write_bytes(line + line[:30])
    assert 1 == len(reader.failures(THEN))
    path.write_bytes(line + line)
    assert 2 == len(reader.failures(THEN))


def test_a_time_without_a_zone_is_utc(path: Path) -> None:
    """Written by hand or by another tool, it must compare with ours."""
    path.parent.mkdir()
    path.write_text('{"kind": "failure", "at": "2026-01-01T00:00:00", "digest": "d", "code": "c"}\n')
    assert [Failure(THEN, "d", "c")] == list(FileJournal(path).failures(THEN))


def test_a_folder_that_cannot_be_written_is_memory(tmp_path: Path) -> None:
    """Launching does not depend on a disk; this process at least remembers."""
    (tmp_path / "taken").write_text("a file where a folder should be")
    journal = FileJournal(tmp_path / "taken" / "journal.jsonl")
    journal.failed(FAILURE)
    journal.refused(REFUSAL)
    assert ([FAILURE], [REFUSAL]) == (list(journal.failures(THEN)), list(journal.refusals(THEN)))


def test_a_file_that_vanishes_is_begun_anew(path: Path) -> None:
    """Somebody clears the state folder while we run: nothing fails, and new entries are kept."""
    journal = FileJournal(path)
    journal.failed(later(0))
    assert 1 == len(journal.failures(THEN))
    path.unlink()
    assert [later(0)] == list(journal.failures(THEN))
    journal.failed(replace(later(1), code="a"))
    assert [replace(later(1), code="a")] == list(journal.failures(THEN)) == list(FileJournal(path).failures(THEN))


def test_a_file_that_another_process_compacted_is_read_anew(path: Path, tmp_path: Path) -> None:
    """The path is another file now, perhaps longer than the old one: nothing is missed and nothing counts twice."""
    journal = FileJournal(path)
    for second in (0, 1):
        journal.failed(later(second))
    assert 2 == len(journal.failures(THEN))
    other = FileJournal(tmp_path / "compacted")
    for second in (1, 2, 3):
        other.failed(later(second))
    (tmp_path / "compacted").replace(path)
    assert [later(1), later(2), later(3)] == list(journal.failures(THEN))


def test_the_journal_is_its_owners_alone(path: Path) -> None:
    """Others on the machine need not know what runs where."""
    FileJournal(path).failed(FAILURE)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_a_grown_file_is_compacted_to_what_is_recent(path: Path) -> None:
    """The next process drops what is a week old and keeps the rest, in order; more can be appended afterwards."""
    now = datetime.now(tz=UTC)
    fresh = [replace(FAILURE, at=now - timedelta(minutes=minute)) for minute in (30, 20, 10)]
    journal = FileJournal(path)
    journal.failed(fresh[0])
    old = json.dumps(
        {"kind": "failure", "at": (now - KEPT - timedelta(hours=1)).isoformat(), "digest": "d", "code": "c"}
    )
    with path.open("a") as file:
        file.write(f"{old}\n" * (COMPACT_OVER // len(old) + 1))
    journal.failed(fresh[1])
    compacted = FileJournal(path)
    assert path.stat().st_size < 1_000
    compacted.failed(fresh[2])
    assert fresh == list(compacted.failures(now - timedelta(hours=1)))
    assert fresh[-1] in journal.failures(now - timedelta(hours=1))
    assert [path.name] == [file.name for file in path.parent.iterdir()]


def test_a_small_file_is_left_as_it_is(path: Path) -> None:
    """Old entries do no harm while there are few."""
    FileJournal(path).failed(later(-10 * KEPT.total_seconds()))
    before = path.read_bytes()
    FileJournal(path)
    assert before == path.read_bytes()


def test_the_breaker_survives_the_process(path: Path) -> None:
    """A fleet that starts anew every time finds the failures of those before it on disk."""
    policy = Policy(online_within=60, breaker_failures=2, breaker_pause=3_600)
    world = FakeWorld(policy=policy, habits=Habits(never_boots=1.0))
    world.forge.queue("acme/widgets", ["runnerkit=1/gpu=t4"])
    for _ in range(30):
        world.journal = FileJournal(path)  # type: ignore[assignment]  # the port, kept by another class
        world.fleet().once()
        world.clock.advance(30)
    assert 2 == world.cloud.launches == len(FileJournal(path).failures(THEN))


# --- the clock --------------------------------------------------------------------------------------------------------


def test_the_time_is_aware_utc() -> None:
    """Times are compared with GitHub's and AWS's."""
    assert timedelta(0) == SystemClock().now().utcoffset()


def test_a_wait_lasts_unless_it_is_woken() -> None:
    """True only when somebody woke it; one wake ends one wait, also the next one."""
    clock = SystemClock()
    before = time.monotonic()
    assert not clock.wait(0.05)
    assert time.monotonic() - before >= 0.04
    clock.wake()
    clock.wake()
    assert clock.wait(30)
    assert not clock.wait(0)


def test_a_wake_reaches_a_wait_under_way() -> None:
    """From another thread, at once."""
    clock = SystemClock()
    waker = threading.Timer(0.05, clock.wake)
    waker.start()
    before = time.monotonic()
    assert clock.wait(30)
    assert time.monotonic() - before < 15
    waker.join(timeout=30)


# --- who listens ------------------------------------------------------------------------------------------------------

ONLINE = RunnerOnline("rk-7-1", 31.5)


class Broken:
    """A listener that always fails."""

    def emit(self, event: Event) -> None:
        """Fail."""
        raise OSError(f"no room for {event.name}")


def test_a_listener_that_fails_keeps_no_other_from_hearing() -> None:
    """Telling must never end what is told about."""
    first, last = RecordedEvents(), RecordedEvents()
    SeveralEvents(first, Broken(), last, SilentEvents()).emit(ONLINE)
    assert [ONLINE] == first.seen == last.seen


def test_a_program_stops_a_listener_all_the_same() -> None:
    """An interruption is no failure of a listener."""

    class Interrupted:
        def emit(self, event: Event) -> None:
            raise KeyboardInterrupt(event.name)

    with pytest.raises(KeyboardInterrupt):
        SeveralEvents(Interrupted()).emit(ONLINE)


def test_the_log_is_a_line_of_json_for_each_event() -> None:
    """The event's name, its fields and the time, whatever its texts hold."""
    stream = io.StringIO()
    log = LogEvents(stream, as_json=True)
    events: list[Event] = [
        ONLINE,
        OfferingRefused("rk-7-1", REFUSAL),
        LaunchFailed("rk-7-1", NoCapacity("line\nbreak", refusals=[REFUSAL])),
        PassEnded(1, 2, 3, 4),
    ]
    for event in events:
        log.emit(event)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event.name for event in events] == [line["event"] for line in lines]
    assert {"runner": "rk-7-1", "seconds": 31.5}.items() <= lines[0].items()
    assert "no-capacity" == lines[2]["error"]["code"]
    for line in lines:
        assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None


def test_the_log_for_people_names_event_and_facts() -> None:
    """One line, without colours: it goes to files."""
    stream = io.StringIO()
    LogEvents(stream, as_json=False).emit(ONLINE)
    (line,) = stream.getvalue().splitlines()
    assert "runner-online" in line
    assert "rk-7-1" in line
    assert "\x1b" not in line


def test_the_journals_folder_is_made_when_first_needed(path: Path) -> None:
    """Reading makes nothing."""
    assert [] == list(FileJournal(path).failures(THEN))
    assert not os.path.lexists(path.parent)
