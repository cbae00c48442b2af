"""How old a runner may be: GitHub's minimum, and thirty days after the first release that it lacks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runnerkit.model import Release
from runnerkit.runner_age import MINIMUM, Verdict, judge, lacks_since, newest, numbers

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


@pytest.mark.parametrize(
    ("age", "level"),
    [(0, "ok"), (22.9, "ok"), (23.1, "warn"), (29.9, "warn"), (30, "error"), (31, "error"), (400, "error")],
)
def test_a_release_must_be_installed_within_thirty_days(age: float, level: str) -> None:
    """A week before the end it is a warning, from the end on an error, and the days that are left are told."""
    verdict = judge("2.335.0", "2.336.0", days_ago(age), NOW)
    assert level == verdict.level, verdict
    assert verdict.days_left == pytest.approx(30 - age)
    assert "2.335.0" in verdict.text
    assert "2.336.0" in verdict.text


def test_a_patch_counts_as_well() -> None:
    """GitHub makes no difference between major, minor and patch releases."""
    assert judge("2.333.0", "2.333.1", days_ago(31), NOW).level == "error"


def test_the_newest_runner_is_young_whatever_its_age() -> None:
    """A release of a year ago is fine while nothing came after it; so is one that GitHub has not announced yet."""
    for version in ("2.336.0", "v2.336.0", "2.337.0", "3.0.0"):
        assert judge(version, "2.336.0", days_ago(365), NOW).level == "ok"


def test_versions_are_numbers() -> None:
    """2.1000.0 is newer than 2.336.0, and 2.99.0 older than the minimum."""
    assert judge("2.1000.0", "2.336.0", days_ago(99), NOW).level == "ok"
    assert judge("2.99.0", "2.336.0", days_ago(1), NOW).level == "error"


def test_below_the_minimum_nothing_helps() -> None:
    """Such a runner cannot register at all, however young the next release is and whatever else is unknown."""
    for released in (NOW, None):
        verdict = judge("2.328.9", "", released, NOW)
        assert (verdict.level, verdict.days_left) == ("error", 0.0)
        assert MINIMUM in verdict.text
    assert judge(MINIMUM, MINIMUM, None, NOW).level == "ok"


@pytest.mark.parametrize(("version", "current"), [("", "2.336.0"), ("latest", "2.336.0"), ("2.335.0", ""), ("", "")])
def test_what_is_unknown_is_no_fault(version: str, current: str) -> None:
    """Nothing is concluded from what nobody knows."""
    verdict = judge(version, current, days_ago(99), NOW)
    assert ("ok", None) == (verdict.level, verdict.days_left)
    assert "not known" in verdict.text


def test_an_old_runner_of_unknown_age_is_worth_a_warning() -> None:
    """It is certain that it lacks something, and not since when."""
    verdict = judge("2.335.0", "2.336.0", None, NOW)
    assert Verdict("warn", verdict.text, None) == verdict


RELEASES = [Release("2.336.0", days_ago(5)), Release("2.335.0", days_ago(47)), Release("2.334.0", days_ago(95))]


@pytest.mark.parametrize(
    ("version", "age"), [("2.336.0", None), ("2.337.0", None), ("2.335.0", 5), ("2.334.0", 47), ("2.330.0", 95)]
)
def test_the_first_release_that_is_lacking_counts(version: str, age: float | None) -> None:
    """Two releases behind, the older of them is what the thirty days count from, not the newest."""
    assert lacks_since(version, RELEASES) == (None if age is None else days_ago(age))


def test_undated_and_odd_releases_are_passed_over() -> None:
    """They say nothing about time, and cannot be compared."""
    assert lacks_since("2.335.0", [Release("2.336.0", None), Release("nightly", days_ago(1))]) is None
    assert lacks_since("", RELEASES) is None


def test_the_newest_is_the_highest_and_not_the_first() -> None:
    """A patch of an older line may be published last."""
    assert newest([Release("2.99.0", NOW), *RELEASES, Release("nightly", NOW)]) == "2.336.0"
    assert newest([]) == ""


@pytest.mark.parametrize("text", ["", "2.3", "2.3.4.5", "2.3.x", "2.3.4-rc1"])
def test_only_three_numbers_are_a_version(text: str) -> None:
    """Anything else is unknown rather than half understood."""
    assert numbers(text) is None
