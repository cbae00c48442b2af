"""Child processes that own a process group, are ended on a schedule, and never outlive us."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Self

# Waits until our end of the pipe closes, whatever ended us, and then ends the group that it was told to watch.
GUARDIAN = 'read -r _ && exit 0; kill -INT "-$1" 2>/dev/null || exit 0; sleep 2; kill -KILL "-$1" 2>/dev/null'

# GitHub sends SIGINT when a job is cancelled, SIGTERM 7.5 s later, and kills 2.5 s after that. What is left of the
# first 7.5 seconds after the last step is ours, for the result file.
ON_CANCEL = ((0.0, signal.SIGINT), (4.0, signal.SIGTERM), (6.0, signal.SIGKILL))
ON_NOTICE = ((0.0, signal.SIGINT), (8.0, signal.SIGTERM), (12.0, signal.SIGKILL))  # shorter on a shorter notice


class Group:
    """A process and everything it starts, as one process group in a session of its own.

    Args:
        argv: The command.
        cwd: Where it runs.
        environ: Its environment.
        output: Where output and errors go, in one order; a pipe by default.
    """

    def __init__(self, argv: Sequence[str], *, cwd: Path, environ: Mapping[str, str], output: Any = None) -> None:  # noqa: ANN401 - whatever subprocess takes
        self._process = subprocess.Popen(  # noqa: S603 - our own list of arguments
            argv,
            cwd=cwd,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if output is None else output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            restore_signals=True,
        )
        self._guardian = subprocess.Popen(  # noqa: S603 - our own script, and a number
            ["/bin/sh", "-c", GUARDIAN, "runnerkit-guardian", str(self.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process, and the number of its group."""
        return self._process.pid

    @property
    def output(self) -> int:
        """The descriptor from which its output is read.

        Raises:
            ValueError: The output goes elsewhere.
        """
        if self._process.stdout is None:
            raise ValueError("the output of this process is not read here")
        return self._process.stdout.fileno()

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def wait(self, timeout: float) -> int | None:
        """Its exit code, or None when it still runs after so many seconds."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to everything in the group; an empty group is fine."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def alive(self) -> bool:
        """Whether anything of the group is left, be it without the process that began it."""
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def close(self) -> None:
        """End whatever is left of the group, then its guardian."""
        self.send(signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self._guardian.communicate(b"over\n", timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Stopping:
    """The signals that end a group, one after the other.

    Args:
        schedule: Seconds after the first, and the signal.
        now: When it starts.
        scale: Below 1, all comes sooner by so much.
    """

    def __init__(self, schedule: Sequence[tuple[float, signal.Signals]], now: float, scale: float = 1.0) -> None:
        self._left = [(after * scale, number) for after, number in schedule]
        self._start = now

    def due(self, now: float) -> signal.Signals | None:
        """The signal to send now, if one is due."""
        if not self._left or now - self._start < self._left[0][0]:
            return None
        return self._left.pop(0)[1]

    def over(self) -> bool:
        """Whether all signals are sent."""
        return not self._left

    def hasten(self, now: float) -> None:
        """Bring the next signal forward: whoever asks twice does not want to wait."""
        if self._left:
            self._start = min(self._start, now - self._left[0][0])
