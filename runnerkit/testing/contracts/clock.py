"""The contract of the port :class:`runnerkit.ports.Clock`."""

# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runnerkit.ports import Clock


class ClockContract:
    """What everybody who waits relies on. Needs a fixture ``clock``, a fresh one."""

    def test_the_time_is_aware_utc(self, clock: Clock) -> None:
        """Times of AWS and GitHub can be compared with it."""
        assert clock.now().utcoffset() == timedelta()

    def test_time_does_not_run_backwards(self, clock: Clock) -> None:
        """Not even when nobody waits."""
        moments = [clock.now() for _ in range(100)]
        assert moments == sorted(moments)

    def test_a_wait_lasts_as_long_as_it_should(self, clock: Clock) -> None:
        """By the clock's own time, and nobody woke it."""
        before = clock.now()
        assert clock.wait(0.05) is False
        assert timedelta(seconds=0.045) <= clock.now() - before < timedelta(seconds=5)

    def test_waiting_for_nothing_returns(self, clock: Clock) -> None:
        """Zero is a length too."""
        assert clock.wait(0) is False

    def test_a_wake_ends_the_next_wait(self, clock: Clock) -> None:
        """It came while nobody waited, and is not lost."""
        before = clock.now()
        clock.wake()
        assert clock.wait(60) is True
        assert clock.now() - before < timedelta(seconds=30)

    def test_wakes_count_once(self, clock: Clock) -> None:
        """However many came, one wait hears of them; the following one lasts."""
        for _ in range(3):
            clock.wake()
        assert clock.wait(60) is True
        assert clock.wait(0.01) is False
