"""The contract of the port :class:`runnerkit.ports.Reports`."""

# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import NotFound

if TYPE_CHECKING:
    from runnerkit.testing.contracts.benches import ReportsBench

DESCRIPTION_LIMIT = 140
UNKNOWN_ID = 4711


class ReportsContract:
    """What reports rely on. Needs a fixture ``bench``, a :class:`runnerkit.testing.contracts.ReportsBench`."""

    def test_comments_are_read_oldest_first(self, bench: ReportsBench) -> None:
        """All of them, each with its text, an author and an address."""
        number = bench.issue(bench.repo)
        written = [bench.reports.comment(bench.repo, number, f"comment {each}") for each in range(5)]
        found = bench.reports.comments(bench.repo, number)
        assert [comment.body for comment in found] == [f"comment {each}" for each in range(5)]
        assert list(found) == written
        assert all(comment.author and comment.url for comment in found)
        assert len({comment.id for comment in found}) == len(found)

    def test_a_comment_is_replaced_in_its_place(self, bench: ReportsBench) -> None:
        """Id, author and place in the discussion stay; the neighbours do too."""
        number = bench.issue(bench.repo)
        first, second, third = (bench.reports.comment(bench.repo, number, text) for text in ("one", "two", "three"))
        changed = bench.reports.comment(bench.repo, number, "deux", replace=second.id)
        assert (changed.id, changed.body, changed.author) == (second.id, "deux", second.author)
        assert list(bench.reports.comments(bench.repo, number)) == [first, changed, third]

    def test_a_comment_that_is_gone_is_not_found(self, bench: ReportsBench) -> None:
        """The caller learns that it has to write a new one, and nothing is written."""
        number = bench.issue(bench.repo)
        with pytest.raises(NotFound):
            bench.reports.comment(bench.repo, number, "x", replace=UNKNOWN_ID)
        assert list(bench.reports.comments(bench.repo, number)) == []

    def test_discussions_do_not_mix(self, bench: ReportsBench) -> None:
        """Neither those of one repository nor those of one number in two."""
        ours, other, elsewhere = bench.issue(bench.repo), bench.issue(bench.repo), bench.issue(bench.other_repo)
        bench.reports.comment(bench.repo, ours, "here")
        assert list(bench.reports.comments(bench.repo, other)) == []
        assert ours == elsewhere
        assert list(bench.reports.comments(bench.other_repo, elsewhere)) == []

    def test_a_status_is_set(self, bench: ReportsBench) -> None:
        """With or without a description; each context on its own."""
        sha = bench.commit()
        bench.reports.status(bench.repo, sha, "pending", "runnerkit/train")
        bench.reports.status(bench.repo, sha, "success", "runnerkit/other", "done", "https://example.invalid/run")
        assert bench.statuses(sha) == [("pending", "runnerkit/train", ""), ("success", "runnerkit/other", "done")]
        assert list(bench.statuses(bench.commit())) == []

    def test_a_long_description_is_cut(self, bench: ReportsBench) -> None:
        """To what GitHub takes, instead of failing; a text of just that length stays whole."""
        sha, whole = bench.commit(), "a" * DESCRIPTION_LIMIT
        bench.reports.status(bench.repo, sha, "failure", "long", "a" * 500)
        bench.reports.status(bench.repo, sha, "failure", "whole", whole)
        (_, _, cut), (_, _, kept) = bench.statuses(sha)
        assert kept == whole
        assert len(cut) <= DESCRIPTION_LIMIT
        assert cut.startswith("a" * (DESCRIPTION_LIMIT // 2))

    def test_check_runs_are_created(self, bench: ReportsBench) -> None:
        """The id that comes back leads to the check run with its conclusion."""
        sha = bench.commit()
        first = bench.reports.check(bench.repo, sha, "label", "failure", "gpu=t5 is unknown", "did you mean t4?")
        second = bench.reports.check(bench.repo, sha, "gate", "success", "accuracy 0.93", "")
        assert bench.checks(sha) == {
            first: ("label", "failure", "gpu=t5 is unknown"),
            second: ("gate", "success", "accuracy 0.93"),
        }
