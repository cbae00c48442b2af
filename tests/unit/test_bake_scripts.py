"""What runs on a builder, run here by the same shell: states, logs, and what may go wrong with both."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from runnerkit.baking import boot

WITHIN = 60


@dataclass
class Disk:
    """A builder's folder of steps."""

    root: Path

    def sh(self, command: str, stdin: bytes = b"") -> bytes:
        """Run a command as the baker would."""
        here = command.replace(boot.SWITCH, str(self.root / "switch"))
        return subprocess.run(["/bin/sh", "-c", here], input=stdin, capture_output=True, check=True).stdout

    def begin(self, script: str, timeout: int = 30) -> None:
        """Start a step."""
        root = str(self.root)
        self.sh(boot.ready(root), boot.RUN.encode())
        self.sh(boot.receive("one", "script", root), script.encode())
        self.sh(boot.start("one", timeout, root))

    def look(self, offset: int = 0) -> tuple[str, int, bytes]:
        """State, where the log goes on, and the log."""
        state, begins, log = self.sh(boot.watch("one", offset, 60, str(self.root))).split(b"\n", 2)
        return state.decode(), int(begins), log

    def state_after(self, script: str, timeout: int = 30) -> str:
        """Run a step to its end."""
        self.begin(script, timeout)
        until = time.monotonic() + WITHIN
        while (state := self.look()[0]) == "running":
            assert time.monotonic() < until, "the step did not end"
            time.sleep(0.05)
        return state


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """An empty one."""
    return Disk(tmp_path)


def test_a_step_runs_once_and_tells_its_end(disk: Disk) -> None:
    """Starting it again is no second run."""
    assert disk.state_after("echo one; exit 3").startswith("exit 3 ")
    disk.sh(boot.start("one", 30, str(disk.root)))
    assert b"one\n" == disk.look()[2]
    assert b"" == disk.sh(boot.finished(str(disk.root)))


def test_a_step_that_takes_too_long_is_stopped(disk: Disk) -> None:
    """With the time it took, which tells it from a script that ended so by itself."""
    code, seconds = disk.state_after("sleep 60", timeout=1).split()[1:]
    assert (124, True) == (int(code), int(seconds) >= 1)


def test_a_step_that_leaves_a_process_behind_has_ended(disk: Disk) -> None:
    """A daemon that keeps the log open is not waited for."""
    assert disk.state_after("sleep 30 & echo $! >daemon; echo done").startswith("exit 0 ")
    os.kill(int((disk.root / "steps/one/daemon").read_text()), 9)


def test_a_step_that_is_gone_is_lost_though_its_number_was_given_again(disk: Disk) -> None:
    """After a reboot of the builder the process with that id is somebody else's."""
    disk.begin("exit 0")
    while not disk.look()[0].startswith("exit"):
        time.sleep(0.05)
    (disk.root / "steps/one/exit").unlink()
    (disk.root / "steps/one/pid").write_text(str(os.getpid()))
    assert "lost" == disk.look()[0]


def test_a_flood_is_not_waited_for(disk: Disk) -> None:
    """Of 100 MB the last few are shown, from a place that is told."""
    assert disk.state_after("head -c 100000000 /dev/zero | tr '\\0' x; echo; echo end").startswith("exit 0 ")
    _, begins, log = disk.look(5)
    assert 100_000_005 - boot.BEHIND == begins
    assert boot.CHUNK == len(log)
    assert b"end\n" == disk.look(100_000_001)[2]


def test_whatever_bytes_a_step_prints_are_passed_on(disk: Disk) -> None:
    """Also those that are no text."""
    assert disk.state_after(r"printf '\377\0\033[2J\n'").startswith("exit 0 ")
    assert b"\xff\0\x1b[2J\n" == disk.look()[2]


def test_a_failed_step_is_forgotten_with_what_still_runs_of_it(disk: Disk) -> None:
    """The next try finds room, and no second process."""
    disk.begin("echo $$ >mine; sleep 60")
    mine = disk.root / "steps/one/mine"
    until = time.monotonic() + WITHIN
    while not mine.exists() or not mine.read_text().strip():
        assert time.monotonic() < until
        time.sleep(0.02)
    process = int(mine.read_text())
    assert "bash" in _command(process)
    disk.sh(boot.forget("one", str(disk.root)))
    assert "absent" == disk.look()[0]
    while "bash" in _command(process):
        assert time.monotonic() < until, "it still runs"
        time.sleep(0.02)


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text(encoding="utf-8")
    except OSError:
        return ""
