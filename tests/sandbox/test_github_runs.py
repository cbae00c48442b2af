from runnerkit.sandbox.github import GitHubWorld, WorldClock
from runnerkit.sandbox.github.records import Job, Run
from tests.sandbox.github_world import REPO, call, client, register

ACTIONS = f"/repos/{REPO}/actions"


def run_job(world: GitHubWorld, token: str, job: Job, conclusion: str) -> None:
    """Bring a runner for the job and let it end."""
    world.runner_connects(register(world, token, f"rk-{job.id}", *job.labels).body["encoded_jit_config"])
    world.finish_job(job, conclusion)


def three_jobs(world: GitHubWorld) -> tuple[Run, list[Job]]:
    run = world.add_run(
        REPO,
        [
            {"name": "lint", "labels": ["cpu"]},
            {"name": "train", "labels": ["gpu"]},
            {"name": "report", "labels": ["cpu-2"], "needs": ["train"], "status": "pending"},
        ],
    )
    return run, world.jobs(run)


def test_pygithub_follows_a_run_to_its_end(world: GitHubWorld, token: str) -> None:
    """Status, jobs, attempts and re-run through the real client."""
    job = world.queue_job(REPO, ["gpu"])
    with client(world, token) as caller:
        repository = caller.get_repo(REPO)
        run = repository.get_workflow_run(job.run_id)
        assert (run.status, run.run_attempt) == ("queued", 1)
        assert [each.status for each in run.jobs()] == ["queued"]
        run_job(world, token, job, "failure")
        assert run.update()
        assert (run.status, run.conclusion) == ("completed", "failure")
        assert not run.update()
        assert repository.get_workflow_job(job.id).conclusion == "failure"
        assert run.rerun_failed_jobs()
        assert run.update()
        assert (run.status, run.run_attempt) == ("queued", 2)
        assert [each.id for each in run.jobs("all")] == [job.id, world.jobs(world.state.live.runs[run.id])[0].id]
        first = run.get_attempt(1)
        assert (first.run_attempt, first.conclusion) == (1, "failure")
        assert [each.id for each in first.jobs()] == [job.id]
        assert run.cancel()
        assert not run.cancel()


def test_failed_jobs_run_again_with_their_dependents_and_new_ids(world: GitHubWorld, token: str) -> None:
    """What succeeded is carried over; what failed and what needs it gets new ids and the next attempt."""
    run, (lint, train, report) = three_jobs(world)
    run_job(world, token, lint, "success")
    run_job(world, token, train, "failure")
    refused = call(world, "POST", f"{ACTIONS}/runs/{run.id}/rerun-failed-jobs", token=token)
    assert (refused.status, refused.body["message"]) == (403, "This workflow is already running")
    world.finish_job(report, "skipped")
    assert call(world, "POST", f"{ACTIONS}/runs/{run.id}/rerun-failed-jobs", token=token).status == 201
    jobs = call(world, "GET", f"{ACTIONS}/runs/{run.id}/jobs", token=token).body["jobs"]
    assert [(each["name"], each["run_attempt"]) for each in jobs] == [("lint", 1), ("train", 2), ("report", 2)]
    assert not {each["id"] for each in jobs} & {train.id, report.id}
    before = call(world, "GET", f"{ACTIONS}/runs/{run.id}/attempts/1/jobs", token=token).body["jobs"]
    assert [each["id"] for each in before] == [lint.id, train.id, report.id]
    assert call(world, "GET", f"{ACTIONS}/runs/{run.id}/attempts/3/jobs", token=token).status == 404


def test_one_job_runs_again_with_what_needs_it(world: GitHubWorld, token: str) -> None:
    """Re-running a job that succeeded takes its dependents along and nothing else."""
    run, jobs = three_jobs(world)
    for job in jobs:
        world.finish_job(job)
    assert call(world, "POST", f"{ACTIONS}/jobs/{jobs[1].id}/rerun", token=token).status == 201
    assert [each.attempt for each in world.jobs(run)] == [1, 2, 2]
    for job in world.jobs(run)[1:]:
        world.finish_job(job)
    assert call(world, "POST", f"{ACTIONS}/runs/{run.id}/rerun", token=token).status == 201
    assert [each.attempt for each in world.jobs(run)] == [3, 3, 3]


def test_old_runs_and_much_repeated_ones_do_not_run_again(world: GitHubWorld, token: str, clock: WorldClock) -> None:
    """Thirty days and fifty repetitions are GitHub's limits."""
    job = world.queue_job(REPO, ["gpu"])
    run = world.state.live.runs[job.run_id]
    for _ in range(50):
        world.finish_job(world.jobs(run)[0], "failure")
        world.rerun_failed(run)
    world.finish_job(world.jobs(run)[0], "failure")
    assert call(world, "POST", f"{ACTIONS}/runs/{run.id}/rerun", token=token).status == 403
    young = world.queue_job(REPO, ["gpu"])
    world.finish_job(young, "failure")
    clock.advance(31 * 24 * 3600)
    assert call(world, "POST", f"{ACTIONS}/runs/{young.run_id}/rerun", token=token).status == 403


def test_cancelling_ends_what_waits_and_tells_what_runs(world: GitHubWorld, token: str, clock: WorldClock) -> None:
    """A running job has five minutes to end by itself; force does not wait."""
    run, (lint, train, report) = three_jobs(world)
    world.runner_connects(register(world, token, "rk-1", "gpu").body["encoded_jit_config"])
    assert call(world, "POST", f"{ACTIONS}/runs/{run.id}/cancel", token=token).status == 202
    assert [each.conclusion for each in (lint, train, report)] == ["cancelled", None, "cancelled"]
    clock.advance(300)
    assert [each.conclusion for each in world.jobs(run)] == ["cancelled"] * 3
    assert call(world, "POST", f"{ACTIONS}/runs/{run.id}/cancel", token=token).status == 409
    other = world.queue_job(REPO, ["gpu"])
    world.runner_connects(register(world, token, "rk-2", "gpu").body["encoded_jit_config"])
    assert other.status == "in_progress"
    assert call(world, "POST", f"{ACTIONS}/runs/{other.run_id}/force-cancel", token=token).status == 202
    assert other.conclusion == "cancelled"


def test_a_job_nobody_takes_fails_after_a_day(world: GitHubWorld, clock: WorldClock) -> None:
    """The queue has its own deadline, and the completion is dated to it."""
    job = world.queue_job(REPO, ["gpu"])
    clock.advance(25 * 3600)
    world.jobs(world.state.live.runs[job.run_id])
    assert job.conclusion == "failure"
    assert job.completed_at is not None
    assert (job.completed_at - job.queued_at).total_seconds() == 24 * 3600


def test_runs_are_listed_newest_first_and_filtered(world: GitHubWorld, token: str) -> None:
    """Status, branch, event and SHA narrow the list."""
    first = world.queue_job(REPO, ["a"], head_branch="dev", event="schedule")
    second = world.queue_job(REPO, ["a"])
    world.finish_job(second, "failure")

    def ids(query: str) -> list[int]:
        body = call(world, "GET", f"{ACTIONS}/runs?{query}", token=token).body
        assert body["total_count"] == len(body["workflow_runs"])
        return [each["id"] for each in body["workflow_runs"]]

    assert ids("") == [second.run_id, first.run_id]
    assert ids("status=queued") == ids("branch=dev") == ids("event=schedule") == [first.run_id]
    assert ids("status=failure") == ids("status=completed") == [second.run_id]
    sha = world.state.live.runs[first.run_id].head_sha
    assert ids(f"head_sha={sha}") == [first.run_id]
    assert call(world, "GET", f"{ACTIONS}/runs?status=broken", token=token).status == 422


def test_a_fork_shows_in_the_head_repository(world: GitHubWorld, token: str) -> None:
    """The look-up by which a provisioner refuses forks; GitHub lists no pull request for them."""
    world.add_repository("mallory/train", parent=REPO)
    pull = world.add_pull_request(REPO, head_repository="mallory/train")
    job = world.queue_job(REPO, ["gpu"], event="pull_request", pull_number=pull.number)
    run = call(world, "GET", f"{ACTIONS}/runs/{job.run_id}", token=token).body
    assert run["head_repository"]["full_name"] == "mallory/train"
    assert run["repository"]["full_name"] == REPO
    assert (run["event"], run["pull_requests"]) == ("pull_request", [])


def test_a_gated_run_waits_and_shows_who_approved(world: GitHubWorld, token: str) -> None:
    """Pending deployments before, approvals after."""
    run = world.add_run(REPO, [{"name": "train", "labels": ["gpu"], "status": "waiting"}])
    world.wait_for(run, "production")
    path = f"{ACTIONS}/runs/{run.id}"
    assert call(world, "GET", path, token=token).body["status"] == "waiting"
    pending = call(world, "GET", f"{path}/pending_deployments", token=token).body
    assert [each["environment"]["name"] for each in pending] == ["production"]
    world.add_approval(run, "production", login="boss")
    world.release_job(world.jobs(run)[0])
    approvals = call(world, "GET", f"{path}/approvals", token=token).body
    assert [(each["state"], each["user"]["login"]) for each in approvals] == [("approved", "boss")]
    assert call(world, "GET", f"{path}/pending_deployments", token=token).body == []
    assert call(world, "GET", path, token=token).body["status"] == "queued"


def test_logs_are_behind_a_redirect(world: GitHubWorld, token: str) -> None:
    """A finished job's log is at the address the API points to."""
    job = world.queue_job(REPO, ["gpu"])
    job.log = "loss 0.1\n"
    world.finish_job(job)
    assert call(world, "GET", f"{ACTIONS}/jobs/{job.id}/logs", token=token).body == "loss 0.1\n"
    with client(world, token) as caller:
        url = caller.get_repo(REPO).get_workflow_job(job.id).logs_url()
    assert url == f"{world.url}/_runnerkit/logs/{job.id}"


def test_without_automatic_assignment_jobs_wait_for_the_script(world: GitHubWorld, token: str) -> None:
    """A test may decide itself when GitHub hands a job out."""
    world.options.auto_assign = False
    job = world.queue_job(REPO, ["gpu"])
    world.runner_connects(register(world, token).body["encoded_jit_config"])
    assert job.status == "queued"
    world.assign()
    assert job.status == "in_progress"
