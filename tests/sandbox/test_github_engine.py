import pytest

from runnerkit.sandbox.github import GitHubWorld, Refused, WorldClock
from tests.sandbox.engine_ground import BOX, end, job, one, push, seen, states
from tests.sandbox.github_world import REPO, call, register

CHAIN = f"""
name: Train
on: push
jobs:
  prepare:
    outputs: {{rows: "${{{{ steps.count.outputs.rows }}}}"}}
    {BOX}
  train:
    needs: prepare
    runs-on: [box]
    steps: [{{run: "train ${{{{ needs.prepare.outputs.rows }}}} ${{{{ github.run_attempt }}}}"}}]
  report:
    needs: train
    if: always()
    {BOX}
"""
MATRIX = """
on: push
jobs:
  train:
    strategy: {{matrix: {{seed: [1, 2, 3]}}, {more}}}
    runs-on: [box]
    steps: [{{run: make}}]
"""


def test_a_push_becomes_a_run_whose_jobs_follow_each_other(world: GitHubWorld) -> None:
    """Event, run, queued job, its outputs in the next job's steps, the run's conclusion."""
    run = one(world, CHAIN, message="Train longer\n\nMuch longer.")
    assert (run.path, run.workflow, run.title, run.number) == (
        ".github/workflows/train.yml",
        "Train",
        "Train longer",
        1,
    )
    assert (run.ref, run.event, run.head_branch) == ("refs/heads/main", "push", "main")
    assert states(world, run) == {"prepare": "queued"}
    end(world, run, "prepare", rows="150")
    assert states(world, run) == {"prepare": "success", "train": "queued"}
    assert job(world, run, "train").payload["steps"] == [{"run": "train 150 1"}]
    end(world, run, "train", "failure")
    assert states(world, run)["report"] == "queued"
    end(world, run, "report")
    assert seen(world, run) == ("completed", "failure")
    assert world.state.active_runs == set()


def test_what_a_failure_leaves_out_is_skipped(world: GitHubWorld) -> None:
    """A job that needs a failed one is completed at once and never queued."""
    run = one(world, CHAIN.replace("if: always()", ""))
    end(world, run, "prepare", "failure")
    assert states(world, run) == {"prepare": "failure", "train": "skipped", "report": "skipped"}
    assert seen(world, run) == ("completed", "failure")


def test_each_workflow_counts_its_own_runs(world: GitHubWorld) -> None:
    """Run numbers begin at one in every file; a file that the event does not name stays quiet."""
    push(world, CHAIN)
    push(world, CHAIN.replace("name: Train", "name: Other"), "other.yml")
    push(world, "on: pull_request\njobs: {a: {runs-on: box, steps: [{run: make}]}}", "pulls.yml")
    last = [(each.workflow, each.number) for each in world.runs(REPO)[:2]]
    assert sorted(last) == [("Other", 2), ("Train", 3)]


def test_a_refused_workflow_is_a_failed_run_without_jobs(world: GitHubWorld, token: str) -> None:
    """File, line and reason are in the run; it cannot be re-run, cancelled or dispatched."""
    run = one(world, "on: push\njobs:\n  train:\n    steps: [{run: make}]\n")
    assert run.problem is not None
    assert run.problem.startswith(".github/workflows/train.yml:3")
    assert "runs-on" in run.problem
    assert (world.jobs(run), seen(world, run)) == ([], ("completed", "startup_failure"))
    place = f"/repos/{REPO}/actions/runs/{run.id}"
    assert call(world, "POST", f"{place}/rerun", token=token).status == 403
    assert call(world, "POST", f"{place}/rerun-failed-jobs", token=token).status == 403
    assert call(world, "POST", f"{place}/cancel", token=token).status == 409
    with pytest.raises(Refused, match="runs-on"):
        world.dispatch(REPO, "train.yml")


@pytest.mark.parametrize("word", ["[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]"])
def test_a_commit_may_ask_for_no_run(world: GitHubWorld, word: str) -> None:
    """GitHub's five spellings in the head commit's message."""
    assert push(world, CHAIN, message=f"Words {word}") == []
    assert len(push(world, CHAIN + "\n", message="Words")) == 1


def test_what_a_workflow_pushes_starts_nothing(world: GitHubWorld) -> None:
    """Else workflows would start each other for ever."""
    assert push(world, CHAIN, login="github-actions[bot]") == []


def test_a_pull_request_runs_at_its_merge_and_shows_its_head(world: GitHubWorld) -> None:
    """The ref is the merge, head_sha the branch's commit, the title that of the pull request."""
    push(world, CHAIN.replace("on: push", "on: pull_request"))
    head = world.push(REPO, {"lr": "0.1"}, branch="faster")
    pull = world.open_pull_request(REPO, head="faster", title="Learn faster")
    (run,) = world.runs(REPO)
    assert (run.ref, run.head_sha, run.head_branch) == (f"refs/pull/{pull.number}/merge", head, "faster")
    assert (run.title, run.pull_number, run.event) == ("Learn faster", pull.number, "pull_request")
    told = job(world, run, "prepare").payload["github"]
    assert (told["base_ref"], told["head_ref"], told["event"]["number"]) == ("main", "faster", pull.number)
    world.push(REPO, {"lr": "0.2"}, branch="faster")
    assert [each.payload["action"] for each in world.runs(REPO)] == ["synchronize", "opened"]


def test_the_context_tells_what_jobs_ask_for(world: GitHubWorld) -> None:
    """Addresses, actors, numbers as text: as GitHub's own runner gets them."""
    world.set_variable(REPO, "bucket", "models")
    run = one(world, CHAIN)
    payload = job(world, run, "prepare").payload
    told = payload["github"]
    assert (told["run_id"], told["run_number"], told["run_attempt"]) == (str(run.id), "1", "1")
    assert (told["repository"], told["repository_owner"], told["ref_name"]) == (REPO, "acme", "main")
    assert (told["actor"], told["triggering_actor"], told["ref_type"]) == ("octocat", "octocat", "branch")
    assert (told["server_url"], told["api_url"]) == (world.url, world.url)
    assert told["event"]["head_commit"]["id"] == run.head_sha == told["sha"]
    assert payload["vars"] == {"BUCKET": "models"}
    assert "token" not in told


def test_one_failed_leg_ends_its_siblings(world: GitHubWorld, token: str) -> None:
    """fail-fast: what waits is cancelled at once, what runs is told to end."""
    run = one(world, MATRIX.format(more="fail-fast: true"))
    running = world.jobs(run)[0]
    world.runner_connects(register(world, token, "rk-1", "box").body["encoded_jit_config"])
    assert running.status == "in_progress"
    world.finish_job(world.jobs(run)[1], "failure")
    assert states(world, run) == {"train (1)": "in_progress", "train (2)": "failure", "train (3)": "cancelled"}
    assert running.cancel_asked_at is not None
    world.finish_job(running, "cancelled")
    assert seen(world, run) == ("completed", "failure")


def test_without_fail_fast_every_leg_has_its_chance(world: GitHubWorld) -> None:
    """The others stay queued."""
    run = one(world, MATRIX.format(more="fail-fast: false"))
    end(world, run, "train (2)", "failure")
    assert states(world, run) == {"train (1)": "queued", "train (2)": "failure", "train (3)": "queued"}


def test_no_more_legs_than_max_parallel_at_once(world: GitHubWorld) -> None:
    """The next leg is queued when one ends."""
    run = one(world, MATRIX.format(more="max-parallel: 1"))
    assert states(world, run) == {"train (1)": "queued", "train (2)": "pending", "train (3)": "pending"}
    end(world, run, "train (1)")
    assert states(world, run) == {"train (1)": "success", "train (2)": "queued", "train (3)": "pending"}


def test_a_failure_that_is_allowed_fails_nothing(world: GitHubWorld) -> None:
    """continue-on-error: the job shows its failure, what needs it and the run do not."""
    text = f"on: push\njobs:\n  a:\n    continue-on-error: true\n    {BOX}\n  b:\n    needs: a\n    {BOX}\n"
    run = one(world, text)
    end(world, run, "a", "failure")
    assert states(world, run) == {"a": "failure", "b": "queued"}
    end(world, run, "b")
    assert seen(world, run) == ("completed", "success")


def test_cancelling_spares_what_asks_for_it(world: GitHubWorld) -> None:
    """A job with always() still runs after the cancellation; a forced one ends all."""
    run = one(world, CHAIN)
    world.cancel_run(run)
    assert states(world, run) == {"prepare": "cancelled", "train": "skipped", "report": "queued"}
    world.cancel_run(run, force=True)
    assert states(world, run)["report"] == "cancelled"
    assert seen(world, run) == ("completed", "cancelled")


def test_a_forced_cancellation_starts_nothing_more(world: GitHubWorld) -> None:
    """Not even what always() asks for."""
    run = one(world, CHAIN)
    world.cancel_run(run, force=True)
    assert states(world, run) == {"prepare": "cancelled"}
    assert seen(world, run) == ("completed", "cancelled")


def test_a_queue_that_ends_moves_the_run_on(world: GitHubWorld, clock: WorldClock) -> None:
    """After 24 hours the job fails, and what needs it is skipped or begins."""
    run = one(world, CHAIN)
    clock.advance(24 * 3600 + 1)
    assert states(world, run) == {"prepare": "failure", "train": "skipped", "report": "queued"}


def test_a_lost_lease_moves_the_run_on(world: GitHubWorld, token: str, clock: WorldClock) -> None:
    """The machine is gone, its lease expires, the dependents follow."""
    run = one(world, CHAIN)
    runner = world.runner_connects(register(world, token, "rk-1", "box").body["encoded_jit_config"])
    world.lose_runner(runner.id)
    assert states(world, run) == {"prepare": "in_progress"}
    clock.advance(601)
    assert states(world, run) == {"prepare": "failure", "train": "skipped", "report": "queued"}


def test_a_job_ends_when_its_time_is_up(world: GitHubWorld, token: str, clock: WorldClock) -> None:
    """timeout-minutes by the world's clock: told to end, ended when it does not."""
    run = one(world, f"on: push\njobs:\n  a:\n    timeout-minutes: 10\n    {BOX}\n")
    world.runner_connects(register(world, token, "rk-1", "box").body["encoded_jit_config"])
    found = job(world, run, "a")
    clock.advance(601)
    assert states(world, run) == {"a": "in_progress"}
    assert found.cancel_asked_at is not None
    clock.advance(300)
    assert states(world, run) == {"a": "cancelled"}
    assert found.annotations == ["The job has exceeded the maximum execution time of 10 minutes."]


def test_a_job_that_cannot_be_made_fails_with_the_reason(world: GitHubWorld) -> None:
    """What only shows once the outputs are known: GitHub fails that job."""
    matrix = '"${{ fromJSON(needs.a.outputs.list) }}"'
    text = f"on: push\njobs:\n  a:\n    {BOX}\n  b:\n    needs: a\n    strategy: {{matrix: {matrix}}}\n    {BOX}\n"
    run = one(world, text)
    end(world, run, "a", list="no json")
    assert states(world, run) == {"a": "success", "b": "failure"}
    assert "train.yml" in job(world, run, "b").annotations[0]
    assert seen(world, run) == ("completed", "failure")


def test_lists_of_jobs_lag_behind_the_run(world: GitHubWorld, token: str, clock: WorldClock) -> None:
    """The next job is in the world and not yet in the list."""
    run = one(world, CHAIN)
    world.lag(30)
    end(world, run, "prepare")

    def listed() -> list[str]:
        body = call(world, "GET", f"/repos/{REPO}/actions/runs/{run.id}/jobs", token=token).body
        return [each["name"] for each in body["jobs"]]

    assert listed() == ["prepare"]
    clock.advance(31)
    assert listed() == ["prepare", "train"]


def test_an_idle_registration_vanishes_before_the_next_job(world: GitHubWorld, token: str, clock: WorldClock) -> None:
    """A runner that waited in vain is gone when its job comes up."""
    world.options.idle_vanish = 60
    run = one(
        world, CHAIN.replace('runs-on: [box]\n    steps: [{run: "train', 'runs-on: [gpu]\n    steps: [{run: "train')
    )
    world.runner_connects(register(world, token, "rk-1", "gpu").body["encoded_jit_config"])
    clock.advance(61)
    end(world, run, "prepare")
    assert states(world, run) == {"prepare": "success", "train": "queued"}
    assert world.runners() == []


def test_the_end_of_a_run_starts_the_workflows_that_wait_for_it(world: GitHubWorld) -> None:
    """They are those of the default branch, named by the workflow they wait for, and told what happened."""
    after = """
        name: resume
        on: {workflow_run: {workflows: [train], types: [completed]}}
        jobs:
          resume:
            runs-on: [box]
            steps: [{run: "echo ${{ github.event.workflow_run.conclusion }}"}]
    """
    push(world, after, "resume.yml")
    push(world, after.replace("[train]", "[other]").replace("name: resume", "name: deaf"), "deaf.yml")
    run = one(world, f"name: train\non: push\njobs:\n  make:\n    {BOX}\n")
    assert [each.workflow for each in world.runs(REPO)] == ["train"]
    end(world, run, "make", "failure")
    started = world.runs(REPO)[0]
    assert (started.workflow, started.event) == ("resume", "workflow_run")
    assert job(world, started, "resume").payload["steps"][0]["run"] == "echo failure"
