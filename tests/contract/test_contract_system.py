"""The real clock and the journal on disk keep the contracts of their ports, and what is theirs alone."""

# ruff: noqa: D102 - the suites say what their fixtures are

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from runnerkit.journals import FileJournal
from runnerkit.system import SystemClock
from runnerkit.testing.contracts import ClockContract, JournalContract
from runnerkit.testing.contracts.journal import FAILURE, REFUSAL, THEN

if TYPE_CHECKING:
    from pathlib import Path


class TestSystemClock(ClockContract):
    @pytest.fixture
    def clock(self) -> SystemClock:
        return SystemClock()

    def test_a_wake_ends_a_wait_under_way(self, clock: SystemClock) -> None:
        """Somebody else's thread has news; what would last half a minute is over at once."""
        waker = threading.Timer(0.05, clock.wake)
        waker.start()
        before = clock.now()
        assert clock.wait(30) is True
        assert (clock.now() - before).total_seconds() < 15
        waker.join()


class TestFileJournal(JournalContract):
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "state" / "journal.jsonl"

    @pytest.fixture
    def journal(self, path: Path) -> FileJournal:
        return FileJournal(path)

    def test_another_process_reads_it(self, journal: FileJournal, path: Path) -> None:
        """One that was there before, and one that comes later; nobody's entry is lost."""
        other = FileJournal(path)
        journal.failed(FAILURE)
        other.refused(REFUSAL)
        for reader in (journal, other, FileJournal(path)):
            assert list(reader.failures(THEN)) == [FAILURE]
            assert list(reader.refusals(THEN)) == [REFUSAL]

    def test_damaged_lines_cost_nothing_else(self, journal: FileJournal, path: Path) -> None:
        """Foreign text, half an entry and a line that is still being written are passed over."""
        journal.failed(FAILURE)
        with path.open("ab") as file:
            file.write(b'not json\n\xff\xfe\n{"kind": "failure"}\n[1]\n')
        journal.failed(FAILURE)
        with path.open("ab") as file:
            file.write(b'{"kind": "fail')
        assert list(FileJournal(path).failures(THEN)) == [FAILURE, FAILURE]

    def test_a_file_that_cannot_be_written_is_memory(self, tmp_path: Path) -> None:
        """Launching does not depend on it."""
        (tmp_path / "taken").write_text("a file where a folder should be")
        journal = FileJournal(tmp_path / "taken" / "journal.jsonl")
        journal.failed(FAILURE)
        journal.refused(REFUSAL)
        assert list(journal.failures(THEN)) == [FAILURE]
        assert list(journal.refusals(THEN)) == [REFUSAL]
