"""Whether the computer stood still while a test ran.

A host may freeze a virtual computer for seconds, or give its processors to others. A test of leases, deadlines or idle
time fails then although nothing is wrong: the seconds went by and nobody was there to use them. A thread that wakes up
ten times a second notices, and only what failed beside such a pause is run again. The summary tells every pause and
every test that needed a second run; on a computer that runs evenly no test gets one.
"""

from __future__ import annotations

import threading
from time import monotonic, sleep

import pytest

BEAT = 0.1
# A pause that a test should outlast is shorter.
STILL = 1.0
# Fixtures of a module or of the whole run, which a pause may have broken, stood before the test began.
BEFORE = 30.0
RERUNS = 2
# Who waits for real processes, and so for real seconds; the others pass a clock. Offering a second run costs each test
# some hundredths of a second.
TIMED = (
    "tests/actions/",
    "tests/batch/",
    "tests/commands/",
    "tests/docs/test_docs_executed.py",
    "tests/docs/test_docs_typed.py",
    "tests/docs/test_docs_workflows.py",
    "tests/examples/",
    "tests/guards/",
    "tests/job/",
    "tests/machine/",
    "tests/packaging/",
    "tests/sandbox/containers/",
    "tests/sandbox/machines/",
    "tests/sandbox/standin/",
    "tests/sandbox/web/",
    "tests/setup/",
    "tests/setup_github/",
    "tests/stories/",
    "tests/unit/test_pulse.py",
    "tests/web/",
)


class Pulse:
    """A plugin of pytest: beats in this process, and has what failed beside a missed beat run again.

    Args:
        timed: How the ids of tests begin that may run again.
        still: From how many seconds without a beat on the computer is said to have stood still.
    """

    def __init__(self, timed: tuple[str, ...] = TIMED, still: float = STILL) -> None:
        self._timed = timed
        self._still = still
        self._pauses: list[tuple[float, float]] = []
        self._began = self._last = monotonic()
        threading.Thread(target=self._beat, name="pulse", daemon=True).start()

    def _beat(self) -> None:
        while True:
            sleep(BEAT)
            now = monotonic()
            if now - self._last > self._still:
                self._pauses.append((self._last, now))
            self._last = now

    def missed(self) -> bool:
        """Whether the computer stood still during this test, or so shortly before that the test may have felt it."""
        # Who asks may be awake before the thread that notices.
        still = monotonic() - self._last > self._still
        return still or any(end >= self._began - BEFORE for _, end in self._pauses)

    def pytest_runtest_logstart(self) -> None:
        """A test begins."""
        self._began = monotonic()

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Those that may feel it; whoever looks at a failure with a debugger wants no second one."""
        again = pytest.mark.flaky(reruns=RERUNS, condition=self.missed)
        for item in () if config.option.usepdb else items:
            if item.nodeid.startswith(self._timed):
                item.add_marker(again)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say how often the computer stood still; which tests ran again is told by pytest."""
        if pauses := [end - begin for begin, end in self._pauses]:
            terminalreporter.section("this computer stood still")
            terminalreporter.line(f"{len(pauses)} times, {max(pauses):.1f} s at most, {sum(pauses):.1f} s together")
