"""What fails beside a pause of the computer is run again, and nothing else is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.pulse import TIMED

ROOT = Path(__file__).parents[2]
# As this repository's own; the test stops its process for a while, as a host may do to all of them.
CONFTEST = '''
from tests.pulse import Pulse

def pytest_configure(config):
    """The plugin."""
    config.pluginmanager.register(Pulse(timed=("test_it.py",)), "pulse")
'''
TEST = '''
import os, subprocess
from pathlib import Path

def test_it():
    """Noted each time."""
    subprocess.run(["sh", "-c", "kill -STOP $0; sleep {pause}; kill -CONT $0", str(os.getpid())])
    runs = Path(__file__).with_name("runs")
    with runs.open("a") as file:
        file.write("x")
    assert {good}
'''


def run(folder: Path, pause: float, good: str) -> tuple[int, int, str]:
    """Run that one test: the exit code, how often it ran, and what was said."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(TEST.format(pause=pause, good=good))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-raR", "-p", "no:cacheprovider", f"--rootdir={folder}", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, len((folder / "runs").read_text()), done.stdout + done.stderr


def test_what_failed_while_the_computer_stood_still_runs_again(tmp_path: Path) -> None:
    """It is told which test that was, and for how long nothing moved."""
    code, runs, said = run(tmp_path, 2, "runs.stat().st_size > 1")
    assert (0, 2) == (code, runs), said
    assert "RERUN test_it.py::test_it" in said
    assert "s at most" in said


def test_what_is_wrong_stays_wrong_on_such_a_computer(tmp_path: Path) -> None:
    """It fails in the end, after a bounded number of runs."""
    assert run(tmp_path, 1.5, "not runs")[:2] == (1, 3)


def test_on_a_computer_that_runs_evenly_nothing_runs_again(tmp_path: Path) -> None:
    """What fails once has failed, although a second run would pass."""
    code, runs, said = run(tmp_path, 0.2, "runs.stat().st_size > 1")
    assert (1, 1) == (code, runs), said
    assert "stood still" not in said


def test_the_tests_that_may_run_again_are_there() -> None:
    """A folder or file that is renamed does not lose its second run unnoticed."""
    assert [] == [each for each in TIMED if not (ROOT / each).exists()]
