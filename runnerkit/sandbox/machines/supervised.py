"""A supervisor process seen from the sandbox: started, listened to, ended with everything below it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit.sandbox.machines.init import kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MARK = "RUNNERKIT_MACHINE"
BLOCK = 65_536
BLOCKS_AT_ONCE = 16
LONGEST_LINE = 65_536
GRACE = 3.0
LOOK_AGAIN = 0.02
START = "import runpy, sys; sys.path.append(sys.argv[1]); runpy.run_module(sys.argv[2], run_name='__main__')"


class Supervised:
    """One supervisor. Its ``marker`` is in the environment of everything that runs below it.

    The thread that makes one must live as long as it: the kernel takes the thread's end for its parent's.

    Args:
        module: What it runs, of the package ``init``.
        name: What it is called in its marker.
        spec: What it is told; parent and marker are added.
        secret: A text that its output never shows.
        console: Gets its output, whole lines at a time.
    """

    def __init__(
        self, module: str, name: str, spec: Mapping[str, object], secret: str, console: Callable[[bytes], None]
    ) -> None:
        self.marker = f"{name}/{secrets.token_hex(8)}"
        self._secret = secret.encode()
        self._console = console
        self._line = b""
        here, self._told = os.pipe()
        self.output, there = os.pipe()
        os.set_blocking(self.output, False)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, "-IS", "-c", START, str(Path(__file__).parent), f"init.{module}"],
                stdin=here,
                stdout=there,
                stderr=there,
                env={MARK: self.marker},
                cwd="/",
                start_new_session=True,
            )
            self._tell({"parent": os.getpid(), **spec, "marker": self.marker})
        except OSError:
            self._close()
            raise
        finally:
            os.close(here)
            os.close(there)

    def _tell(self, spec: Mapping[str, object]) -> None:
        # Within the pipe's 64 KB: user data is the largest part and has 16.
        with suppress(BrokenPipeError):
            os.write(self._told, json.dumps(spec).encode() + b"\n")

    def _close(self) -> None:
        os.close(self.output)
        self.unplug()

    def unplug(self) -> None:
        """Let it know that it is over; it kills everything below it and ends."""
        told, self._told = self._told, -1
        if told >= 0:
            with suppress(BrokenPipeError):
                os.write(told, b"over\n")
            os.close(told)

    def ended(self) -> int | None:
        """Its exit code once it has ended."""
        return self._process.poll()

    def read(self) -> bool:
        """Pass on what it has said, a part of it at a time; False once nobody can say anything any more."""
        # Bounded, or one that never falls silent would keep everybody else waiting.
        for _ in range(BLOCKS_AT_ONCE):
            try:
                data = os.read(self.output, BLOCK)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._hear(data)
        return True

    def _hear(self, data: bytes) -> None:
        text = self._masked(self._line + data)
        end = text.rfind(b"\n") + 1
        if len(text) - end > LONGEST_LINE:
            # A secret that has come in part stays whole.
            end = len(text) - len(self._secret)
        self._line = text[end:]
        self._show(text[:end])

    def _masked(self, text: bytes) -> bytes:
        return text.replace(self._secret, b"***") if self._secret else text

    def _show(self, text: bytes) -> None:
        if text:
            self._console(text)

    def close(self) -> None:
        """Make sure of its end and of everything it started, and pass on the rest of what was said."""
        mine = partial(kernel.marked, self.marker)
        if self._process.poll() is None:
            # Stopped it still adopts what is left without a parent: nothing can slip away by giving up its marker.
            self._process.send_signal(signal.SIGSTOP)
            kernel.kill_all(partial(kernel.below, self._process.pid), reaping=False)
            self._process.kill()
        elif self._process.returncode < 0:
            # Killed, it leaves a child that hears of it and still knows all that is below.
            _wait_for(lambda: not mine())
        kernel.kill_all(mine, reaping=False)
        self._process.wait()
        self.read()
        self._show(self._masked(self._line))
        self._close()


def _wait_for(done: Callable[[], bool]) -> None:
    until = time.monotonic() + GRACE
    while not done() and time.monotonic() < until:
        time.sleep(LOOK_AGAIN)


def end(supervisors: Iterable[Supervised]) -> None:
    """End several at once, hard: as when somebody pulls the plug."""
    ending = list(supervisors)
    for each in ending:
        each.unplug()
    until = time.monotonic() + GRACE
    for each in ending:
        with suppress(subprocess.TimeoutExpired):
            each._process.wait(max(0.0, until - time.monotonic()))  # noqa: SLF001 - of this module's own class
        each.close()
