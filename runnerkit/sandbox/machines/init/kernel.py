"""What a process machine needs of Linux: adopt orphans, die with the sandbox, find and kill every process."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PROC = Path("/proc")
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LOOK_AGAIN = 0.01
DEAD = {"Z", "X"}


def stand_alone(parent: int) -> bool:
    """Adopt whatever our descendants leave behind, and hear (SIGTERM) when ``parent`` dies; False when it has died."""
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((PR_SET_CHILD_SUBREAPER, 1), (PR_SET_PDEATHSIG, signal.SIGTERM)):
        if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
            number = ctypes.get_errno()
            raise OSError(number, f"prctl({option}): {os.strerror(number)}")
    return os.getppid() == parent


def descendants(ancestor: int) -> list[int]:
    """The living processes below one, by id."""
    children: dict[int, list[int]] = {}
    dead = set()
    for pid, state, parent in _processes():
        children.setdefault(parent, []).append(pid)
        if state in DEAD:
            dead.add(pid)
    found, rest = [], [ancestor]
    while rest:
        below = children.get(rest.pop(), [])
        found += below
        rest += below
    return [pid for pid in found if pid not in dead]


def marked(marker: str) -> list[int]:
    """The living processes that were started with a text in their environment, whoever their parent is now."""
    wanted = marker.encode()
    found = []
    for pid, state, _ in _processes():
        # Gone meanwhile, or somebody else's.
        with suppress(OSError):
            if state not in DEAD and wanted in (PROC / str(pid) / "environ").read_bytes():
                found.append(pid)
    return found


def _processes() -> Iterable[tuple[int, str, int]]:
    """Id, state and parent of every process."""
    for entry in PROC.iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                yield int(entry.name), fields[0], int(fields[1])


def kill_all(find: Callable[[], Iterable[int]], within: float = 5.0, *, reaping: bool = True) -> bool:
    """Kill what ``find`` finds until it finds nothing; False when something is left after ``within`` seconds.

    ``reaping`` collects every child that has ended, which only a program may do that waits for none of them itself.
    """
    until = time.monotonic() + within
    while found := list(find()):
        if time.monotonic() > until:
            return False
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if reaping:
            reap()
        time.sleep(LOOK_AGAIN)
    return True


def reap() -> list[tuple[int, int]]:
    """Collect the children that have ended: their ids and wait statuses."""
    ended = []
    with suppress(ChildProcessError):
        while (child := os.waitpid(-1, os.WNOHANG))[0]:
            ended.append(child)
    return ended
