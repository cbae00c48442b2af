from runnerkit.sandbox.github import GitHubWorld
from runnerkit.sandbox.github.records import Run
from tests.sandbox.engine_ground import BOX, end, job, one, seen, states
from tests.sandbox.github_world import REPO, register

DEPLOY = f"""
on: [push, workflow_dispatch]
concurrency: {{group: Deploy, cancel-in-progress: %s}}
jobs:
  a:
    {BOX}
"""
JOBS = """
on: [push, workflow_dispatch]
jobs:
  a:
    runs-on: box
    steps: [{run: make}]
  b:
    needs: a
    runs-on: box
    concurrency: {group: live, cancel-in-progress: %s}
    steps: [{run: make}]
"""


def three(world: GitHubWorld, text: str) -> list[Run]:
    return [one(world, text), *(world.dispatch(REPO, "train.yml") for _ in range(2))]


def test_of_two_runs_in_a_group_one_waits(world: GitHubWorld) -> None:
    """The second is pending without jobs, and begins when the first is over."""
    first = one(world, DEPLOY % "false")
    second = world.dispatch(REPO, "train.yml")
    assert (seen(world, first)[0], seen(world, second)[0]) == ("queued", "pending")
    assert (states(world, first), states(world, second)) == ({"a": "queued"}, {})
    end(world, first, "a")
    assert states(world, second) == {"a": "queued"}


def test_only_the_newest_waits_for_a_group(world: GitHubWorld) -> None:
    """A third run takes the waiting place; who had it is cancelled and never had a job."""
    first, second, third = three(world, DEPLOY % "false")
    assert [seen(world, each) for each in (first, second, third)] == [
        ("queued", None),
        ("completed", "cancelled"),
        ("pending", None),
    ]
    assert world.jobs(second) == []


def test_a_newcomer_may_end_who_has_the_group(world: GitHubWorld, token: str) -> None:
    """cancel-in-progress: the first is told to end, and the newcomer waits until it has."""
    first = one(world, DEPLOY % "true")
    world.runner_connects(register(world, token, "rk-1", "box").body["encoded_jit_config"])
    second = world.dispatch(REPO, "train.yml")
    running = job(world, first, "a")
    assert (running.status, running.cancel_asked_at is not None) == ("in_progress", True)
    assert "higher priority" in running.annotations[0]
    assert seen(world, second)[0] == "pending"
    world.finish_job(running, "cancelled")
    assert states(world, second) == {"a": "queued"}


def test_groups_are_told_apart_by_name_and_repository(world: GitHubWorld) -> None:
    """Case does not count, the repository does."""
    one(world, DEPLOY % "false")
    other = one(world, (DEPLOY % "false").replace("Deploy", "elsewhere"), name="other.yml")
    world.add_repository("acme/serve")
    world.push("acme/serve", {".github/workflows/train.yml": DEPLOY % "false"})
    assert states(world, other) == {"a": "queued"}
    assert states(world, world.runs("acme/serve")[0]) == {"a": "queued"}
    by_hand = (DEPLOY % "false").replace("Deploy", "deploy").replace("push, ", "")
    world.push(REPO, {".github/workflows/same.yml": by_hand}, message="[skip ci]")
    same = world.dispatch(REPO, "same.yml")
    assert seen(world, same)[0] == "pending"


def test_a_waiting_run_can_be_cancelled(world: GitHubWorld) -> None:
    """It ends without ever having had a job, and the group is free afterwards."""
    first = one(world, DEPLOY % "false")
    second = world.dispatch(REPO, "train.yml")
    world.cancel_run(second)
    assert seen(world, second) == ("completed", "cancelled")
    end(world, first, "a")
    assert states(world, world.dispatch(REPO, "train.yml")) == {"a": "queued"}


def test_jobs_of_two_runs_share_a_group(world: GitHubWorld) -> None:
    """The job waits, not the run; a third one takes the waiting place."""
    runs = three(world, JOBS % "false")
    for run in runs:
        end(world, run, "a")
    assert [states(world, each)["b"] for each in runs] == ["queued", "cancelled", "pending"]
    assert "higher priority" in job(world, runs[1], "b").annotations[0]
    end(world, runs[0], "b")
    assert states(world, runs[2])["b"] == "queued"


def test_a_job_may_end_the_job_that_has_the_group(world: GitHubWorld) -> None:
    """A queued one ends at once, and its place is taken."""
    first, second, _ = three(world, JOBS % "true")
    end(world, first, "a")
    end(world, second, "a")
    assert (states(world, first)["b"], states(world, second)["b"]) == ("cancelled", "queued")


def test_a_job_in_the_group_of_its_own_run_is_no_deadlock(world: GitHubWorld) -> None:
    """It would wait for itself for ever; GitHub cancels it and says why."""
    run = one(world, (JOBS % "false").replace("jobs:", "concurrency: live\njobs:", 1))
    end(world, run, "a")
    assert states(world, run)["b"] == "cancelled"
    assert "deadlock" in job(world, run, "b").annotations[0]
