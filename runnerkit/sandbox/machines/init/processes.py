"""The processes of a machine: started in sessions of their own, collected by one reaper, orphans too."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import kernel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Login:
    """A user that commands may run as; ``lowered`` when that takes leaving the supervisor's own rights behind."""

    name: str
    home: str
    uid: int
    gid: int
    lowered: bool = False


@dataclass(frozen=True)
class Ended:
    """How a process ended: by its own exit code, or by a signal."""

    code: int = 0
    signal: int = 0

    @classmethod
    def of(cls, status: int) -> Ended:
        """Understand a wait status."""
        if os.WIFSIGNALED(status):
            return cls(signal=os.WTERMSIG(status))
        return cls(code=os.WEXITSTATUS(status))

    @property
    def kind(self) -> str:
        """``$EXIT_CODE``."""
        return "killed" if self.signal else "exited"

    @property
    def status(self) -> str:
        """``$EXIT_STATUS``."""
        return signal.Signals(self.signal).name.removeprefix("SIG") if self.signal else str(self.code)


@dataclass(frozen=True)
class Process:
    """A process that we started; ``ended`` is done when it is gone."""

    pid: int
    ended: asyncio.Future[Ended]

    def signal(self, number: int, *, group: bool) -> None:
        """Signal it, or all that is still in its session's first process group."""
        with suppress(ProcessLookupError, PermissionError):
            if group:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)


class Processes:
    """Starts processes and learns of their ends. To be made inside a running loop."""

    def __init__(self) -> None:
        self._running: dict[int, tuple[subprocess.Popen[bytes], asyncio.Future[Ended]]] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGCHLD, self._collect)

    def start(
        self, argv: Sequence[str], environ: Mapping[str, str], login: Login, *, cwd: Path, umask: int = 0o022
    ) -> Process:
        """Start a process whose output goes to the console.

        Raises:
            OSError: It cannot be executed, or not in that folder.
        """
        # Nothing else here collects children, so the new one cannot be gone before it is noted.
        popen = subprocess.Popen(  # noqa: S603 - what the units and their drop-ins say
            argv,
            env=dict(environ),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            umask=umask,
            user=login.uid if login.lowered else None,
            group=login.gid if login.lowered else None,
            extra_groups=[] if login.lowered else None,
        )
        ended: asyncio.Future[Ended] = self._loop.create_future()
        self._running[popen.pid] = popen, ended
        return Process(popen.pid, ended)

    def _collect(self) -> None:
        for pid, status in kernel.reap():
            popen, ended = self._running.pop(pid, (None, None))
            if popen is not None and ended is not None:
                popen.returncode = os.waitstatus_to_exitcode(status)
                if not ended.done():
                    ended.set_result(Ended.of(status))
