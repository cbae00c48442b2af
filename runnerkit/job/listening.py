"""What reaches a run from outside: lines from a process, and signals."""

from __future__ import annotations

import os
import selectors
import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

BLOCK = 65_536
LONGEST = 1_000_000
KEPT = 200  # of a line that is too long, so that a mark at its end is not cut in two


class Signals:
    """SIGINT and SIGTERM as something to ask for, so that they interrupt nothing at the wrong moment.

    That our parent is gone counts as one more: what started us can no longer tell us to stop. We look for it ourselves,
    because the kernel's parent-death signal comes when the parent's *thread* ends, and the runner's come and go.
    """

    def __init__(self) -> None:
        self._count = 0
        self._taken = 0
        self._parent = os.getppid()
        self.reader, self._writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self._writer, False)

    def fresh(self) -> bool:
        """Whether one has come since the last question."""
        with suppress(BlockingIOError):
            os.read(self.reader, BLOCK)
        if os.getppid() != self._parent:
            self._parent = os.getppid()
            self._count += 1
        new, self._taken = self._count > self._taken, self._count
        return new

    def _take(self, _number: int, _frame: object) -> None:
        self._count += 1
        with suppress(BlockingIOError):
            os.write(self._writer, b"!")

    def _close(self) -> None:
        os.close(self.reader)
        os.close(self._writer)


@contextmanager
def signals() -> Iterator[Signals]:
    """Take the signals for the length of a block; what the process did with them before comes back afterwards."""
    taker = Signals()
    ours = threading.current_thread() is threading.main_thread()  # Python lets no other thread take them
    numbers = (signal.SIGINT, signal.SIGTERM) if ours else ()
    before = {number: signal.signal(number, taker._take) for number in numbers}  # noqa: SLF001 - this function is its constructor's other half
    try:
        yield taker
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        taker._close()  # noqa: SLF001 - as above


class Lines:
    """The lines of a descriptor, as they come.

    Args:
        source: Where they come from.
        alarm: Another descriptor that ends the waiting.
    """

    def __init__(self, source: int, alarm: int | None = None) -> None:
        self._source = source
        self._rest = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(source, selectors.EVENT_READ)
        if alarm is not None:
            self._selector.register(alarm, selectors.EVENT_READ)
        os.set_blocking(source, False)

    def read(self, timeout: float | None) -> list[str] | None:
        """What came within so many seconds, perhaps nothing; None once there is no more to come."""
        self._selector.select(timeout)
        try:
            block = os.read(self._source, BLOCK)
        except BlockingIOError:
            return []
        if not block:
            last, self._rest = self._rest, b""
            return [_text(last)] if last else None
        *whole, self._rest = (self._rest + block).split(b"\n")
        if len(self._rest) > LONGEST:
            whole, self._rest = [*whole, self._rest[:-KEPT]], self._rest[-KEPT:]
        return [_text(line) for line in whole]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()


def _text(line: bytes) -> str:
    """A line as a terminal would show it in the end: progress bars write over themselves."""
    return line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]
