import threading
import time

import pytest

from runnerkit.sandbox.github import GitHubWorld, Refused, WorldClock
from tests.sandbox.engine_ground import BOX, SESSIONS, connect, end, job, listen, one, states
from tests.sandbox.github_world import REPO, RUNNERS, call, register

TWO = f"""
on: [push, pull_request]
permissions: {{contents: read, pull-requests: write, id-token: write}}
jobs:
  train:
    {BOX}
  report:
    needs: train
    runs-on: ubuntu-latest
    steps: [{{run: "echo ${{{{ needs.train.outputs.loss }}}}"}}]
"""


def test_a_job_is_handed_over_with_all_it_needs(world: GitHubWorld) -> None:
    """Payload, secrets, a token of its own, addresses."""
    world.set_secret(REPO, "slack_url", "https://example.com/hook")
    run = one(world, TWO)
    told = listen(world, "box").message()
    assert (told["job_id"], told["run_id"], told["head_sha"]) == (job(world, run, "train").id, run.id, run.head_sha)
    assert told["payload"]["steps"] == [{"run": "make"}]
    assert told["secrets"].keys() == {"SLACK_URL", "GITHUB_TOKEN"}
    assert told["urls"] == {"server": world.url, "api": world.url, "runtime": f"{world.url}/_runnerkit/artifacts"}
    assert told["secrets"]["GITHUB_TOKEN"].startswith("ghs_")


def test_a_told_job_has_an_empty_payload_and_a_token(world: GitHubWorld) -> None:
    """What a test queued without a workflow still reaches its runner."""
    world.queue_job(REPO, ["box"])
    told = listen(world, "box").message()
    assert (told["payload"], list(told["secrets"])) == ({}, ["GITHUB_TOKEN"])


def test_the_jobs_token_may_what_the_workflow_says_while_it_runs(world: GitHubWorld) -> None:
    """It comments, it never registers runners, and it is dead when the job is over."""
    one(world, TWO)
    issue = world.add_issue(REPO)
    listener = listen(world, "box")
    held = listener.message()["secrets"]["GITHUB_TOKEN"]
    comments = f"/repos/{REPO}/issues/{issue.number}/comments"
    assert call(world, "POST", comments, {"body": "loss 0.1"}, held).status == 201
    assert register(world, held, "rk-2", "box").status == 403
    assert call(world, "POST", f"/repos/{REPO}/statuses/{'0' * 40}", {"state": "success"}, held).status == 403
    assert listener.message()["secrets"]["GITHUB_TOKEN"] == held
    assert listener.call("POST", "finish", {"conclusion": "success"}).status == 200
    assert call(world, "POST", comments, {"body": "once more"}, held).status == 401


def test_a_workflow_that_says_nothing_reads_contents_only(world: GitHubWorld) -> None:
    """The setting of new repositories at GitHub."""
    one(world, f"on: push\njobs:\n  a:\n    {BOX}\n")
    issue = world.add_issue(REPO)
    held = listen(world, "box").message()["secrets"]["GITHUB_TOKEN"]
    assert call(world, "GET", f"/repos/{REPO}/commits/main", token=held).status == 200
    comments = f"/repos/{REPO}/issues/{issue.number}/comments"
    assert call(world, "POST", comments, {"body": "x"}, held).status == 403


def test_a_forks_pull_request_gets_no_secrets_and_writes_nothing(world: GitHubWorld) -> None:
    """Whatever its workflow asks for."""
    world.set_secret(REPO, "key", "value")
    one(world, TWO)
    world.cancel_run(world.runs(REPO)[0])
    world.add_repository("mallory/train", parent=REPO)
    world.push("mallory/train", {"lr": "9"}, branch="evil", login="mallory")
    pull = world.open_pull_request(
        REPO, head="evil", title="Trust me", login="mallory", head_repository="mallory/train"
    )
    run = world.runs(REPO)[0]
    assert (run.event, run.head_repository, run.pull_number) == ("pull_request", "mallory/train", pull.number)
    told = listen(world, "box").message()
    assert list(told["secrets"]) == ["GITHUB_TOKEN"]
    held = told["secrets"]["GITHUB_TOKEN"]
    comments = f"/repos/{REPO}/issues/{pull.number}/comments"
    assert call(world, "GET", comments, token=held).status == 200
    assert call(world, "POST", comments, {"body": "x"}, held).status == 403


def test_outputs_and_summaries_come_with_the_end(world: GitHubWorld) -> None:
    """Outputs reach the next job, summaries the page; the conclusion is one of GitHub's words."""
    run = one(world, TWO)
    listener = listen(world, "box")
    done = {"conclusion": "success", "outputs": {"loss": 0.1}, "summaries": ["", "# loss 0.1"], "annotations": ["slow"]}
    assert listener.call("POST", "finish", done | {"conclusion": "splendid"}).status == 422
    assert listener.call("POST", "finish", done).status == 200
    train = job(world, run, "train")
    assert (train.outputs, train.summaries, train.annotations) == ({"loss": "0.1"}, ["", "# loss 0.1"], ["slow"])
    assert job(world, run, "report").payload["steps"] == [{"run": "echo 0.1"}]


def test_the_log_grows_step_by_step(world: GitHubWorld, token: str) -> None:
    """By step and as a whole; the steps are as the runner last said."""
    run = one(world, TWO)
    listener = listen(world, "box")
    now = "2026-11-22T01:02:03Z"
    step = {"name": "make", "number": 1, "status": "in_progress", "conclusion": None, "started_at": now}
    assert listener.call("POST", "log", {"steps": [step]}).body == {"cancelled": False}
    for line, number in (("one\n", 1), ("two\n", 1), ("three\n", 2)):
        assert listener.call("POST", "log", {"step": number, "text": line}).status == 200
    train = job(world, run, "train")
    assert (train.log, train.step_logs) == ("one\ntwo\nthree\n", {1: "one\ntwo\n", 2: "three\n"})
    shown = call(world, "GET", f"/repos/{REPO}/actions/jobs/{train.id}", token=token).body
    assert [(each["name"], each["status"]) for each in shown["steps"]] == [("make", "in_progress")]
    assert listener.call("POST", "finish", {"conclusion": "success"}).status == 200
    assert call(world, "GET", f"/repos/{REPO}/actions/jobs/{train.id}/logs", token=token).body == train.log


def test_a_line_of_log_wakes_nobody(world: GitHubWorld) -> None:
    """A job that prints much must not make every waiting listener look again."""
    one(world, TWO)
    listener = listen(world, "box")
    woken = []

    def wait() -> None:
        with world.state.moved:
            woken.append(world.state.moved.wait(0.4))

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(0.05)
    for _ in range(5):
        listener.call("POST", "log", {"step": 1, "text": "epoch\n"})
    waiter.join()
    assert woken == [False]


def test_a_hosted_machine_takes_its_one_job_unseen(world: GitHubWorld, token: str) -> None:
    """It is in no list, other runners do not take its job, and it ends with it."""
    run = one(world, TWO)
    end(world, run, "train", loss="0.1")
    report = job(world, run, "report")
    assert (report.hosted, report.status) == (True, "queued")
    world.runner_connects(register(world, token, "rk-1", "ubuntu-latest").body["encoded_jit_config"])
    assert report.status == "queued"
    listener = connect(world, world.hosted_runner(report.id))
    assert listener.message()["job_id"] == report.id
    assert [each.name for each in world.runners()] == ["rk-1"]
    assert call(world, "GET", RUNNERS, token=token).body["total_count"] == 1
    assert (report.runner_group_name, report.runner_id is not None) == ("GitHub Actions", True)
    assert call(world, "GET", f"{RUNNERS}/{report.runner_id}", token=token).status == 404
    with pytest.raises(Refused, match="not queued"):
        world.hosted_runner(report.id)
    assert listener.call("POST", "finish", {"conclusion": "success"}).status == 200
    assert listener.call("GET", "job").status == 404
    assert world.state.hosted == {}


def test_a_hosted_machine_takes_no_other_job(world: GitHubWorld) -> None:
    """Not even one with the same labels that waits beside it."""
    text = "on: push\njobs:\n  a: {runs-on: ubuntu-latest, steps: [{run: make}]}\n"
    run = one(world, text + "  b: {runs-on: ubuntu-latest, steps: [{run: make}]}\n")
    listener = connect(world, world.hosted_runner(job(world, run, "b").id))
    assert listener.message()["name"] == "b"
    assert states(world, run) == {"a": "queued", "b": "in_progress"}


def test_a_hosted_machine_ends_with_a_job_that_is_cancelled_before(world: GitHubWorld) -> None:
    """The blob is worth nothing any more, a connected listener is told to go."""
    text = "on: push\njobs:\n  a: {runs-on: ubuntu-latest, steps: [{run: make}]}\n"
    run = one(world, text)
    world.options.auto_assign = False
    blob = world.hosted_runner(job(world, run, "a").id)
    listener = connect(world, blob)
    assert listener.call("GET", "job").status == 202
    with pytest.raises(Refused, match="has the machine"):
        world.hosted_runner(job(world, run, "a").id)
    world.cancel_run(run)
    assert listener.call("GET", "job").status == 404
    assert call(world, "POST", SESSIONS, {"jit_config": blob}).status == 404


def test_a_running_hosted_job_is_told_of_its_cancellation(world: GitHubWorld, clock: WorldClock) -> None:
    """At renewal, and with the next line of its log; after five minutes it is ended."""
    run = one(world, "on: push\njobs:\n  a: {runs-on: ubuntu-latest, steps: [{run: make}]}\n")
    listener = connect(world, world.hosted_runner(job(world, run, "a").id))
    listener.message()
    world.cancel_run(run)
    assert listener.call("POST", "renew").body == {"cancelled": True}
    assert listener.call("POST", "log", {"text": "x"}).body == {"cancelled": True}
    clock.advance(301)
    assert states(world, run) == {"a": "cancelled"}
    assert listener.call("POST", "renew").status == 404


def test_a_hosted_machine_that_dies_before_its_job_can_be_replaced(world: GitHubWorld) -> None:
    """The job waits for the next one."""
    run = one(world, "on: push\njobs:\n  a: {runs-on: ubuntu-latest, steps: [{run: make}]}\n")
    world.options.auto_assign = False
    first = connect(world, world.hosted_runner(job(world, run, "a").id))
    assert call(world, "DELETE", first.session).status == 204
    second = connect(world, world.hosted_runner(job(world, run, "a").id))
    world.options.auto_assign = True
    assert second.message()["name"] == "a"
    assert len(world.state.hosted) == 1


def test_only_queued_hosted_jobs_get_such_a_machine(world: GitHubWorld) -> None:
    """Not a job for somebody's own machine, not one that does not exist."""
    own = world.queue_job(REPO, ["box"])
    with pytest.raises(Refused, match="GitHub's own machines"):
        world.hosted_runner(own.id)
    with pytest.raises(Refused, match="Not Found"):
        world.hosted_runner(1)
