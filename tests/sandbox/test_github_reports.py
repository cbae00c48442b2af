from collections.abc import Iterator

import github
import pytest

from runnerkit.sandbox.github import GitHubWorld
from tests.sandbox.github_world import REPO, acme, call, client

HOME = f"/repos/{REPO}"


@pytest.fixture
def world() -> Iterator[GitHubWorld]:
    with acme() as world:
        yield world


@pytest.fixture
def token(world: GitHubWorld) -> str:
    return world.add_token("fine-grained")


def test_pygithub_keeps_a_comment_on_a_pull_request(world: GitHubWorld, token: str) -> None:
    """Create, find, edit, delete."""
    number = world.add_pull_request(REPO).number
    with client(world, token, per_page=2) as caller:
        pull = caller.get_repo(REPO).get_pull(number)
        comments = [pull.create_issue_comment(f"loss {step}") for step in range(5)]
        comments[2].edit("loss nan")
        comments[0].delete()
        assert [each.body for each in pull.get_issue_comments()] == ["loss 1", "loss nan", "loss 3", "loss 4"]
        assert pull.as_issue().comments == 4
        assert [each.number for each in caller.get_repo(REPO).get_pulls()] == [number]
        with pytest.raises(github.UnknownObjectException):
            comments[0].edit("gone")


@pytest.mark.parametrize("body", ["", "x" * 65_537])
def test_a_comment_has_its_limits(world: GitHubWorld, token: str, body: str) -> None:
    """Empty and too long comments are refused; the longest is taken."""
    path = f"{HOME}/issues/{world.add_issue(REPO).number}/comments"
    assert call(world, "POST", path, {"body": body}, token).status == 422
    assert call(world, "POST", path, {"body": "x" * 65_536}, token).status == 201


def test_a_locked_or_unknown_issue_takes_no_comment(world: GitHubWorld, token: str) -> None:
    """403 and 404."""
    issue = world.add_issue(REPO)
    issue.locked = True
    assert call(world, "POST", f"{HOME}/issues/{issue.number}/comments", {"body": "a"}, token).status == 403
    assert call(world, "POST", f"{HOME}/issues/99/comments", {"body": "a"}, token).status == 404


def test_pygithub_reports_commit_statuses(world: GitHubWorld, token: str) -> None:
    """The newest status of a context counts."""
    sha = world.add_pull_request(REPO).pull
    assert sha is not None
    with client(world, token) as caller:
        commit = caller.get_repo(REPO).get_commit(sha.head_sha)
        commit.create_status("pending", description="training")
        assert commit.get_combined_status().state == "pending"
        commit.create_status("success", context="Default")
        assert commit.get_combined_status().state == "success"
        assert [each.state for each in commit.get_statuses()] == ["success", "pending"]
        assert [each.number for each in commit.get_pulls()] == [1]


def test_a_status_has_its_limits(world: GitHubWorld, token: str) -> None:
    """Unknown commits, long descriptions and the 1001st status of a context are refused."""
    sha = world.add_commit(REPO)
    path = f"{HOME}/statuses/{sha}"
    assert call(world, "POST", f"{HOME}/statuses/{'0' * 40}", {"state": "success"}, token).status == 422
    assert call(world, "POST", path, {"state": "success", "description": "x" * 141}, token).status == 422
    assert call(world, "POST", path, {"state": "done"}, token).status == 422
    assert call(world, "POST", path, {"state": "success"}, token).status == 201
    world.state.statuses.extend(world.state.statuses[:1] * 999)
    assert call(world, "POST", path, {"state": "success"}, token).status == 422
    assert call(world, "POST", path, {"state": "success", "context": "other"}, token).status == 201


def test_only_an_app_makes_check_runs(world: GitHubWorld, token: str) -> None:
    """A personal token is refused; an App's check completes with its conclusion and is the App's own."""
    sha = world.add_commit(REPO)
    said = {"name": "quality", "head_sha": sha, "status": "in_progress"}
    refused = call(world, "POST", f"{HOME}/check-runs", said, token)
    assert (refused.status, refused.body["message"]) == (403, "You must authenticate via a GitHub App.")
    with client(world, world.add_token("app-installation", login="acme")) as caller:
        check = caller.get_repo(REPO).create_check_run("quality", sha, status="in_progress")
        assert check.status == "in_progress"
        check.edit(conclusion="failure", output={"title": "Worse", "summary": "by 0.1"})
        seen = caller.get_repo(REPO).get_check_run(check.id)
        assert (seen.status, seen.conclusion, seen.output.title) == ("completed", "failure", "Worse")
        assert [each.id for each in caller.get_repo(REPO).get_commit(sha).get_check_runs()] == [check.id]
    other = world.install_app(world.add_app("other"), "acme")
    stranger = world.tokens.issue(
        "app-installation", "acme", {"checks": "write"}, installation_id=other.id, app_id=other.app_id
    )
    path = f"{HOME}/check-runs/{check.id}"
    assert call(world, "PATCH", path, {"conclusion": "success"}, stranger.value).status == 403
    long = {"title": "t", "summary": "x" * 65_536}
    assert call(world, "POST", f"{HOME}/check-runs", {**said, "output": long}, world.add_token("actions")).status == 422


def test_every_job_has_a_check_run(world: GitHubWorld, token: str) -> None:
    """Its id is the job's and it carries the job's annotations."""
    job = world.queue_job(REPO, ["gpu"])
    world.finish_job(job, "failure", annotation="runnerkit: spot interruption")
    url = call(world, "GET", f"{HOME}/actions/jobs/{job.id}", token=token).body["check_run_url"]
    check = call(world, "GET", url, token=token).body
    assert (check["id"], check["conclusion"], check["output"]["annotations_count"]) == (job.id, "failure", 1)
    notes = call(world, "GET", check["output"]["annotations_url"], token=token).body
    assert [each["message"] for each in notes] == ["runnerkit: spot interruption"]
