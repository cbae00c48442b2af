import http.client
import signal
import subprocess
import sys
import threading
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor

import github
import pytest

from runnerkit.sandbox.github import GitHubWorld, WorldClock
from tests.sandbox.github_world import REPO, RUNNERS, call, client, register

JIT = "*/generate-jitconfig"
PATIENCE = 30


def test_a_scripted_failure_has_no_effect_and_ends(world: GitHubWorld, token: str) -> None:
    """It answers as often as was said and changes nothing."""
    world.fail("POST", JIT, 502, times=2)
    assert [register(world, token).status for _ in range(3)] == [502, 502, 201]
    assert world.count("POST", JIT, 502) == 2
    assert len(world.runners()) == 1


def test_a_lost_answer_has_its_effect(world: GitHubWorld, token: str) -> None:
    """The connection drops, the registration stays: the second call meets a 409."""
    world.lose_answer("POST", JIT)
    with pytest.raises((urllib.error.URLError, http.client.HTTPException, ConnectionError)):
        register(world, token)
    assert [each.name for each in world.runners()] == ["rk-1"]
    assert [each.delivered for each in world.calls] == [False]
    assert register(world, token).status == 409


CALLER = """
import sys, urllib.request
body = b'{"name": "rk-1", "runner_group_id": 1, "labels": ["gpu"]}'
request = urllib.request.Request(sys.argv[1], body, {"Authorization": "Bearer " + sys.argv[2]})
urllib.request.urlopen(request, timeout=30)
"""


@pytest.mark.parametrize(("when", "names"), [("before", []), ("after", ["rk-1"])])
def test_a_caller_can_be_killed_at_the_boundary_of_the_effect(
    world: GitHubWorld, token: str, when: str, names: list[str]
) -> None:
    """Held before, the effect has not happened yet; held after, it has and the caller never knows."""
    hold = world.hold("POST", JIT, when)
    with subprocess.Popen([sys.executable, "-c", CALLER, f"{world.url}{RUNNERS}/generate-jitconfig", token]) as caller:
        assert hold.reached.wait(PATIENCE)
        caller.kill()
        assert caller.wait(PATIENCE) == -signal.SIGKILL
    assert [each.name for each in world.runners()] == names
    hold.release()
    for _ in range(500):
        if world.calls:
            break
        time.sleep(0.02)
    assert [each.name for each in world.runners()] == ["rk-1"]


def test_a_held_call_does_not_stop_the_others(world: GitHubWorld, token: str) -> None:
    """Only the call in question waits."""
    hold = world.hold("POST", JIT)
    thread = threading.Thread(target=register, args=(world, token))
    thread.start()
    assert hold.reached.wait(PATIENCE)
    assert call(world, "GET", RUNNERS, token=token).body["runners"] == []
    hold.release()
    thread.join(PATIENCE)
    assert len(world.runners()) == 1


def test_many_callers_at_once_get_one_registration(world: GitHubWorld, token: str) -> None:
    """Of eight simultaneous calls for one name a single one succeeds; ids are never given twice."""
    with ThreadPoolExecutor(8) as pool:
        same = list(pool.map(lambda _: register(world, token, "rk-same").status, range(8)))
        others = list(pool.map(lambda number: register(world, token, f"rk-{number}"), range(16)))
    assert sorted(same) == [201] + [409] * 7
    assert len({each.body["runner"]["id"] for each in others}) == 16
    assert world.count("POST", JIT) == 24


def test_lists_lag_behind_and_single_reads_do_not(world: GitHubWorld, token: str, clock: WorldClock) -> None:
    """A lagging list misses the new runner and shows stale flags until the world's time has passed."""
    old = register(world, token).body
    job = world.queue_job(REPO, ["gpu"])
    world.lag(30)
    runner = world.runner_connects(old["encoded_jit_config"])
    register(world, token, "rk-2")

    def listed() -> list[tuple[str, bool]]:
        body = call(world, "GET", RUNNERS, token=token).body
        return [(each["name"], each["busy"]) for each in body["runners"]]

    def queued() -> list[int]:
        body = call(world, "GET", f"/repos/{REPO}/actions/runs?status=queued", token=token).body
        return [each["id"] for each in body["workflow_runs"]]

    assert listed() == [("rk-1", False)]
    assert queued() == [job.run_id]
    assert call(world, "GET", f"{RUNNERS}/{runner.id}", token=token).body["busy"]
    clock.advance(31)
    assert listed() == [("rk-1", True), ("rk-2", False)]
    assert queued() == []


def test_an_unchanged_object_costs_nothing(world: GitHubWorld, token: str) -> None:
    """A 304 to If-None-Match is not charged."""
    first = call(world, "GET", RUNNERS, token=token)
    again = call(world, "GET", RUNNERS, token=token, If_None_Match=first.headers["etag"])
    assert again.status == 304
    assert again.headers["x-ratelimit-remaining"] == first.headers["x-ratelimit-remaining"] == "4999"
    assert [each.charged for each in world.calls] == [True, False]
    register(world, token)
    assert call(world, "GET", RUNNERS, token=token, If_None_Match=first.headers["etag"]).status == 200


@pytest.mark.parametrize("status", [403, 429])
def test_the_primary_limit_says_when_it_ends(world: GitHubWorld, token: str, clock: WorldClock, status: int) -> None:
    """Nothing is left, the reset is told, and after it calls succeed again."""
    world.rate_limit(0, reset_in=120, token=token, status=status)
    reply = register(world, token)
    assert (reply.status, reply.headers["x-ratelimit-remaining"]) == (status, "0")
    assert int(reply.headers["x-ratelimit-reset"]) == pytest.approx(clock.now().timestamp() + 120, abs=2)
    assert call(world, "GET", "/rate_limit", token=token).body["resources"]["core"]["remaining"] == 0
    with client(world, token) as caller, pytest.raises(github.GithubException) as caught:
        caller.get_repo(REPO)
    # PyGithub knows the limit by 403 alone.
    assert isinstance(caught.value, github.RateLimitExceededException) == (status == 403)
    clock.advance(121)
    assert register(world, token).status == 201


def test_registrations_have_a_bucket_of_their_own(world: GitHubWorld, token: str) -> None:
    """When it is empty, other calls go on."""
    before = call(world, "GET", "/rate_limit", token=token).body["resources"]["actions_runner_registration"]
    register(world, token)
    after = call(world, "GET", "/rate_limit", token=token).body["resources"]["actions_runner_registration"]
    assert after["remaining"] == before["remaining"] - 1
    world.rate_limit(0, token=token, resource="actions_runner_registration")
    reply = register(world, token, "rk-2")
    assert (reply.status, reply.headers["x-ratelimit-resource"]) == (403, "actions_runner_registration")
    assert call(world, "GET", RUNNERS, token=token).status == 200


def test_the_secondary_limit_tells_how_long_to_wait(world: GitHubWorld, token: str, clock: WorldClock) -> None:
    """Scripted, or by points a minute: a GET is one, a write five."""
    world.secondary_limit(retry_after=30)
    reply = register(world, token)
    assert (reply.status, reply.headers["retry-after"]) == (403, "30")
    assert "secondary rate limit" in reply.body["message"]
    world.limits.points_per_minute = 11
    assert [register(world, token, f"rk-{number}").status for number in range(3)] == [201, 201, 403]
    assert call(world, "GET", RUNNERS, token=token).status == 200
    assert call(world, "GET", RUNNERS, token=token).status == 403
    clock.advance(60)
    assert call(world, "GET", RUNNERS, token=token).status == 200


def test_every_kind_of_token_has_its_own_budget(world: GitHubWorld) -> None:
    """Nobody has 60 calls an hour, a workflow 1000, a person 5000."""
    budgets = [
        call(world, "GET", "/rate_limit", token=token).body["resources"]["core"]["limit"]
        for token in (None, world.add_token("actions"), world.add_token("fine-grained"))
    ]
    assert budgets == [60, 1000, 5000]


def test_a_slow_service_is_slow(world: GitHubWorld, token: str) -> None:
    """Delays are in real seconds and can be cleared."""
    world.delay(0.3, "GET")
    started = time.monotonic()
    call(world, "GET", RUNNERS, token=token)
    assert time.monotonic() - started >= 0.3
    world.delay(2 * PATIENCE, "GET")
    world.clear_faults()
    started = time.monotonic()
    call(world, "GET", RUNNERS, token=token)
    assert time.monotonic() - started < PATIENCE
