from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.sandbox.containers.podman import IMAGE, Podman
from tests.sandbox.containers.test_jobs import START, STOP, lines, work
from tests.sandbox.standin.running import StandIn, ended, said, until
from tests.sandbox.standin.test_stopping import running

if TYPE_CHECKING:
    from pathlib import Path

# It would save, if anybody told it; nobody does: an engine's client that is ended leaves its program running.
SAVES = "trap 'echo saved >saved; exit 9' INT TERM; echo ready; while :; do sleep 0.05; done"


def test_a_cancelled_step_is_left_until_its_container_goes(runner: StandIn) -> None:
    """As with `docker exec`: the client obeys at once, `always()` steps still find the program, and then it is gone."""
    job = runner.job(
        work(
            {"name": "Work", "run": SAVES, "shell": "bash"},
            {"name": "Next", "run": "true"},
            {"name": "Always", "run": "ls; [ -d /proc/1 ] && echo up", "if": "always()"},
        )
    )
    with running(runner, job) as process:
        began = time.monotonic()
        runner.world.cancel_run(runner.world.state.live.runs[job.run_id])
        assert process.wait(20) == 0
    assert time.monotonic() - began < 10
    assert [ended(job)[each] for each in ("Work", "Next", "Always", STOP)] == [
        *("cancelled", "skipped", "success", "success")
    ]
    assert lines(job, "Always") == ["up"]
    assert "Stop and remove container: standin-" in said(job, STOP)
    assert job.conclusion == "cancelled"


def test_a_shutdown_removes_the_container_without_later_steps(runner: StandIn) -> None:
    """The listener is stopped: nothing after the step runs, and yet nothing is left."""
    job = runner.job(work({"name": "Work", "run": SAVES}, volumes=["named:/named"]))
    with running(runner, job) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert (ended(job)[STOP], job.conclusion) == ("skipped", "failure")


def test_a_killed_listener_takes_the_container_along(runner: StandIn, podman: Podman) -> None:
    """Its worker ends, and removes the container without a word to anybody."""
    job = runner.job(work({"name": "Work", "run": SAVES}, volumes=["named:/named"]))
    with running(runner, job) as process:
        process.kill()
    until(lambda: not any(podman.left().values()))
    assert job.status == "in_progress"


def test_a_killed_worker_is_tidied_up_by_the_listener(runner: StandIn) -> None:
    """The job has failed with a reason, and its container is removed before the listener leaves."""
    job = runner.job(work({"name": "Work", "run": SAVES}))
    with running(runner, job) as process:
        os.kill(_worker(process.pid), signal.SIGKILL)
        assert process.wait(20) == 0
    assert "ended unexpectedly" in job.annotations[0]


def test_the_next_job_removes_what_a_killed_runner_left(runner: StandIn, podman: Podman, tmp_path: Path) -> None:
    """Listener and worker are killed at once; another runner's job finds the container and says so."""
    job = runner.job(work({"name": "Work", "run": SAVES}, volumes=["named:/named"]))
    with running(runner, job) as process:
        worker = _worker(process.pid)
        for each in (process.pid, worker):
            os.kill(each, signal.SIGKILL)
    until(lambda: not os.path.exists(f"/proc/{worker}"))  # noqa: PTH110 - a process
    assert podman.left()["containers"]
    second = StandIn(tmp_path / "second", runner.world)
    after = second.job(work({"run": "true"}))
    assert second.call(ACTIONS_RUNNER_INPUT_JITCONFIG=second.blob("rk-2"))[0] == 0
    assert "its runner is gone" in said(after, START)


def test_a_container_of_another_live_job_is_left_alone(runner: StandIn, podman: Podman) -> None:
    """Jobs share an engine: tidying up takes what belongs to nobody, and nothing that others started."""
    alien = podman.call("run", "--detach", "--network=host", IMAGE, "sleep", "300").strip()
    try:
        job = runner.run(work({"name": "Work", "run": "true"}))
        assert job.conclusion == "success"
        assert podman.call("ps", "--quiet", "--no-trunc").split() == [alien]
    finally:
        podman.call("rm", "--force", "--time", "0", alien)


@pytest.mark.parametrize("address", ["unix:///nonexistent/engine.sock", "tcp://127.0.0.1:1"])
def test_an_engine_that_cannot_be_asked_fails_the_job(
    runner: StandIn, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job says which engine it is, and nothing is run."""
    monkeypatch.setenv("RUNNERKIT_SANDBOX_DOCKER_HOST", address)
    other = StandIn(runner.root.parent / "other", runner.world)
    job = other.run(work({"name": "Work", "run": "true"}))
    assert address.removeprefix("unix://") in job.annotations[0]
    assert (ended(job)["Work"], job.conclusion) == ("skipped", "failure")


def _worker(listener: int) -> int:
    from runnerkit.sandbox.standin.program.schedule import descendants

    return descendants(listener)[0]
