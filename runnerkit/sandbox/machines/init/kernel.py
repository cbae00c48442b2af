"""What a process machine needs of Linux: adopt orphans, die with the sandbox, find and kill every process."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

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


def watched_over() -> None:
    """Go on as a child. The parent's only work is to kill what the child leaves behind when it dies, however it dies.

    Without it, what has given up the marker in its environment would outlive a supervisor that is killed.
    """
    parent, child = os.getpid(), os.fork()
    if child == 0:
        if not stand_alone(parent):
            os._exit(os.EX_UNAVAILABLE)
        return
    signal.signal(signal.SIGTERM, lambda *_: _signal(child, signal.SIGTERM))
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    status = os.waitpid(child, 0)[1]
    kill_all(partial(below, parent))
    if os.WIFSIGNALED(status):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(parent, os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


class Seen(NamedTuple):
    """What was seen of a process."""

    state: str
    parent: int
    group: int

    @property
    def dead(self) -> bool:
        """Whether it only waits to be collected."""
        return self.state in DEAD


def below(ancestor: int) -> dict[int, Seen]:
    """The processes below one, by id; dead ones too."""
    seen = dict(_processes())
    children: dict[int, list[int]] = {}
    for pid, process in seen.items():
        children.setdefault(process.parent, []).append(pid)
    found: dict[int, Seen] = {}
    rest = [ancestor]
    while rest:
        pids = children.get(rest.pop(), [])
        found |= {pid: seen[pid] for pid in pids}
        rest += pids
    return found


def descendants(ancestor: int) -> list[int]:
    """The living processes below one, by id."""
    return [pid for pid, process in below(ancestor).items() if not process.dead]


def marked(marker: str) -> dict[int, Seen]:
    """The living processes that were started with a text in their environment, whoever their parent is now."""
    wanted = marker.encode()
    found = {}
    for pid, process in _processes():
        # Gone meanwhile, or somebody else's.
        with suppress(OSError):
            if not process.dead and wanted in (PROC / str(pid) / "environ").read_bytes():
                found[pid] = process
    return found


def lives(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    with suppress(OSError):
        return not _see(PROC / str(pid)).dead
    return False


def _processes() -> Iterable[tuple[int, Seen]]:
    for entry in PROC.iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                yield int(entry.name), _see(entry)


def _see(entry: Path) -> Seen:
    fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return Seen(fields[0], int(fields[1]), int(fields[2]))


def kill_all(find: Callable[[], Mapping[int, Seen]], within: float = 5.0, *, reaping: bool = True) -> bool:
    """Kill what ``find`` finds until nothing of it lives; False when something does after ``within`` seconds.

    What forks and leaves faster than one can look is seen by the dead it leaves behind: it is over when there are no
    new ones. ``reaping`` collects every child that has ended, which only a program may do that waits for none itself.
    """
    until = time.monotonic() + within
    before: set[int] | None = None
    while set(found := find()) != before or not all(process.dead for process in found.values()):
        if time.monotonic() > until:
            return all(process.dead for process in found.values())
        for pid, process in found.items():
            _kill(pid, process)
        if reaping:
            reap()
        before = set(found)
        time.sleep(LOOK_AGAIN)
    return True


def _kill(pid: int, process: Seen) -> None:
    # A group dies as one: no member can fork meanwhile. Machines have sessions of their own, so it is never ours.
    if process.group not in {0, os.getpgrp()}:
        _signal(-process.group, signal.SIGKILL)
    _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def reap() -> list[tuple[int, int]]:
    """Collect the children that have ended: their ids and wait statuses."""
    ended = []
    with suppress(ChildProcessError):
        while (child := os.waitpid(-1, os.WNOHANG))[0]:
            ended.append(child)
    return ended
