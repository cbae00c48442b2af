"""The journal on disk: cheap however long, compacted by age while others write, and never in the way of a launch."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from runnerkit.events import Event, JournalFailing
from runnerkit.history import Note
from runnerkit.journal import KEPT, LAUNCH, lasts
from runnerkit.journals.file import FileJournal
from runnerkit.model import Failure

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FAILURE = Failure(NOW, "0a1b2c3d", "never-online", "rk-7-1")
MANY = 100_000

WRITER = """
import sys
from datetime import datetime, timedelta, UTC
from pathlib import Path
from runnerkit.history import Note
from runnerkit.journals import FileJournal

path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
now = datetime.now(tz=UTC)
shift = timedelta()
# Its clock goes forward two days with each entry, so that it compacts again and again.
journal = FileJournal(path, now=lambda: now + shift, kept=timedelta(days=4000), compact_over=1)
for number in range(count):
    journal.note(Note(now + shift, "job-over", {"by": name, "number": number}))
    shift += timedelta(days=2)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def written(path: Path, count: int = MANY) -> None:
    """A file with many entries of three kinds, a second apart, the last of them now."""
    kinds = ("failure", "instance-launched", "job-over")
    with path.open("w") as file:
        for number in range(count):
            at = (NOW - timedelta(seconds=count - 1 - number)).isoformat()
            facts = {"runner": f"rk-{number}-1", "repo": "acme/widgets", "price": 0.31, "zone": "eu-west-1a"}
            kind = kinds[number % 3]
            entry = {"digest": "d", "code": "c"} if kind == "failure" else {"facts": facts}
            file.write(json.dumps({"kind": kind, "at": at, **entry}) + "\n")


def ran(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WRITER, *arguments], stderr=subprocess.PIPE)


# --- cheap ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_hundred_thousand_entries_are_read_once_and_asked_for_in_no_time(path: Path) -> None:
    """The first look reads the file; those after it neither read nor copy what they do not tell."""
    written(path)
    journal = FileJournal(path, now=lambda: NOW, compact_over=1 << 40)
    start = time.process_time()
    assert 1 == len(journal.notes(NOW, ["instance-launched", "job-over"])) + len(journal.failures(NOW))
    first = time.process_time() - start
    start = time.process_time()
    for _ in range(100):
        assert 20 == len(journal.failures(NOW - timedelta(seconds=59)))
        assert 40 == len(journal.notes(NOW - timedelta(seconds=59)))
    later = (time.process_time() - start) / 200
    assert (True, True) == (first < 5, later < 0.005), (first, later)


def test_what_comes_later_is_read_alone(path: Path) -> None:
    """Damage to what was read before is not even seen: only what is new is read."""
    journal = FileJournal(path)
    journal.failed(FAILURE)
    assert [FAILURE] == list(journal.failures(NOW))
    with path.open("r+b") as file:
        file.write(b"#")
    journal.failed(FAILURE)
    assert [FAILURE, FAILURE] == list(journal.failures(NOW))
    assert [FAILURE] == list(FileJournal(path).failures(NOW))


# --- compaction -------------------------------------------------------------------------------------------------------


def test_each_kind_is_kept_as_long_as_it_is_of_use(path: Path) -> None:
    """Breaker and memory look back days, cost and `why` weeks."""
    journal = FileJournal(path, now=lambda: NOW)
    for days in (1, 4, 15, 34, 36):
        at = NOW - timedelta(days=days)
        journal.failed(replace(FAILURE, at=at))
        for kind in ("job-waiting", "instance-launched"):
            journal.note(Note(at, kind, {"days": days}))
    compacted = FileJournal(path, now=lambda: NOW, compact_over=1)
    assert 1 == len(compacted.failures(NOW - 2 * KEPT))
    days_of = {
        kind: [note.number("days") for note in compacted.notes(NOW - 2 * KEPT, [kind])]
        for kind in ("job-waiting", "instance-launched")
    }
    assert {"job-waiting": [4, 1], "instance-launched": [34, 15, 4, 1]} == days_of
    assert 7 == len(compacted.notes(NOW - 2 * KEPT)) + 1
    assert timedelta(days=3) == lasts(LAUNCH, timedelta(days=1)) < lasts("job-waiting") < lasts("whatever") == KEPT


def test_a_long_running_process_compacts_once_a_day(path: Path) -> None:
    """While it runs; and a file that is large because much happens is not written anew all the time."""
    now = [NOW]
    journal = FileJournal(path, now=lambda: now[0], compact_over=1)
    inodes = []
    for _ in range(24):
        journal.note(Note(now[0], "job-over", {}))
        inodes.append(path.stat().st_ino)
        now[0] += timedelta(hours=3)
        FileJournal(path, now=lambda: now[0], compact_over=1)
    changes = sum(before != after for before, after in pairwise(inodes))
    assert 2 <= changes <= 3
    assert 24 == len(journal.notes(NOW))
    now[0] += 2 * KEPT
    journal.note(Note(now[0], "job-over", {}))
    assert 1 == len(journal.notes(NOW))
    assert [path.name] == [file.name for file in path.parent.iterdir()]


@pytest.mark.slow
def test_nothing_is_lost_when_two_processes_write_and_compact(path: Path) -> None:
    """Both append as fast as they can, and each compacts under the other's hands; a third reads along."""
    count = 150
    writers = [ran(str(path), name, str(count)) for name in ("a", "b")]
    reader = FileJournal(path)
    seen, fewer = 0, []
    end = time.monotonic() + 60
    while any(writer.poll() is None for writer in writers) and time.monotonic() < end:
        found = len(reader.notes(datetime.min.replace(tzinfo=UTC)))
        fewer += [(seen, found)] if found < seen else []
        seen = found
    assert [(0, b"")] * 2 == [(writer.returncode, writer.communicate(timeout=30)[1]) for writer in writers]
    assert [] == fewer
    expected = {(name, number) for name in "ab" for number in range(count)}
    for journal in (reader, FileJournal(path)):
        notes = journal.notes(datetime.min.replace(tzinfo=UTC))
        assert (2 * count, expected) == (len(notes), {(note.text("by"), note.number("number")) for note in notes})


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_a_journal(path: Path) -> None:
    """At any line, compaction included: what it had written is there, and others go on writing."""
    for number in range(5):
        writer = ran(str(path), str(number), "100000")
        end = time.monotonic() + 30
        before = path.stat().st_size if path.exists() else 0
        while not path.exists() or path.stat().st_size < before + 400:
            assert time.monotonic() < end
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        notes = FileJournal(path).notes(datetime.min.replace(tzinfo=UTC))
        own = [note.number("number") for note in notes if note.text("by") == str(number)]
        assert list(range(len(own))) == own
        assert len(own) >= 4


# --- a disk that fails ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 30, 250])
def test_a_full_disk_is_told_once_and_costs_no_entry(path: Path, room: int) -> None:
    """Not even half a line is left; when there is room again, what was kept in memory is written."""
    told: list[Event] = []
    journal = FileJournal(path, told=told.append)
    failures = [replace(FAILURE, runner=f"rk-{number}-1") for number in range(20)]
    journal.failed(failures[0])
    before, soft = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + room, soft[1]))
        for failure in failures[1:]:
            journal.failed(failure)
        assert failures == list(journal.failures(NOW))
        assert path.read_bytes().startswith(before)
        assert path.read_bytes().endswith(b"\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, soft)
        signal.signal(signal.SIGXFSZ, ignored)
    (event,) = told
    assert isinstance(event, JournalFailing)
    assert ("File too large" if room == 0 else "No space left") in event.error.message
    assert str(path) in event.error.message
    journal.flush()
    assert failures == list(journal.failures(NOW)) == list(FileJournal(path).failures(NOW))
    journal.flush()
    assert 20 == len(path.read_text().splitlines())


def test_a_file_that_cannot_be_read_is_told_once(path: Path) -> None:
    """A folder in its place: entries are kept in memory, and both troubles are told with what to do."""
    path.mkdir()
    told: list[Event] = []
    journal = FileJournal(path, told=told.append)
    for _ in range(3):
        journal.failed(FAILURE)
        journal.failures(NOW)
    assert 3 == len(journal.failures(NOW))
    assert 2 == len(told)
    for event in told:
        assert isinstance(event, JournalFailing)
        assert "[journal]" in event.error.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_of_somebody_else_is_told(path: Path) -> None:
    """Without the right to read it, the process knows only what it has seen."""
    FileJournal(path).failed(FAILURE)
    path.chmod(0)
    told: list[Event] = []
    assert [] == list(FileJournal(path, told=told.append).failures(NOW))
    assert 1 == len(told)
