"""The end of a step's process: SIGINT to the entry process alone, 7.5 s, SIGTERM, 2.5 s, then its tree is killed."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    # Waits for a process at most so many seconds and tells whether it is gone.
    Ended = Callable[[float], bool]

AFTER_INTERRUPT = 7.5
AFTER_TERMINATE = 2.5
PARENT_FIELD = 1


def stop(pid: int, ended: Ended, pace: float = 1.0) -> None:
    """Stop a process.

    ``pace`` scales the seconds. Children that outlive an entry process which ended in time are left alone here, as
    GitHub leaves them until the end of the job.
    """
    for number, patience in ((signal.SIGINT, AFTER_INTERRUPT), (signal.SIGTERM, AFTER_TERMINATE)):
        send(pid, number)
        if ended(patience * pace):
            return
    # The tree is read before its root dies, as orphans no longer tell where they came from.
    for each in [pid, *descendants(pid)]:
        send(each, signal.SIGKILL)
    ended(AFTER_TERMINATE)


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def descendants(pid: int, proc: Path = Path("/proc")) -> list[int]:
    """List the processes below one, parents first."""
    children: dict[int, list[int]] = {}
    for number in processes(proc):
        children.setdefault(_parent(proc, number), []).append(number)
    found, look = [], [pid]
    while look:
        below = children.pop(look.pop(), [])
        found += below
        look += below
    return found


def processes(proc: Path = Path("/proc")) -> Iterable[int]:
    """List all processes that can be seen."""
    return (int(each) for each in os.listdir(proc) if each.isdecimal())  # noqa: PTH208 - names alone, a thousand times


def _parent(proc: Path, pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        # The name in the second field may hold spaces and brackets; the last bracket ends it.
        return int((proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[PARENT_FIELD])
    return 0


def bearing(mark: str, proc: Path = Path("/proc")) -> list[int]:
    """List the processes whose environment holds ``mark`` (``NAME=value``)."""
    wanted, found = mark.encode(), []
    for number in processes(proc):
        with suppress(OSError):
            if wanted in (proc / str(number) / "environ").read_bytes().split(b"\0"):
                found.append(number)
    return found
