"""Looking side by side: bounded, and one that hangs or fails hides no other."""

from __future__ import annotations

import threading

from runnerkit.doctor.gathering import MOST_THREADS, Once, gather
from runnerkit.doctor.seen import Observed
from runnerkit.errors import CloudDenied, RunnerkitError

LONG = 30.0


def test_one_that_hangs_or_fails_does_not_hide_the_others() -> None:
    """What was seen is there, what failed tells why, and what hangs is given up in time."""
    never = threading.Event()

    def denied() -> int:
        raise CloudDenied("no", hint="sign in")

    def broken() -> int:
        raise ZeroDivisionError("division by zero")

    try:
        seen = gather({"hangs": never.wait, "denied": denied, "broken": broken, "well": lambda: 7}, within=0.5)
    finally:
        never.set()
    assert 7 == seen["well"].value
    denial = seen["denied"].error
    assert denial is not None
    assert ("no", "sign in") == (denial.message, denial.hint)
    assert "ZeroDivisionError: division by zero" in str(seen["broken"].error)
    assert "no answer within 0.5 s" in str(seen["hangs"].error)


def test_looks_are_made_side_by_side_and_told() -> None:
    """Two that wait for each other both come to an end, and each is told when it is over."""
    meeting = threading.Barrier(2)
    heard: list[tuple[str, int]] = []
    looks = {name: (lambda: meeting.wait(LONG) >= 0) for name in ("a", "b")}
    assert all(look.value for look in gather(looks, within=LONG, heard=lambda *told: heard.append(told)).values())
    assert {"a", "b"} == {name for name, _ in heard}
    assert [1, 0] == [left for _, left in heard]


def test_threads_are_bounded() -> None:
    """However many looks there are, so many threads make them."""
    seen: set[str] = set()
    guard = threading.Lock()

    def look() -> bool:
        with guard:
            seen.add(threading.current_thread().name + str(threading.get_ident()))
        return True

    assert 100 == len(gather({str(number): look for number in range(100)}, within=LONG))
    assert len(seen) <= MOST_THREADS


def test_each_look_has_a_thread() -> None:
    """As many looks as there are may hang, and another one is made all the same."""
    names = [name for name in Observed.__slots__ if name not in {"now", "config", "repos", "wished"}]
    assert 20 < len(names) < MOST_THREADS


def test_what_several_need_is_asked_for_once() -> None:
    """Also when it fails: each hears the same error."""
    asked: list[int] = []

    def ask() -> int:
        asked.append(1)
        raise CloudDenied("no")

    once = Once(ask)
    looks = gather({"a": once, "b": once}, within=LONG)
    assert ["no", "no"] == [str(look.error) for look in looks.values()]
    assert [1] == asked
    assert isinstance(looks["a"].error, RunnerkitError)
