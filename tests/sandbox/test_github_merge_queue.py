"""The merge queue: what it starts, and how such a run looks."""

from collections.abc import Iterator

import pytest

from runnerkit.sandbox.github import GitHubWorld, Refused
from tests.sandbox.github_world import REPO, acme, call

WORKFLOW = """
on: {merge_group: {branches: [main]}}
jobs:
  train:
    runs-on: [gpu, "run=${{ github.event_name }}"]
    steps: [{run: make}]
"""
FILE = ".github/workflows/queue.yml"


@pytest.fixture
def world() -> Iterator[GitHubWorld]:
    """A repository that checks its merge queue, and a pull request."""
    with acme() as world:
        world.push(REPO, {FILE: WORKFLOW, "train.py": "print(1)\n"})
        world.push(REPO, {"train.py": "print(2)\n"}, branch="longer")
        world.open_pull_request(REPO, head="longer", title="Train longer")
        yield world


def test_a_queued_merge_is_checked_on_a_commit_of_its_own(world: GitHubWorld) -> None:
    """The run is a merge group's: its branch, its commit, which holds base and head, its event."""
    token = world.add_token("fine-grained")
    assert world.runs(REPO) == []
    sha = world.queue_merge(REPO, 1)
    (run,) = world.runs(REPO)
    shown = call(world, "GET", f"/repos/{REPO}/actions/runs/{run.id}", token=token).body
    assert (shown["event"], shown["head_sha"], shown["status"]) == ("merge_group", sha, "queued")
    assert shown["head_branch"].startswith("gh-readonly-queue/main/pr-1-")
    assert world.read_file(REPO, "train.py", sha) == b"print(2)\n"
    (job,) = world.jobs(run)
    assert set(job.labels) == {"gpu", "run=merge_group"}
    assert run.payload["merge_group"]["base_ref"] == "refs/heads/main"


def test_other_branches_filter_the_merge_queue(world: GitHubWorld) -> None:
    """The filter is for the base branch."""
    world.push(REPO, {FILE: WORKFLOW.replace("[main]", "[release]")})
    world.queue_merge(REPO, 1)
    assert world.runs(REPO) == []


def test_a_merged_pull_request_cannot_be_queued(world: GitHubWorld) -> None:
    """It is merged; and its branch in the queue goes when it leaves."""
    token = world.add_token("fine-grained")
    world.queue_merge(REPO, 1)
    names = [each["name"] for each in call(world, "GET", f"/repos/{REPO}/branches", token=token).body]
    assert any(name.startswith("gh-readonly-queue/") for name in names)
    world.leave_merge_queue(REPO, 1)
    names = [each["name"] for each in call(world, "GET", f"/repos/{REPO}/branches", token=token).body]
    assert sorted(names) == ["longer", "main"]
    world.merge_pull_request(REPO, 1)
    with pytest.raises(Refused):
        world.queue_merge(REPO, 1)
