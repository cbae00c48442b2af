"""Helps an act on that waits for ever after a step that has ended well.

act gives each step a terminal, and when the step's process is gone it writes one byte into its one end and reads at the
other until that byte comes back. Seldom the ends are not of one terminal (see `step.FOR_ACT_ALONE`, which makes it
seldomer), and nothing comes: act 0.2.89 was seen to wait so, at its own end of a terminal that nobody had ever opened.
The byte is written once more then, from here, at the right one.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .schedule import descendants

if TYPE_CHECKING:
    from collections.abc import Callable

    from .acting import Act

MASTERS = ("/dev/ptmx", "/dev/pts/ptmx")
END = b"\x04"
# Of Linux, the same on x86-64 and arm64: <asm-generic/unistd.h> and <asm-generic/ioctls.h>.
PIDFD_GETFD = 438
TIOCGPTPEER = 0x5441
# Seconds until it is helped, and how often; from one step to the next act takes milliseconds.
STUCK = 3.0
HOPELESS = 20


class Watchdog:
    """Watches an act for as long as it runs: helps it on, and ends one that cannot be helped."""

    def __init__(self, act: Act, note: Callable[[str], None]) -> None:
        self._act = act
        self._note = note
        self._since = time.monotonic()
        self._tries = 0

    def look(self, *, busy: bool) -> None:
        """To be called all the time; ``busy`` while a step runs, or act has just said something."""
        now = time.monotonic()
        if busy:
            self._since, self._tries = now, 0
        elif now - self._since > STUCK:
            self._since, self._tries = now, self._tries + 1
            self._help()

    def _help(self) -> None:
        pid = self._act.process.pid
        if descendants(pid):
            return
        if self._tries >= HOPELESS:
            self._note("act neither runs anything nor goes on; it is ended")
            self._act.kill()
        elif end_terminals(pid):
            self._note("act was stuck after a step and is helped on")


def end_terminals(pid: int) -> int:
    """Write the byte that ends it into every terminal that a process has made; how many there were.

    A process of somebody else, or a kernel before 5.6, lets nobody in: then there are none.
    """
    with suppress(OSError):
        process = os.pidfd_open(pid)
        try:
            return sum(_end(process, number) for number in _masters(pid))
        finally:
            os.close(process)
    return 0


def _masters(pid: int) -> list[int]:
    found = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            if str(each.readlink()) in MASTERS:
                found.append(int(each.name))
    return found


def _end(process: int, number: int) -> bool:
    # By number: opened anew by its name it would be another terminal.
    master = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, process, number, 0)
    if master < 0:
        return False
    try:
        other = fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return os.write(other, END) == len(END)
        finally:
            os.close(other)
    finally:
        os.close(master)
