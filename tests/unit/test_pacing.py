"""So much within any minute, whoever does it."""

from __future__ import annotations

import pytest

from runnerkit.pacing import Pace
from runnerkit.testing.clock import FakeClock


def test_what_is_allowed_at_once_does_not_wait() -> None:
    """A small burst starts as quickly as it can."""
    clock = FakeClock()
    start, pace = clock.now(), Pace(clock, 180)
    pace.take(100)
    pace.take(80)
    assert (clock.now(), pace.free()) == (start, 0)


def test_more_waits_until_the_first_are_a_minute_old() -> None:
    """No stretch of a minute holds more than is allowed."""
    clock = FakeClock()
    start, pace = clock.now(), Pace(clock, 180)
    pace.take(100)
    clock.advance(20)
    pace.take(80)
    pace.take(1)
    assert (clock.now() - start).total_seconds() == 60
    pace.take(99)
    assert (clock.now() - start).total_seconds() == 60
    pace.take(1)
    assert (clock.now() - start).total_seconds() == 80


def test_a_burst_is_let_through_as_a_whole() -> None:
    """Half of a burst would wait for the other half while its registrations grow old."""
    clock = FakeClock()
    start, pace = clock.now(), Pace(clock, 180)
    pace.take(100)
    pace.take(100)
    assert (clock.now() - start).total_seconds() == 60


def test_more_than_is_ever_allowed_is_refused() -> None:
    """It would wait for ever."""
    with pytest.raises(ValueError, match="181 at once"):
        Pace(FakeClock(), 180).take(181)


def test_a_wake_up_call_is_passed_on() -> None:
    """It neither shortens the wait nor gets lost: somebody waits for news."""
    clock = FakeClock()
    start, pace = clock.now(), Pace(clock, 1)
    pace.take(1)
    clock.wake()
    pace.take(1)
    assert (clock.now() - start).total_seconds() == 60
    assert clock.wait(10) is True


def test_a_part_may_go_on_at_once() -> None:
    """What is free is taken when it is enough to begin with; the rest is the caller's to ask for."""
    clock = FakeClock()
    start, pace = clock.now(), Pace(clock, 180)
    assert pace.take(100, least=30) == 100
    assert pace.take(100, least=30) == 80
    assert clock.now() == start
    assert pace.take(20, least=30) == 20
    assert (clock.now() - start).total_seconds() == 60
