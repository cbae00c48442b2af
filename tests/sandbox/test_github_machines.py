import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from runnerkit.sandbox.github import GitHubWorld, WorldClock
from tests.sandbox.github_world import REPO, RUNNERS, acme, call, register

SESSIONS = "/_runnerkit/sessions"
PATIENCE = 45


@pytest.fixture
def clock() -> WorldClock:
    return WorldClock()


@pytest.fixture
def world(clock: WorldClock) -> Iterator[GitHubWorld]:
    with acme(clock) as world:
        yield world


@pytest.fixture
def blob(world: GitHubWorld) -> str:
    return str(register(world, world.add_token("fine-grained")).body["encoded_jit_config"])


LISTENER = """
import json, sys, urllib.request

def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(sys.argv[1] + path, data, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"null")

session = "/_runnerkit/sessions/" + call("POST", "/_runnerkit/sessions", {"jit_config": sys.argv[2]})["session"]
job = None
while job is None:
    job = call("GET", session + "/job?wait=10")
assert call("POST", session + "/renew") == {"cancelled": False}
call("POST", session + "/finish", {"conclusion": "failure", "annotations": ["out of memory"], "log": job["name"]})
"""


def test_a_listener_in_another_process_takes_a_job_and_ends(world: GitHubWorld, blob: str) -> None:
    """Session, long poll, renewal, result: what a machine's stand-in does, over HTTP alone."""
    with subprocess.Popen([sys.executable, "-c", LISTENER, world.url, blob]) as listener:
        job = world.queue_job(REPO, ["gpu"])
        assert listener.wait(PATIENCE) == 0
    assert (job.status, job.conclusion, job.annotations) == ("completed", "failure", ["out of memory"])
    assert call(world, "GET", f"/_runnerkit/logs/{job.id}").body == "train"
    assert world.runners() == []


def test_a_listener_without_work_gets_nothing_and_a_second_one_no_session(world: GitHubWorld, blob: str) -> None:
    """202 while the queue is empty, 409 for a copy of the blob."""
    made = call(world, "POST", SESSIONS, {"jit_config": blob})
    assert made.status == 201
    session = f"{SESSIONS}/{made.body['session']}"
    assert call(world, "GET", f"{session}/job?wait=0.1").status == 202
    assert call(world, "POST", SESSIONS, {"jit_config": blob}).status == 409
    assert call(world, "POST", f"{session}/renew").status == 409
    assert call(world, "DELETE", session).status == 204
    assert call(world, "GET", f"{session}/job").status == 404
    assert [each.online for each in world.runners()] == [False]


def test_a_vanished_runner_is_told_so(world: GitHubWorld, blob: str) -> None:
    """The listener learns that its registration is gone, at the next poll and at the next start."""
    made = call(world, "POST", SESSIONS, {"jit_config": blob}).body
    world.vanish_runner(made["runner_id"])
    assert call(world, "GET", f"{SESSIONS}/{made['session']}/job").status == 404
    assert call(world, "POST", SESSIONS, {"jit_config": blob}).status == 404
    assert call(world, "POST", SESSIONS, {"jit_config": "?"}).status == 422


def test_a_silent_listener_loses_its_connection_then_its_lease(
    world: GitHubWorld, blob: str, clock: WorldClock
) -> None:
    """Killed without a word: offline and busy, and the job fails when the world's ten minutes are over."""
    world.service.machines.patience = 0.2
    job = world.queue_job(REPO, ["gpu"])
    made = call(world, "POST", SESSIONS, {"jit_config": blob}).body
    time.sleep(0.3)
    token = world.add_token("fine-grained")
    seen = call(world, "GET", f"{RUNNERS}/{made['runner_id']}", token=token).body
    assert (seen["status"], seen["busy"], job.status) == ("offline", True, "in_progress")
    clock.advance(601)
    assert [each.busy for each in world.runners()] == [False]
    assert job.conclusion == "failure"


def test_a_listener_that_comes_back_in_time_keeps_its_job(world: GitHubWorld, blob: str, clock: WorldClock) -> None:
    """An outage of the network shorter than the lease costs nothing."""
    world.service.machines.patience = 0.2
    job = world.queue_job(REPO, ["gpu"])
    made = call(world, "POST", SESSIONS, {"jit_config": blob}).body
    time.sleep(0.3)
    assert [each.online for each in world.runners()] == [False]
    clock.advance(300)
    assert call(world, "POST", f"{SESSIONS}/{made['session']}/renew").status == 200
    world.service.machines.patience = 15
    clock.advance(400)
    assert [each.online for each in world.runners()] == [True]
    assert job.status == "in_progress"


def test_a_cancelled_job_is_told_at_the_renewal(world: GitHubWorld, blob: str) -> None:
    """The listener hears of the cancellation and ends the job itself."""
    job = world.queue_job(REPO, ["gpu"])
    session = f"{SESSIONS}/{call(world, 'POST', SESSIONS, {'jit_config': blob}).body['session']}"
    world.cancel_run(world.state.live.runs[job.run_id])
    assert call(world, "POST", f"{session}/renew").body == {"cancelled": True}
    assert call(world, "POST", f"{session}/finish", {"conclusion": "cancelled"}).status == 200
    assert job.conclusion == "cancelled"
