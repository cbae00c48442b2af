import io
import urllib.request
import zipfile

from runnerkit.sandbox.github import GitHubWorld, WorldClock
from runnerkit.sandbox.github.hooks import rules
from tests.sandbox.engine_ground import end, job, listen, one, seen, states
from tests.sandbox.github_world import REPO, call

PLACE = f"/repos/{REPO}/deployments"
WORKFLOW = """
on: [push, workflow_dispatch]
jobs:
  ship:
    runs-on: box
    environment: {name: production, url: "https://example.com"}
    steps: [{run: make}]
  try:
    runs-on: box
    environment: {name: staging, deployment: false}
    steps: [{run: make}]
"""


def stages(world: GitHubWorld, token: str, number: int) -> list[str]:
    return [each["state"] for each in call(world, "GET", f"{PLACE}/{number}/statuses", token=token).body]


def test_a_gated_job_is_a_deployment_whose_status_links_it(world: GitHubWorld, token: str) -> None:
    """From the wait for a review to the end, newest first; who opts out by ``deployment: false`` makes none."""
    world.add_environment(REPO, "production", ["boss"])
    run = one(world, WORKFLOW)
    (shown,) = call(world, "GET", f"{PLACE}?environment=production&sha={run.head_sha}", token=token).body
    assert call(world, "GET", f"{PLACE}?environment=staging", token=token).body == []
    assert (shown["environment"], shown["sha"], shown["ref"]) == ("production", run.head_sha, "main")
    assert call(world, "GET", f"{PLACE}/{shown['id']}", token=token).body == shown
    assert stages(world, token, shown["id"]) == ["pending"]
    world.approve(run, "production", "boss")
    assert stages(world, token, shown["id"]) == ["queued", "pending"]
    end(world, run, "ship")
    ship = job(world, run, "ship")
    newest = call(world, "GET", f"{PLACE}/{shown['id']}/statuses", token=token).body[0]
    assert (newest["state"], newest["environment_url"]) == ("success", "https://example.com")
    assert newest["log_url"] == f"{world.url}/{REPO}/actions/runs/{run.id}/job/{ship.id}"
    assert call(world, "GET", f"{PLACE}/{shown['id']}/statuses/{newest['id']}", token=token).body == newest
    assert call(world, "GET", f"{PLACE}/{shown['id']}/statuses/1", token=token).status == 404
    assert call(world, "GET", f"{PLACE}/{job(world, run, 'try').id}", token=token).status == 404


def test_webhooks_of_a_gated_job_carry_its_deployment(world: GitHubWorld) -> None:
    """At the top level, in all of them, and in none of a job without an environment."""
    world.add_environment(REPO, "production", ["boss"])
    hook = world.add_hook(REPO, "http://127.0.0.1:9/hook", ["workflow_job"])
    run = one(world, WORKFLOW)
    world.approve(run, "production", "boss")
    world.runs(REPO)
    with world.state.open(reading=True):
        bodies = [rules.find_delivery(world.state, hook, each.id).body for each in world.deliveries(hook)]
    assert ['"deployment":{' in each for each in bodies if '"name":"ship"' in each] == [True, True, True]
    assert ['"deployment":{' in each for each in bodies if '"name":"try"' in each] == [False]


def test_a_job_that_nobody_approves_fails_after_30_days(world: GitHubWorld, clock: WorldClock) -> None:
    """Not before; a timer without reviewers does not count."""
    world.add_environment(REPO, "production", ["boss"])
    run = one(world, WORKFLOW)
    clock.advance(29 * 86_400)
    assert states(world, run)["ship"] == "waiting"
    clock.advance(86_400)
    assert states(world, run)["ship"] == "failure"
    assert job(world, run, "ship").annotations == ["The job was not approved for production within 30 days."]
    assert seen(world, run)[0] == "completed"


def test_no_app_reviews_what_waits_for_people(world: GitHubWorld) -> None:
    """A workflow's own token cannot approve its deployment, nor can any other App's."""
    world.add_environment(REPO, "production", ["github-actions[bot]"])
    run = one(world, WORKFLOW)
    pending = f"/repos/{REPO}/actions/runs/{run.id}/pending_deployments"
    token = world.add_token("actions")
    number = call(world, "GET", pending, token=token).body[0]["environment"]["id"]
    body = {"environment_ids": [number], "state": "approved", "comment": "me"}
    refused = call(world, "POST", pending, body, token)
    assert (refused.status, refused.body["message"]) == (403, "Resource not accessible by integration")
    assert states(world, run)["ship"] == "waiting"


def test_the_logs_of_a_run_are_an_archive(world: GitHubWorld, token: str) -> None:
    """One file for each job and one for each step, for the run and for an attempt, once it is completed."""
    run = one(world, "on: push\njobs:\n  train:\n    name: a/b\n    runs-on: box\n    steps: [{run: make}]\n")
    place = f"/repos/{REPO}/actions/runs/{run.id}"
    assert call(world, "GET", f"{place}/logs", token=token).status == 404
    listener = listen(world, "box")
    listener.message()
    steps = [{"name": "Run make", "number": 1, "status": "completed", "conclusion": "success"}]
    listener.call("POST", "log", {"step": 1, "text": "one\n", "steps": steps})
    listener.call("POST", "log", {"step": 1, "text": "two\n"})
    listener.call("POST", "finish", {"conclusion": "success"})
    for path in ("logs", "attempts/1/logs"):
        request = urllib.request.Request(f"{world.url}{place}/{path}", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=30) as answer, zipfile.ZipFile(io.BytesIO(answer.read())) as kept:
            told = {name: kept.read(name).decode() for name in kept.namelist()}
        assert told == {"0_a_b.txt": "one\ntwo\n", "a_b/1_Run make.txt": "one\ntwo\n"}
    assert call(world, "GET", f"/_runnerkit/run-logs/{run.id}-2").status == 404
    assert call(world, "GET", "/_runnerkit/run-logs/x").status == 404
