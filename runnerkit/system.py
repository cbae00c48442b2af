"""The real clock, the journal on disk, and the log."""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from runnerkit.journal import KEPT, Entries, Entry

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from runnerkit.events import Event

COMPACT_OVER = 1_000_000
LONGEST_WAIT = 0.5


class SystemClock:
    """Time as the machine tells it."""

    def __init__(self) -> None:
        self._woken = threading.Event()

    def now(self) -> datetime:
        """The time, aware UTC."""
        return datetime.now(tz=UTC)

    def wait(self, seconds: float) -> bool:
        """Sleep, or return True at once when woken."""
        # In parts: a wait does not notice a signal that the system gave to another thread.
        end, woken, left = time.monotonic() + seconds, self._woken.is_set(), seconds
        while not woken and left > 0:
            woken = self._woken.wait(min(left, LONGEST_WAIT))
            left = end - time.monotonic()
        self._woken.clear()
        return woken

    def wake(self) -> None:
        """End a wait that is under way, or the next one."""
        self._woken.set()


class FileJournal(Entries):
    """Append-only lines of JSON. One write per entry, so several processes may share a file.

    A file that cannot be written is no reason not to launch: entries are then kept in memory only.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._read_up_to = 0
        self._inode: int | None = None
        self._compact()

    def append(self, entry: Entry) -> None:
        """Write one line."""
        line = json.dumps(entry, default=str, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
                try:
                    # A line that its writer did not live to finish must not swallow this one.
                    size = os.fstat(descriptor).st_size
                    torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                    os.write(descriptor, b"\n" + line if torn else line)
                finally:
                    os.close(descriptor)
            except OSError:
                self._entries.append(entry)

    def entries(self, since: datetime) -> Iterable[Entry]:
        """All entries of the file, in the order in which they were written."""
        del since
        with self._lock:
            self._read_on()
            return list(self._entries)

    def _read_on(self) -> None:
        """Take in what was appended since the last look, by us or by others."""
        try:
            with self._path.open("rb") as file:
                there = os.fstat(file.fileno())
                # Another process has compacted it.
                if self._inode not in {None, there.st_ino} or there.st_size < self._read_up_to:
                    self._entries, self._read_up_to = [], 0
                self._inode = there.st_ino
                file.seek(self._read_up_to)
                text = file.read()
        except OSError:
            return
        whole = text[: text.rfind(b"\n") + 1]
        self._read_up_to += len(whole)
        self._entries += [entry for line in whole.splitlines() if (entry := _parsed(line)) is not None]

    def _compact(self) -> None:
        """Drop what is too old to matter, once the file has grown."""
        with suppress(OSError):
            if self._path.stat().st_size > COMPACT_OVER:
                self._read_on()
                oldest = (datetime.now(tz=UTC) - KEPT).isoformat()
                kept = [entry for entry in self._entries if str(entry.get("at", "")) >= oldest]
                fresh = self._path.with_suffix(".new")
                fresh.write_text("".join(json.dumps(entry) + "\n" for entry in kept), encoding="utf-8")
                fresh.replace(self._path)
                self._entries, self._read_up_to, self._inode = [], 0, None


def _parsed(line: bytes) -> Entry | None:
    with suppress(ValueError):
        entry = json.loads(line)
        return entry if isinstance(entry, dict) else None
    return None


class LogEvents:
    """Events as a log: lines for people or JSON for programs, through structlog."""

    def __init__(self, stream: TextIO, *, as_json: bool) -> None:
        # structlog takes a third of a second to import, which a command that prints no log need not spend.
        import structlog

        last: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
        self._log = structlog.wrap_logger(
            structlog.PrintLogger(stream),
            processors=[structlog.processors.TimeStamper(fmt="iso", utc=True), last],
            wrapper_class=structlog.BoundLogger,
        )

    def emit(self, event: Event) -> None:
        """Write one line."""
        facts = event.as_dict()
        self._log.msg(facts.pop("event"), **facts)


class SilentEvents:
    """Nobody listens."""

    def emit(self, event: Event) -> None:
        """Let it pass."""


class SeveralEvents:
    """Passes events on to several listeners; one that fails does not keep the others from hearing."""

    def __init__(self, *listeners: Any) -> None:  # noqa: ANN401 - anything with emit()
        self._listeners = listeners

    def emit(self, event: Event) -> None:
        """Tell everybody."""
        for listener in self._listeners:
            with suppress(Exception):
                listener.emit(event)
