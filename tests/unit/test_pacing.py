"""So much within any minute, whoever does it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from runnerkit.pacing import Pace
from runnerkit.testing.clock import FakeClock


def test_what_is_allowed_is_taken() -> None:
    """A small burst starts as quickly as it can."""
    pace = Pace(FakeClock(), 180)
    assert (pace.take(100), pace.take(80), pace.free()) == (100, 80, 0)


def test_no_stretch_of_a_minute_holds_more_than_is_allowed() -> None:
    """What is a minute old makes room again, and it is told when; nobody is kept waiting."""
    clock = FakeClock()
    start, pace = clock.now(), Pace(clock, 180)
    pace.take(100)
    clock.advance(20)
    pace.take(80)
    assert (pace.take(1), pace.room_in(1), pace.room_in(101)) == (0, 40, 60)
    assert (clock.now() - start).total_seconds() == 20
    clock.advance(40)
    assert (pace.room_in(100), pace.take(101), pace.take(100), pace.take(1)) == (0, 0, 100, 0)


def test_a_part_may_go_on_at_once() -> None:
    """What is free is taken when it is enough to begin with; the rest is the caller's to ask for."""
    clock = FakeClock()
    pace = Pace(clock, 180)
    assert pace.take(100, least=30) == 100
    assert pace.take(100, least=30) == 80
    assert (pace.take(20, least=30), pace.room_in(20, least=30)) == (0, 60)
    clock.advance(60)
    assert pace.take(20, least=30) == 20


def test_more_than_is_ever_allowed_is_never_taken() -> None:
    """And when to ask again is told all the same."""
    clock = FakeClock()
    pace = Pace(clock, 180)
    pace.take(10)
    assert (pace.take(181), pace.room_in(181)) == (0, 60)
    assert pace.take(181, least=1) == 170


def test_threads_share_it() -> None:
    """However many ask at once."""
    pace = Pace(FakeClock(), 180)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: pace.take(), range(400))) == 180
