"""The journal as a file of this machine, which several processes may share."""

from __future__ import annotations

import errno
import os
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError, RunnerkitError
from runnerkit.events import JournalFailing
from runnerkit.files import write_whole
from runnerkit.journal import KEPT, Entries, Entry, lasts
from runnerkit.journals.ledger import Ledger, line_of, parsed, parsed_line
from runnerkit.moments import aware, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from pathlib import Path

    from runnerkit.events import Event

COMPACT_OVER = 1_000_000
COMPACT_EVERY = timedelta(days=1)
COMPACTED = "compacted"
MOST_HELD = 20_000
LONGEST_LOCK = 2.0
LOOK_EVERY = 0.005
_FIRST_LINE = 300


def now_utc() -> datetime:
    """The time, aware UTC."""
    return datetime.now(tz=UTC)


class FileJournal(Entries):
    """Append-only lines of JSON under a lock of the file itself. Safe for threads and for several processes.

    A file that cannot be written is no reason not to launch: entries are then kept in memory, and written later.

    Args:
        path: The file; it and its folder are made with the first entry.
        kept: How long what is kept longest is kept.
        told: Hears once that the file cannot be used, and again only after it could.
        now: The time, aware UTC.
        compact_over: Bytes from which on a file is rid of what is too old, at most once a day.
    """

    def __init__(
        self,
        path: Path,
        *,
        kept: timedelta = KEPT,
        told: Callable[[Event], None] = lambda _: None,
        now: Callable[[], datetime] = now_utc,
        compact_over: int = COMPACT_OVER,
    ) -> None:
        self._path = path
        self._kept = kept
        self._told = told
        self._now = now
        self._compact_over = compact_over
        self._compact_at: datetime | None = None
        self._lock = RLock()
        self._held: list[Entry] = []
        self._failing: set[str] = set()
        self._ledger, self._read_up_to = Ledger(), 0
        self._file: int | None = None
        with suppress(OSError):
            self._compact_if_due(path.stat().st_size)

    def append(self, entry: Entry) -> None:
        """Write one line."""
        with self._lock:
            self._held = [*self._held[-MOST_HELD:], entry] if self._held else [entry]
            self.flush()

    def flush(self) -> None:
        """Write what could not be written before."""
        with self._lock:
            if not self._held:
                return
            try:
                size = self._write(b"".join(map(line_of, self._held)))
                self._held = []
                self._failing.discard("written")
                self._compact_if_due(size)
            except OSError as error:
                self._tell("written", error)

    def entries(self, since: datetime) -> Iterable[Entry]:
        """All entries of the file, oldest first."""
        del since
        with self._lock:
            self._read_on()
            return self._with_held(self._ledger.every(), Ledger.every)

    def select(self, since: datetime, kinds: Collection[str]) -> Iterable[Entry]:
        """The entries of these kinds since then, by the index."""
        with self._lock:
            self._read_on()
            return self._with_held(self._ledger.select(since, kinds), lambda held: held.select(since, kinds))

    def _with_held(self, found: list[Entry], of: Callable[[Ledger], list[Entry]]) -> list[Entry]:
        """What was found in the file, with what could not be written."""
        if not self._held:
            return found
        held = Ledger()
        held.add(self._held)
        return sorted([*found, *of(held)], key=lambda entry: aware(entry["at"]))

    # --- reading and writing ------------------------------------------------------------------------------------------

    def _write(self, data: bytes) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self._path) as file:
            size = os.fstat(file).st_size
            # A line that its writer did not live to finish must not swallow this one.
            torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
            whole = b"\n" + data if torn else data
            if os.write(file, whole) != len(whole):
                os.ftruncate(file, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return size + len(whole)

    def _read_on(self) -> None:
        """Take in what was appended since the last look, by us or by others."""
        try:
            there = self._path.stat()
            if (there.st_ino, there.st_size) == (self._file, self._read_up_to):
                return
            with self._path.open("rb") as file:
                there = os.fstat(file.fileno())
                # Another process has compacted it.
                if self._file not in {None, there.st_ino} or there.st_size < self._read_up_to:
                    self._forget()
                file.seek(self._read_up_to)
                text = file.read()
        except FileNotFoundError:
            return
        except OSError as error:
            self._tell("read", error)
            return
        self._failing.discard("read")
        whole = text[: text.rfind(b"\n") + 1]
        self._file, self._read_up_to = there.st_ino, self._read_up_to + len(whole)
        self._ledger.add(entry for entry in parsed(whole.splitlines()) if entry.get("kind") != COMPACTED)

    def _forget(self) -> None:
        self._ledger, self._read_up_to, self._file = Ledger(), 0, None

    def _tell(self, what: str, error: OSError) -> None:
        if what not in self._failing:
            self._failing.add(what)
            self._told(JournalFailing(str(self._path), _explained(self._path, what, error)))

    # --- compaction ---------------------------------------------------------------------------------------------------

    def _compact_if_due(self, size: int) -> None:
        """Drop what is too old to matter, once the file has grown and was not looked through today."""
        now = self._now()
        if size <= self._compact_over or (self._compact_at is not None and now < self._compact_at):
            return
        # Entries are safe in the file as it is: what hinders this now does not hinder writing.
        with suppress(OSError):
            self._compact(now)
        self._compact_at = now + COMPACT_EVERY

    def _compact(self, now: datetime) -> None:
        with _locked(self._path) as file:
            size = os.fstat(file).st_size
            if _compacted_at(os.pread(file, _FIRST_LINE, 0), now) > now - COMPACT_EVERY:
                return
            kept = [line for line in os.pread(file, size, 0).split(b"\n") if self._is_kept(line, now)]
            first = line_of({"kind": COMPACTED, "at": now.isoformat()})
            write_whole(self._path, (first + b"".join(line + b"\n" for line in kept)).decode())
        self._forget()

    def _is_kept(self, line: bytes, now: datetime) -> bool:
        entry = parsed_line(line) or {}
        at, kind = moment(entry.get("at", "")), str(entry.get("kind"))
        return at is not None and kind != COMPACTED and at >= now - lasts(kind, self._kept)


def _compacted_at(text: bytes, otherwise: datetime) -> datetime:
    """When the file was compacted, by its first line."""
    entry = parsed_line(text.split(b"\n", 1)[0]) or {}
    at = moment(entry.get("at", "")) if entry.get("kind") == COMPACTED else None
    return at or otherwise - 2 * COMPACT_EVERY


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file, made when absent, with nobody else writing or compacting it.

    Raises:
        OSError: It cannot be opened, or somebody holds it for seconds.
    """
    end = time.monotonic() + LONGEST_LOCK
    while True:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # Who waited while another process compacted holds a file that has no name any more.
            if _lock(file) and _is_at(file, path):
                yield file
                return
        finally:
            os.close(file)
        if time.monotonic() > end:
            raise OSError(errno.EDEADLK, "another process holds it")
        time.sleep(LOOK_EVERY)


def _lock(file: int) -> bool:
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (OSError, ImportError):
        return True  # a file system, or a system, without such locks: writing in one piece has to do
    return True


def _is_at(file: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return path.stat().st_ino == os.fstat(file).st_ino
    return False


def _explained(path: Path, what: str, error: OSError) -> RunnerkitError:
    return ConfigError(
        f"the journal {path} cannot be {what}: {error.strerror or error}",
        hint="see to the file, its folder and the room on the disk, or set where in [journal]; until then the breaker, "
        "budgets and `why` know only what this process has seen",
    )
