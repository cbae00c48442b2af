"""Why a job does not run yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.sandbox.github.web.views.waiting import Wait, wait_of
from tests.sandbox.github_world import register

if TYPE_CHECKING:
    from runnerkit.sandbox.github import GitHubWorld
    from runnerkit.sandbox.github.records import Job

REPO = "acme/train"


def why(world: GitHubWorld, job: Job) -> Wait:
    found = wait_of(world.state, job, world.state.live.runs[job.run_id])
    assert found is not None
    return found


def test_runners(world: GitHubWorld, token: str) -> None:
    """Nobody registered, registered and not online, busy, about to take it: each is said."""
    world.options.auto_assign = False
    job = world.queue_job(REPO, ["gpu", "self-hosted"])
    assert why(world, job) == Wait(
        "No runner with these labels is registered.", stuck=True, unserved=("gpu", "self-hosted")
    )
    register(world, token, "rk-other", "GPU")
    assert why(world, job).unserved == ("self-hosted",)
    register(world, token, "rk-1", "gpu", "self-hosted")
    assert why(world, job) == Wait("1 runner with these labels registered, not online yet: rk-1.")
    world.runner_connects(next(each.id for each in world.runners() if each.name == "rk-1"))
    assert why(world, job) == Wait("rk-1 will take it in a moment.")
    world.assign()
    assert wait_of(world.state, job, world.state.live.runs[job.run_id]) is None
    assert why(world, world.queue_job(REPO, ["gpu", "self-hosted"])).text.startswith("1 runner with these labels, busy")


def test_other_repositories_runners_do_not_help(world: GitHubWorld, token: str) -> None:
    """A runner of another repository has the label and cannot serve; the labels are known, though."""
    world.add_repository("acme/other")
    register(world, token, "rk-1", "gpu", level="/repos/acme/other/actions/runners")
    assert why(world, world.queue_job(REPO, ["gpu"])) == Wait("No runner with these labels is registered.", stuck=True)


def test_before_runners_come_other_jobs(world: GitHubWorld) -> None:
    """Needs, concurrency and the matrix's limit are named."""
    run = world.add_run(REPO, [{"name": "a", "labels": ["gpu"]}, {"name": "b", "labels": ["gpu"], "needs": ["a"]}])
    first, second = world.jobs(run)
    second.status = "pending"
    assert why(world, second) == Wait("Waits for a.")
    world.finish_job(first)
    second.held_by = "parallel"
    assert why(world, second).text == "Waits because the matrix runs no more jobs at once."
    second.held_by, second.environment = "environment", "production"
    world.wait_for(run, "production")
    assert why(world, second).environment == "production"


def test_hosted(world: GitHubWorld) -> None:
    """A hosted job waits for no registered runner."""
    job = world.queue_job(REPO, ["ubuntu-latest"])
    job.hosted = True
    assert why(world, job) == Wait("Waits for one of the hosted machines (ubuntu-latest).")
