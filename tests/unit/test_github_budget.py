from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runnerkit.errors import RateLimited
from runnerkit.github.asks import AT_REPOSITORY, Answer, Ask
from runnerkit.github.budget import Meter

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ASK = Ask(verb="GET", path="/x", what="look", repo="acme/train", need=AT_REPOSITORY.read_runners)
SECONDARY = '{"message": "You have exceeded a secondary rate limit."}'


class Hand:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        """The time."""
        return self.at

    def wait(self, seconds: float) -> bool:
        """Nobody waits here."""
        raise AssertionError(f"waited {seconds} s")

    def wake(self) -> None:
        """Nobody sleeps here."""


def told(remaining: int, *, after: int = 600, status: int = 200, resource: str = "core") -> Answer:
    """An answer that says how much is left, and until when."""
    headers = {
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-limit": "5000",
        "x-ratelimit-reset": str(int(NOW.timestamp()) + after),
        "x-ratelimit-resource": resource,
    }
    return Answer(status, headers, "{}")


def refusal(meter: Meter, answer: Answer) -> datetime:
    """The reset that an answer leads to."""
    with pytest.raises(RateLimited) as caught:
        meter.learn("me", ASK, answer)
    return caught.value.reset


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("90", 90),
        ("Sat, 21 Nov 2026 12:05:00 GMT", 300),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 1),
        ("soon", 60),
        ("", 60),
        ("²", 60),
        ("9999999999", 60),
        ("999999999", 24 * 3600),
    ],
)
def test_retry_after_is_understood_in_every_form(retry_after: str, seconds: int) -> None:
    """Seconds and dates count, nonsense is a minute, and nobody is locked out for more than a day."""
    answer = Answer(403, {"retry-after": retry_after}, "{}")
    assert refusal(Meter(Hand()), answer) == NOW + timedelta(seconds=seconds)


def test_a_reset_that_has_passed_is_a_minute() -> None:
    """With a clock that goes wrong the reset can lie behind us; that must not mean to call on at once."""
    assert refusal(Meter(Hand()), told(0, after=-5, status=403)) == NOW + timedelta(minutes=1)


def test_a_missing_permission_is_no_limit() -> None:
    """A 403 with calls left and other words stops nobody."""
    meter = Meter(Hand())
    meter.learn("me", ASK, told(4000, status=403))
    meter.admit("me", ASK)


def test_unsaid_pauses_grow_to_a_quarter_of_an_hour() -> None:
    """1, 2, 4, 8 minutes and then 15, however often GitHub refuses."""
    clock = Hand()
    meter = Meter(clock)
    pauses = []
    for _ in range(20):
        reset = refusal(meter, Answer(429, {}, SECONDARY))
        pauses.append((reset - clock.at).total_seconds() / 60)
        clock.at = reset
        meter.admit("me", ASK)
    assert pauses == [1, 2, 4, 8] + [15] * 16


def test_what_was_under_way_makes_no_pause_longer() -> None:
    """Eight calls that were out at once and are refused together are one refusal: one minute, not fifteen."""
    meter = Meter(Hand())
    assert {refusal(meter, Answer(403, {}, SECONDARY)) for _ in range(8)} == {NOW + timedelta(minutes=1)}
    assert refusal(meter, Answer(403, {"retry-after": "90"}, SECONDARY)) == NOW + timedelta(seconds=90)


def test_callers_and_resources_do_not_stop_each_other() -> None:
    """One installation's empty budget, or pause, says nothing about another's, nor about another resource."""
    meter = Meter(Hand())
    meter.learn("me", ASK, told(0))
    meter.learn("you", ASK, told(0, resource="search"))
    meter.admit("you", ASK)
    with pytest.raises(RateLimited):
        meter.admit("me", ASK)
    refusal(meter, Answer(403, {}, SECONDARY))
    meter.admit("you", ASK)


def test_the_scarcest_budget_is_shown() -> None:
    """With several installations the one that runs out first counts; other resources do not."""
    meter = Meter(Hand())
    meter.learn("me", ASK, told(4000))
    meter.learn("you", ASK, told(70))
    meter.learn("you", ASK, told(1, resource="search"))
    assert meter.budget.remaining == 70


def test_the_figures_of_an_unknown_caller_are_not_ours() -> None:
    """A 401 tells the budget of the address, not of the token."""
    meter = Meter(Hand())
    meter.learn("me", ASK, told(0, status=401))
    meter.admit("me", ASK)
    assert meter.budget.remaining is None
