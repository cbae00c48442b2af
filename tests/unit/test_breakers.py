"""When launching pauses: after searches that found nothing, and spot after interruptions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runnerkit.breakers import search_paused, spot_paused
from runnerkit.history import Interruption
from runnerkit.model import Failure
from runnerkit.wishes import Policy

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
POLICY = Policy(refusal_memory=180, backoff_limit=900)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def searches(*ages: float, code: str = "no-capacity", digest: str = "d") -> list[Failure]:
    """Searches for a label set that found nothing, so many seconds ago."""
    return [Failure(ago(age), digest, code) for age in ages]


@pytest.mark.parametrize(
    ("ages", "times", "left"),
    [
        pytest.param((), None, None, id="never"),
        pytest.param((10,), 1, 170, id="once"),
        pytest.param((180,), None, None, id="once, and its pause is over"),
        pytest.param((200, 10), 2, 350, id="twice: twice as long"),
        pytest.param((600, 200, 10), 3, 710, id="three times"),
        pytest.param((1500, 600, 200, 10), 4, 890, id="never longer than the limit"),
        pytest.param((12, 11, 10), 1, 170, id="jobs of one pass are one search"),
        pytest.param((90_000, 10), 1, 170, id="yesterday's drought is another one"),
    ],
)
def test_the_pause_between_searches_grows(ages: tuple[float, ...], times: int | None, left: float | None) -> None:
    """Each search that finds nothing doubles the pause, up to a limit; the count is told."""
    pause = search_paused(searches(*ages), "d", POLICY, NOW)
    if times is None or left is None:
        assert pause is None
    else:
        assert pause is not None
        assert (pause.times, (pause.until - NOW).total_seconds()) == (times, left)


def test_a_limit_below_the_memory_of_refusals_shortens_nothing() -> None:
    """Before the refusals are forgotten a search could find nothing."""
    pause = search_paused(searches(200, 10), "d", Policy(refusal_memory=180, backoff_limit=60), NOW)
    assert pause is not None
    assert 170 == (pause.until - NOW).total_seconds()


def test_other_failures_and_other_labels_do_not_count() -> None:
    """A machine that never came online says nothing about capacity, nor does another label's search."""
    failures = [*searches(10, code="never-online"), *searches(10, digest="other")]
    assert search_paused(failures, "d", POLICY, NOW) is None


@given(st.lists(st.floats(0, 90_000), max_size=60))
def test_a_search_is_never_put_off_for_longer_than_the_limit(ages: list[float]) -> None:
    """Whatever the journal holds, a queued job is tried again within the limit."""
    pause = search_paused(searches(*ages), "d", POLICY, NOW)
    assert pause is None or timedelta(0) < pause.until - NOW <= timedelta(seconds=POLICY.backoff_limit)


def taken(*ages: float, wish: str = "w") -> list[Interruption]:
    return [Interruption(ago(age), wish, f"rk-{number}-1") for number, age in enumerate(ages, 1)]


@pytest.mark.parametrize(
    ("interruptions", "left"),
    [
        pytest.param([], None, id="none"),
        pytest.param(taken(10), None, id="one is bad luck"),
        pytest.param(taken(800, 10), 1790, id="two within the window: half an hour on demand"),
        pytest.param(taken(1000, 10), None, id="two too far apart"),
        pytest.param(taken(2500, 1801), None, id="the pause is over"),
        pytest.param(taken(10) + taken(10, wish="other"), None, id="another wish has other pools"),
        pytest.param([*taken(10), *taken(9)], None, id="the same one, noted by two controllers"),
    ],
)
def test_two_interruptions_of_a_wish_make_it_go_on_demand(
    interruptions: list[Interruption], left: float | None
) -> None:
    """Two in a quarter of an hour, then half an hour on demand."""
    pause = spot_paused(interruptions, "w", Policy(), NOW)
    assert (pause and (pause.until - NOW).total_seconds()) == left
