"""A demo as a process of its own, watched from outside: what it says, what it starts, and what it leaves."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit.sandbox.machines.init import kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 240.0
LOOK_EVERY = 0.05
LISTEN = "0A"
# Colours and movements; links that can be clicked.
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\].*?\x1b\\")
# Makes the terminal at descriptor 2 the controlling one, as a shell's is: Ctrl-C there is a signal here.
TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(2, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


class Play:
    """``runnerkit demo`` with a clean environment and folders of its own.

    Args:
        scratch: An empty folder that anybody may pass; becomes home, working and temporary folder of the demo.
        words: Options of the command.
        terminal: Standard error is a terminal, instead of a file.
        environ: Further variables.
    """

    WIDTH = 120

    def __init__(self, scratch: Path, *words: str, terminal: bool = False, **environ: str) -> None:
        self.home, self.work, self.temporary = (scratch / name for name in ("home", "work", "tmp"))
        for folder in (self.home, self.work, self.temporary):
            folder.mkdir()
        self.temporary.chmod(0o1777)
        self.descriptor = -1
        self.settings: list[Any] | None = None
        self._said = bytearray()
        self._out = scratch / "out"
        self._before = set(kernel.descendants(os.getpid()))
        self._environ = {"PATH": os.environ["PATH"], "HOME": str(self.home), "TMPDIR": str(self.temporary)}
        self._environ |= {"LANG": "C.UTF-8", "TERM": "xterm-256color", **environ}
        command = [sys.executable, "-m", "runnerkit", "demo", *words]
        self.process = self._start([sys.executable, "-c", TAKE_TERMINAL, *command] if terminal else command, terminal)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _start(self, command: list[str], terminal: bool) -> subprocess.Popen[bytes]:
        self.descriptor, there = os.openpty() if terminal else os.pipe()
        if terminal:
            self.settings = termios.tcgetattr(there)
            fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 40, self.WIDTH, 0, 0))
        self._kept = os.dup(there) if terminal else -1
        try:
            with self._out.open("wb") as out:
                return subprocess.Popen(
                    command,
                    stdin=there if terminal else subprocess.DEVNULL,
                    stdout=out,
                    stderr=there,
                    env=self._environ,
                    cwd=self.work,
                    start_new_session=True,
                )
        finally:
            os.close(there)

    def _read(self) -> None:
        with suppress(OSError):  # a terminal that nobody holds any more
            while data := os.read(self.descriptor, 65_536):
                self._said += data

    # --- what it says -------------------------------------------------------------------------------------------------

    @property
    def raw(self) -> str:
        """Standard error as it came."""
        return self._said.decode("utf-8", "replace")

    @property
    def said(self) -> str:
        """Standard error without colours."""
        return ESCAPE.sub("", self.raw)

    @property
    def lines(self) -> list[str]:
        """What stays on a terminal, line by line."""
        return [line.rpartition("\r")[2] for line in self.said.replace("\r\n", "\n").split("\n")]

    @property
    def out(self) -> str:
        """Standard output."""
        return self._out.read_text(encoding="utf-8")

    @property
    def told(self) -> dict[str, Any]:
        """The last line of standard output, which is JSON."""
        found = json.loads(self.out.splitlines()[-1])
        assert isinstance(found, dict)
        return found

    # --- waiting ------------------------------------------------------------------------------------------------------

    def until(self, what: str, true: Callable[[], object], patience: float = PATIENCE) -> None:
        """Wait until something is so."""
        end = time.monotonic() + patience
        while not true():
            if time.monotonic() > end:
                pytest.fail(f"after {patience:.0f} s still not: {what}\n{self.said[-3000:]}\n{self.left()}")
            time.sleep(LOOK_EVERY)

    def until_said(self, text: str) -> None:
        """Wait until it has said something; that it ended before is a failure."""
        self.until(repr(text), lambda: text in self.said or self.process.poll() is not None)
        assert text in self.said, f"it ended with {self.process.returncode}\n{self.said[-3000:]}"

    def ended(self, patience: float = PATIENCE) -> int:
        """Wait for its end; its exit code."""
        self.until("its end", lambda: self.process.poll() is not None, patience)
        return self.process.returncode

    def press_ctrl_c(self) -> None:
        """As somebody at its terminal."""
        os.write(self.descriptor, b"\x03")

    # --- what it starts and leaves ------------------------------------------------------------------------------------

    def started(self) -> list[int]:
        """Every process below it, or left behind by it: orphans are adopted here.

        What processes from before it start meanwhile (a browser that other tests share) is not its own.
        """
        others = {below for pid in self._before for below in kernel.descendants(pid)} | self._before
        return [pid for pid in kernel.descendants(os.getpid()) if pid not in others]

    def sockets(self) -> set[str]:
        """The sockets at which it, or anything it started, listens."""
        held = set()
        for pid in self.started():
            with suppress(OSError):
                for entry in Path(f"/proc/{pid}/fd").iterdir():
                    with suppress(OSError):
                        held.add(str(entry.readlink()).removeprefix("socket:[").removesuffix("]"))
        return held & listening()

    def folders(self) -> list[str]:
        """What lies in its temporary, working and home folder."""
        places = (self.temporary, self.work, self.home)
        return sorted(str(found.relative_to(place.parent)) for place in places for found in place.iterdir())

    def left(self) -> str:
        """What there still is of it, for failures."""
        told = []
        for pid in self.started():
            with suppress(OSError):
                told.append(f"{pid}: {Path(f'/proc/{pid}/cmdline').read_bytes().replace(bytes(1), b' ')[:200]!r}")
        return "\n".join([*told, *self.folders()])

    def leaves_nothing(self, sockets: set[str], *, folders: bool = True, within: float = 15.0) -> None:
        """Wait until its processes have ended and its ports are free, then look for what it left on the disk."""
        self.until("its processes are gone", lambda: not self.started(), within)
        self.until("its ports are free", lambda: not sockets & listening(), within)
        if folders:
            assert self.folders() == []

    def close(self) -> None:
        """End it with everything it started, whatever became of the test."""
        for pid in self.started():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)
        if self._kept >= 0:
            os.close(self._kept)
        self._reader.join(10)
        os.close(self.descriptor)

    def terminal_is_as_before(self) -> bool:
        """Whether the cursor is shown and the terminal's settings are the old ones."""
        shown = self.raw.rfind("\x1b[?25h") > self.raw.rfind("\x1b[?25l")
        return shown and termios.tcgetattr(self._kept) == self.settings


def listening() -> set[str]:
    """The inodes of all sockets of this computer at which somebody listens."""
    found = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTEN:
                found.add(fields[9])
    return found


@contextmanager
def adopting() -> Iterator[None]:
    """Orphans of processes that this one started become its children, so that none escapes."""
    libc = ctypes.CDLL(None)
    libc.prctl(kernel.PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(kernel.PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(0), 0, 0, 0)
