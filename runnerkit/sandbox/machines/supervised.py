"""A supervisor process seen from the sandbox: started, listened to, ended with everything below it."""

from __future__ import annotations

import json
import os
import secrets
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
GRACE = 3.0
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
        """Pass on what it has said; False once nobody can say anything any more."""
        while True:
            try:
                data = os.read(self.output, BLOCK)
            except BlockingIOError:
                return True
            if not data:
                return False
            whole, newline, self._line = (self._line + data).rpartition(b"\n")
            self._show(whole + newline)

    def _show(self, text: bytes) -> None:
        if self._secret:
            text = text.replace(self._secret, b"***")
        if text:
            self._console(text)

    def close(self) -> None:
        """Make sure of its end and of everything it started, and pass on the rest of what was said."""
        if self._process.poll() is None:
            self._process.kill()
        kernel.kill_all(partial(kernel.marked, self.marker), reaping=False)
        self._process.wait()
        self.read()
        self._show(self._line)
        self._close()


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
