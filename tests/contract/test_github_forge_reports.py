from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ForgeDenied, ForgeUnavailable, NotFound
from runnerkit.github import GitHubReports
from runnerkit.sandbox.github import GitHubWorld
from runnerkit.settings import GitHubSettings
from tests.contract.github_ground import REPO, Ticking, forge_at, ticking
from tests.sandbox.github_world import call

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def world() -> Iterator[GitHubWorld]:
    """A GitHub with one private repository."""
    with GitHubWorld(Ticking()) as world:
        world.add_repository(REPO)
        yield world
        assert world.violations == []
        assert world.refused_requests == []


@pytest.fixture
def reports(world: GitHubWorld) -> Iterator[GitHubReports]:
    """Reports by the token that a workflow has."""
    settings = GitHubSettings.model_validate({"api_url": world.url, "token": world.add_token("actions")})
    reports = GitHubReports(settings, clock=ticking(world))
    yield reports
    reports.close()


def test_a_comment_is_written_and_replaced(world: GitHubWorld, reports: GitHubReports) -> None:
    """Replacing keeps id and place; there is one comment in the end."""
    number = world.add_pull_request(REPO).number
    first = reports.comment(REPO, number, "training")
    second = reports.comment(REPO, number, "trained", replace=first.id)
    assert (second.id, second.body, second.author) == (first.id, "trained", "github-actions[bot]")
    assert reports.comments(REPO, number) == [second]
    assert len(world.calls) == 3


def test_all_comments_are_read_oldest_first(world: GitHubWorld, reports: GitHubReports) -> None:
    """A long discussion is read to its end, 100 comments a call."""
    number = world.add_issue(REPO).number
    for each in range(120):
        reports.comment(REPO, number, f"comment {each}")
    before = len(world.calls)
    assert [each.body for each in reports.comments(REPO, number)] == [f"comment {each}" for each in range(120)]
    assert len(world.calls) - before == 2


def test_a_comment_that_is_gone_cannot_be_replaced(world: GitHubWorld, reports: GitHubReports) -> None:
    """The caller learns that it has to write a new one."""
    number = world.add_issue(REPO).number
    with pytest.raises(NotFound, match="edit comment 4711"):
        reports.comment(REPO, number, "x", replace=4711)


def test_a_lost_comment_is_not_written_twice(world: GitHubWorld, reports: GitHubReports) -> None:
    """A comment notifies people; a lost answer is an error, not a second comment."""
    number = world.add_issue(REPO).number
    world.lose_answer("POST", "*/comments")
    with pytest.raises(ForgeUnavailable):
        reports.comment(REPO, number, "once")
    assert [each.body for each in reports.comments(REPO, number)] == ["once"]


def test_a_status_is_cut_to_what_github_takes(world: GitHubWorld, reports: GitHubReports) -> None:
    """140 characters arrive, the last of them an ellipsis."""
    sha = world.add_commit(REPO)
    reports.status(REPO, sha, "success", "runnerkit/train", "a" * 200, "https://example.invalid/run")
    reports.status(REPO, sha, "pending", "runnerkit/other")
    long, short = world.state.statuses
    assert (long.state, long.context, long.description) == ("success", "runnerkit/train", "a" * 139 + "…")
    assert long.target_url == "https://example.invalid/run"
    assert not short.description


def test_a_check_run_is_created_completed(world: GitHubWorld, reports: GitHubReports) -> None:
    """The workflow's token is an App's, so it may; the id leads to the check run."""
    sha = world.add_commit(REPO)
    number = reports.check(REPO, sha, "runnerkit", "failure", "No machine", "x" * 70_000)
    check = world.state.checks[number]
    assert (check.name, check.sha, check.status, check.conclusion) == ("runnerkit", sha, "completed", "failure")
    assert len(check.summary or "") == 65_535


def test_a_personal_token_cannot_create_check_runs(world: GitHubWorld) -> None:
    """Only an App may, and the error says so."""
    sha = world.add_commit(REPO)
    with forge_at(world) as forge, pytest.raises(ForgeDenied, match="must authenticate via a GitHub App"):
        forge.reports.check(REPO, sha, "runnerkit", "failure", "t", "s")


def test_a_refusal_told_twice_is_shown_once(world: GitHubWorld, reports: GitHubReports) -> None:
    """As a status by a token, as a check run by an App: GitHub shows the latest of a name."""
    sha = world.add_commit(REPO)
    with forge_at(world) as forge:
        for told in ("not allowed", "still not allowed"):
            forge.reports.status(REPO, sha, "failure", "runnerkit", told)
            reports.check(REPO, sha, "runnerkit", "failure", told, "why")
    token = world.add_token("fine-grained")
    combined = call(world, "GET", f"/repos/{REPO}/commits/{sha}/status", token=token).body
    assert [each["description"] for each in combined["statuses"]] == ["still not allowed"]
    shown = call(world, "GET", f"/repos/{REPO}/commits/{sha}/check-runs", token=token).body["check_runs"]
    assert [each["output"]["title"] for each in shown] == ["still not allowed"]
