"""The parts of helping an act on; the whole is tested with jobs."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit.sandbox.standin.program import schedule, unsticking
from tests.sandbox.standin.running import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Iterator

READS = """
import os, pty, sys, tty

master, slave = pty.openpty()
tty.setraw(slave)
os.write(slave, b"said")
sys.stdout.write("up\\n")
sys.stdout.flush()
said = b""
while not said.endswith(bytes([4])):
    said += os.read(master, 4096)
sys.stdout.write(repr(said))
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that neither ends nor has a terminal."""
    with subprocess.Popen(["sleep", "600"]) as process:  # noqa: S607 - as found
        yield process
        process.kill()


def test_who_reads_a_terminal_of_its_own_reads_the_end() -> None:
    """Without a part in it: by the process's number alone."""
    with subprocess.Popen([sys.executable, "-c", READS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert unsticking.end_terminals(process.pid) == 1
        assert process.communicate(timeout=PATIENCE)[0] == r"b'said\x04'"


def test_a_process_without_a_terminal_is_left_alone(sleeper: subprocess.Popen[bytes]) -> None:
    """And so is one that is gone."""
    assert unsticking.end_terminals(sleeper.pid) == 0
    sleeper.kill()
    sleeper.wait()
    assert unsticking.end_terminals(sleeper.pid) == 0
    assert sleeper.returncode == -9


@pytest.mark.parametrize("terminals", [0, 1], ids=["no-terminal", "in-vain"])
def test_an_act_that_cannot_be_helped_is_ended(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, terminals: int
) -> None:
    """Not before it was tried often, be there a terminal or not, and never while a step runs or act speaks."""
    clock = [0.0]
    monkeypatch.setattr(unsticking, "end_terminals", lambda pid: terminals)  # noqa: ARG005 - the real one's argument
    monkeypatch.setattr(unsticking, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    said: list[str] = []
    act: Any = SimpleNamespace(process=sleeper, kill=sleeper.kill)
    watchdog = unsticking.Watchdog(act, said.append)

    def look(*, busy: bool = False) -> None:
        clock[0] += unsticking.STUCK + 1
        watchdog.look(busy=busy)

    for _ in range(unsticking.HOPELESS - 1):
        look()
    look(busy=True)
    for _ in range(unsticking.HOPELESS - 1):
        look()
    tried = 2 * (unsticking.HOPELESS - 1) * terminals * ["act was stuck after a step and is helped on"]
    assert said == tried
    look()
    assert said == [*tried, "act neither runs anything nor goes on; it is ended"]
    assert sleeper.wait(PATIENCE) == -9


def test_an_act_that_runs_something_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a step has left behind below it counts as well."""
    monkeypatch.setattr(unsticking, "STUCK", -1.0)
    monkeypatch.setattr(unsticking, "HOPELESS", 1)
    with subprocess.Popen(["sh", "-c", "sleep 600; true"]) as process:  # noqa: S607 - as found
        until(lambda: schedule.descendants(process.pid))
        act: Any = SimpleNamespace(process=process, kill=process.kill)
        unsticking.Watchdog(act, pytest.fail).look(busy=False)
        assert process.poll() is None
        for each in schedule.descendants(process.pid):
            schedule.send(each, 9)
        process.wait(PATIENCE)
