import pytest

from runnerkit.sandbox.github import GitHubWorld, Refused
from tests.sandbox.engine_ground import BOX, end, job, one, seen, states
from tests.sandbox.github_world import REPO, call

WORKFLOW = f"""
on: push
jobs:
  data:
    outputs: {{rows: "${{{{ steps.count.outputs.rows }}}}"}}
    {BOX}
  train:
    needs: data
    strategy: {{fail-fast: false, matrix: {{seed: [1, 2]}}}}
    runs-on: [box]
    steps: [{{run: "train ${{{{ needs.data.outputs.rows }}}} ${{{{ github.run_attempt }}}}"}}]
  report:
    needs: train
    if: failure()
    {BOX}
  publish:
    needs: train
    {BOX}
"""
RUNS = f"/repos/{REPO}/actions/runs"


def test_failed_jobs_are_planned_anew_with_what_was_carried_over(world: GitHubWorld, token: str) -> None:
    """New records in a new attempt, outputs of the jobs that succeeded, other branches of the workflow."""
    run = one(world, WORKFLOW)
    end(world, run, "data", rows="150")
    end(world, run, "train (1)")
    end(world, run, "train (2)", "failure")
    assert (states(world, run)["report"], states(world, run)["publish"]) == ("queued", "skipped")
    assert call(world, "POST", f"{RUNS}/{run.id}/rerun-failed-jobs", token=token).status == 403
    end(world, run, "report")
    before = {each.name: each.id for each in world.jobs(run)}
    assert call(world, "POST", f"{RUNS}/{run.id}/rerun-failed-jobs", token=token).status == 201
    assert states(world, run) == {"data": "success", "train (1)": "success", "train (2)": "queued"}
    again = job(world, run, "train (2)")
    assert (again.attempt, again.id != before["train (2)"]) == (2, True)
    assert job(world, run, "train (1)").id == before["train (1)"]
    assert again.payload["steps"] == [{"run": "train 150 2"}]
    end(world, run, "train (2)")
    assert (states(world, run)["report"], states(world, run)["publish"]) == ("skipped", "queued")
    end(world, run, "publish")
    assert seen(world, run) == ("completed", "success")
    first = call(world, "GET", f"{RUNS}/{run.id}/attempts/1", token=token).body
    assert (first["run_attempt"], first["conclusion"]) == (1, "failure")


def test_one_job_runs_again_with_what_needs_it(world: GitHubWorld, token: str) -> None:
    """A leg that succeeded, its dependents, and nothing else."""
    run = one(world, WORKFLOW)
    end(world, run, "data", rows="7")
    end(world, run, "train (1)")
    end(world, run, "train (2)")
    end(world, run, "publish")
    leg = job(world, run, "train (1)")
    assert call(world, "POST", f"/repos/{REPO}/actions/jobs/{leg.id}/rerun", token=token).status == 201
    assert states(world, run) == {"data": "success", "train (1)": "queued", "train (2)": "success"}
    end(world, run, "train (1)")
    assert [each.attempt for each in world.jobs(run) if each.name == "publish"] == [2]


def test_everything_runs_again_as_a_new_attempt(world: GitHubWorld, token: str) -> None:
    """Who pressed the button shows as the triggering actor; the event's actor stays."""
    run = one(world, WORKFLOW)
    end(world, run, "data", "failure")
    end(world, run, "report")
    boss = world.add_token("fine-grained", login="boss")
    assert call(world, "POST", f"{RUNS}/{run.id}/rerun", token=boss).status == 201
    assert states(world, run) == {"data": "queued"}
    told = job(world, run, "data").payload["github"]
    assert (told["run_attempt"], told["actor"], told["triggering_actor"]) == ("2", "octocat", "boss")
    shown = call(world, "GET", f"{RUNS}/{run.id}", token=token).body
    assert (shown["run_attempt"], shown["status"], shown["actor"]["login"]) == (2, "queued", "octocat")


def test_a_cancelled_run_can_run_again(world: GitHubWorld) -> None:
    """The cancellation belongs to its attempt."""
    run = one(world, WORKFLOW)
    world.cancel_run(run)
    assert seen(world, run) == ("completed", "cancelled")
    world.rerun_failed(run)
    assert states(world, run) == {"data": "queued"}


def test_nothing_failed_so_nothing_runs_again(world: GitHubWorld) -> None:
    """GitHub has no such button then."""
    run = one(world, f"on: push\njobs:\n  a:\n    {BOX}\n")
    end(world, run, "a")
    with pytest.raises(Refused, match="no failed jobs"):
        world.rerun_failed(run)


def test_a_repeated_run_waits_for_its_group_like_any_other(world: GitHubWorld) -> None:
    """The new attempt asks for the concurrency group again."""
    text = f"on: [push, workflow_dispatch]\nconcurrency: deploy\njobs:\n  a:\n    {BOX}\n"
    first = one(world, text)
    end(world, first, "a", "failure")
    second = world.dispatch(REPO, "train.yml")
    world.rerun_failed(first)
    assert (seen(world, first)[0], seen(world, second)[0]) == ("pending", "queued")
    end(world, second, "a")
    assert states(world, first) == {"a": "queued"}


def test_an_evicted_run_can_run_again_as_a_whole(world: GitHubWorld, token: str) -> None:
    """A run that lost its place in a group never had a job, and still has its button."""
    text = f"on: [push, workflow_dispatch]\nconcurrency: deploy\njobs:\n  a:\n    {BOX}\n"
    first = one(world, text)
    second, third = (world.dispatch(REPO, "train.yml") for _ in range(2))
    end(world, first, "a")
    end(world, third, "a")
    assert call(world, "POST", f"{RUNS}/{second.id}/rerun", token=token).status == 201
    assert states(world, second) == {"a": "queued"}
