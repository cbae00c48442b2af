"""The real controller, as a process beside the sandbox that it serves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from runnerkit.sandbox.together import Sandbox

# Ends a program when the process that started it dies, however it dies (Linux: PR_SET_PDEATHSIG is option 1).
# The parent is given, for it may have died before.
_BIND = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); "
    "os.getppid() == int(sys.argv[1]) and os.execv(sys.argv[2], sys.argv[2:])"
)


class Controller:
    """``runnerkit run``, or another command that serves, as a process of its own. A context manager.

    Args:
        sandbox: What it serves.
        heard: Hears its events, as its log tells them, on a thread of its own.
        environ: Further settings.
        command: What to run instead of ``run`` with a pass each second; ``--repo`` and ``--json`` are added.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        heard: Callable[[Mapping[str, Any]], None] = lambda _event: None,
        environ: Mapping[str, str] | None = None,
        command: Sequence[str] = ("run", "--interval", "1"),
    ) -> None:
        self._sandbox = sandbox
        self._command = (*command, "--repo", sandbox.repository, "--json")
        self._heard = heard
        self._environ = dict(environ or {})
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self.said: list[str] = []

    def __enter__(self) -> Self:
        environ = {**os.environ, **self._sandbox.environment(), **self._environ}
        # Of its own group: Ctrl-C at the terminal must not reach it before the story has decided what to end when.
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [*_bound(), sys.executable, "-m", "runnerkit", *self._command],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            cwd=self._sandbox.folder,
        )
        self._reader = threading.Thread(target=self._read, name="controller-events", daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is None:
                self._process.send_signal(number)
                try:
                    self._process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    continue
        if self._reader is not None:
            self._reader.join(timeout=5)
        if self._process.stderr is not None:
            self._process.stderr.close()

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None  # noqa: S101 - inside the context
        self._process.kill()
        self._process.wait()

    @property
    def gone(self) -> bool:
        """Whether it ended by itself, which it should not."""
        return self._process is not None and self._process.poll() is not None

    def _read(self) -> None:
        assert self._process is not None  # noqa: S101 - started with it
        assert self._process.stderr is not None  # noqa: S101 - as asked for
        for line in self._process.stderr:
            try:
                event = json.loads(line)
            except ValueError:
                self.said.append(line.rstrip())
            else:
                self._heard(event)


def _bound() -> tuple[str, ...]:
    """The words before a command that ties it to this process."""
    return (sys.executable, "-I", "-S", "-c", _BIND, str(os.getpid())) if sys.platform == "linux" else ()
