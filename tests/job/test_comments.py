"""The comment on a pull request: one for each key, whoever writes at the same time, and nobody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ForgeDenied, NotFound
from runnerkit.job.publishing import publish
from runnerkit.job.sticky import Origin, marker, writer
from runnerkit.testing import FakeClock, FakeForge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.model import Comment
from tests.job.drafts import REPO, report


def anyone(_: str) -> bool:
    return True


class TestTheComment:
    """One for each key, replaced in place."""

    def test_is_created_once_and_then_replaced(self) -> None:
        """A later run and a later attempt write into the same comment; another key has its own."""
        forge = FakeForge(FakeClock())
        found = [publish(each, forge, REPO, 1, anyone).what for each in (report(7), report(7, 2), report(8))]
        other = report(8)
        other.key = "train/cpu"
        assert [*found, publish(other, forge, REPO, 1, anyone).what] == ["created", "updated", "updated", "created"]
        assert [Origin.read(each.body) for each in forge.comments(REPO, 1)] == [Origin(8, 1, "ab" * 20)] * 2

    @pytest.mark.parametrize(("run", "attempt"), [(6, 1), (6, 9), (7, 1)])
    def test_is_never_overwritten_by_an_older_run(self, run: int, attempt: int) -> None:
        """Whichever ends last: what counts is which began last."""
        forge = FakeForge(FakeClock())
        publish(report(7, 2), forge, REPO, 1, anyone)
        done = publish(report(run, attempt), forge, REPO, 1, anyone)
        assert (done.what, "run 7, attempt 2" in done.why) == ("older", True)
        assert Origin.read(forge.comments(REPO, 1)[0].body) == Origin(7, 2, "ab" * 20)

    def test_of_somebody_else_is_not_touched(self) -> None:
        """Anybody can write our marker into a comment; only the author cannot be forged."""
        forge = FakeForge(FakeClock())
        planted = forge.comment(REPO, 1, f"{marker('train/gpu')}\n{Origin(999_999, 1)}\nall is well")
        assert publish(report(), forge, REPO, 1, writer("", "ghs_x")).what == "created"
        assert forge.comments(REPO, 1)[0] == planted

    def test_that_only_quotes_a_marker_is_not_ours(self) -> None:
        """A marker counts at the beginning, not in a quoted log."""
        forge = FakeForge(FakeClock())
        forge.comment(REPO, 1, f"look: {marker('train/gpu')}")
        assert publish(report(), forge, REPO, 1, anyone).what == "created"

    def test_counts_the_interruptions_of_the_same_run(self) -> None:
        """The second attempt tells of the first one's interruption; the next run starts at none."""
        forge = FakeForge(FakeClock())
        publish(report(7, 1, outcome="interrupted", interrupted=True), forge, REPO, 1, anyone)
        assert "Interrupted: AWS took the machine" in forge.comments(REPO, 1)[0].body
        publish(report(7, 2), forge, REPO, 1, anyone)
        assert "1 spot interruption ·" in forge.comments(REPO, 1)[0].body
        publish(report(8), forge, REPO, 1, anyone)
        assert "spot interruption" not in forge.comments(REPO, 1)[0].body

    def test_counts_an_interruption_once_however_often_it_is_edited(self) -> None:
        """A live report edits many times in one attempt; earlier attempts stay counted, its own counts once."""
        forge = FakeForge(FakeClock())
        publish(report(7, 1, outcome="interrupted", interrupted=True), forge, REPO, 1, anyone)
        for told in (report(7, 2), report(7, 2), report(7, 2, outcome="interrupted", interrupted=True), report(7, 3)):
            publish(told, forge, REPO, 1, anyone)
            publish(report(7, 2, outcome="interrupted", interrupted=True), forge, REPO, 1, anyone)
        assert Origin.read(forge.comments(REPO, 1)[0].body) == Origin(7, 3, "ab" * 20, 2, 2)

    def test_is_found_behind_two_hundred_others(self) -> None:
        """Every page is read, or a long discussion would get a second report."""
        forge = FakeForge(FakeClock())
        for number in range(210):
            forge.comment(REPO, 1, f"words {number}")
        publish(report(7), forge, REPO, 1, anyone)
        assert [publish(report(8), forge, REPO, 1, anyone).what, len(forge.comments(REPO, 1))] == ["updated", 211]

    def test_that_was_deleted_in_between_is_written_anew(self) -> None:
        """Between our looking and our writing somebody may tidy up."""
        forge = Tidied(FakeClock())
        publish(report(7), forge, REPO, 1, anyone)
        assert publish(report(8), forge, REPO, 1, anyone).what == "updated"
        assert "number=8" in forge.comments(REPO, 1)[-1].body

    def test_is_one_though_two_jobs_made_it_at_the_same_moment(self) -> None:
        """Both saw none; both keep that of the newer run, whichever came first."""
        forge = FakeForge(FakeClock())
        forge.comment(REPO, 1, report(8).body())
        both = Simultaneous(forge)
        publish(report(7), both, REPO, 1, anyone)
        bodies = [each.body for each in forge.comments(REPO, 1)]
        assert [Origin.read(body) for body in bodies] == [Origin(8, 1, "ab" * 20), None]
        assert "another comment" in bodies[1]

    def test_that_this_token_may_not_write_is_no_failure(self) -> None:
        """A fork's token is read-only, and its pull request is as welcome."""
        done = publish(report(), ReadOnly(FakeClock()), REPO, 1, anyone)
        assert (done.what, done.why) == ("denied", "read-only")

    @pytest.mark.parametrize("key", ["a-->b", "x" * 500, "two\nlines", "--", "ключ"])
    def test_has_a_marker_that_no_key_can_end(self, key: str) -> None:
        """A key may be a workflow's name, which may be anything."""
        text = marker(key)
        assert text.count("-->") == 1
        assert "\n" not in text


class Tidied(FakeForge):
    """A forge on which comments are deleted just before they are replaced."""

    def comment(self, repo: str, number: int, body: str, *, replace: int | None = None) -> Comment:
        """Know no comment of that number."""
        if replace is not None:
            raise NotFound("no such comment")
        return super().comment(repo, number, body)


class Simultaneous:
    """A forge whose comments are first seen a moment too early to hold what another job writes."""

    def __init__(self, forge: FakeForge) -> None:
        self._forge = forge
        self._looked = False

    def comments(self, repo: str, number: int) -> Sequence[Comment]:
        """None at first."""
        looked, self._looked = self._looked, True
        return self._forge.comments(repo, number) if looked else []

    def comment(self, repo: str, number: int, body: str, *, replace: int | None = None) -> Comment:
        """As ever."""
        return self._forge.comment(repo, number, body, replace=replace)


class ReadOnly(FakeForge):
    """A forge as a fork's token sees it."""

    def comment(self, repo: str, number: int, body: str, *, replace: int | None = None) -> Comment:
        """Refuse."""
        del repo, number, body, replace
        raise ForgeDenied("read-only")
