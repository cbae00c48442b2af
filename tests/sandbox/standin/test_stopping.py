from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from runnerkit.sandbox.standin.program import schedule
from tests.sandbox.standin.running import StandIn, ended, payload, said, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runnerkit.sandbox.github.records import Job

PACE = 0.08
SHUTDOWN = "The runner has received a shutdown signal."
CANCELED = "##[error]The operation was canceled."
# Says when it is interrupted, and ends by itself half-way through the time it has for that.
SAVES = "trap 'sleep 0.3; echo saved; exit 9' INT; echo ready; while :; do sleep 0.05; done"
STUBBORN = "trap 'echo INT' INT; trap 'echo TERM' TERM; echo ready; while :; do sleep 0.05; done"


@contextmanager
def running(runner: StandIn, job: Job, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """A listener whose job has said that it is ready."""
    pace = {"RUNNERKIT_STANDIN_PACE": str(PACE)}
    with runner.listener(ACTIONS_RUNNER_INPUT_JITCONFIG=runner.blob(), **(pace | environ)) as process:
        until(lambda: "Z ready\n" in job.log)
        yield process


def work(script: str) -> list[dict[str, object]]:
    """A step to be interrupted, and later ones that GitHub treats differently."""
    return [
        {"name": "Work", "run": script},
        {"name": "Next", "run": "true"},
        {"name": "On failure", "run": "true", "if": "failure()"},
        {"name": "On cancel", "run": "true", "if": "cancelled()"},
        {"name": "Always", "run": "echo ${{ job.status }}", "if": "always()"},
    ]


def test_a_cancelled_step_gets_its_time_and_always_steps_run(runner: StandIn) -> None:
    """SIGINT, time to save, then the steps that ask for it; the job is cancelled."""
    job = runner.job(payload(*work(SAVES)))
    with running(runner, job) as process:
        runner.world.cancel_run(runner.world.state.live.runs[job.run_id])
        assert process.wait(20) == 0
    assert "saved" in said(job, "Work")
    steps = ended(job)
    assert [steps[each] for each in ("Work", "Next", "On failure", "On cancel", "Always")] == [
        *("cancelled", "skipped", "skipped", "success", "success")
    ]
    assert "cancelled" in said(job, "Always")
    assert (job.conclusion, job.annotations[0]) == ("cancelled", "The operation was canceled.")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_shutdown_fails_the_job_without_later_steps(runner: StandIn, number: int, tmp_path: Path) -> None:
    """The listener is stopped: the step may save, nothing after it runs, not even the hook, and the job has failed."""
    hook = tmp_path / "hook.sh"
    hook.write_text("true\n")
    job = runner.job(payload(*work(SAVES)))
    with running(runner, job, ACTIONS_RUNNER_HOOK_JOB_COMPLETED=str(hook)) as process:
        process.send_signal(number)
        assert process.wait(20) == 0
    assert "saved" in said(job, "Work")
    later = [*(each["name"] for each in work("")[1:]), "Complete runner"]
    assert {ended(job)[str(name)] for name in later} == {"skipped"}
    assert job.conclusion == "failure"
    assert job.annotations[0].startswith(SHUTDOWN)


def test_a_stubborn_step_is_terminated_then_killed(runner: StandIn) -> None:
    """SIGINT, SIGTERM, and the whole tree is killed: the entry process cannot keep the machine."""
    job = runner.job(payload({"name": "Work", "run": STUBBORN}))
    with running(runner, job) as process:
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert said(job, "Work").splitlines()[2:] == ["ready", "INT", "TERM", CANCELED]
    assert time.monotonic() - began >= PACE * (schedule.AFTER_INTERRUPT + schedule.AFTER_TERMINATE)


def test_a_step_that_is_always_to_run_is_left_alone_by_a_cancellation(runner: StandIn, tmp_path: Path) -> None:
    """Its condition holds for a cancelled job too, so it runs to its end."""
    go_on = tmp_path / "go on"
    script = f"echo ready; until [ -e '{go_on}' ]; do sleep 0.05; done; echo done"
    job = runner.job(payload({"name": "Work", "run": script, "if": "always()"}, {"name": "Next", "run": "true"}))
    with running(runner, job) as process:
        runner.world.cancel_run(runner.world.state.live.runs[job.run_id])
        until(lambda: "act is told" in _diary(runner, "Worker"))
        go_on.touch()
        assert process.wait(20) == 0
    assert "done" in said(job, "Work")
    assert (ended(job)["Work"], ended(job)["Next"], job.conclusion) == ("success", "skipped", "cancelled")


def _diary(runner: StandIn, kind: str) -> str:
    return "".join(each.read_text() for each in (runner.root / "_diag").glob(f"{kind}_*.log"))


def test_a_killed_listener_takes_its_job_along(runner: StandIn, tmp_path: Path) -> None:
    """Nothing of the job is left when the listener is gone, and nobody tells the service: the lease must run out."""
    job = runner.job(payload({"name": "Work", "run": f"echo $$ >'{tmp_path}/pid'; {STUBBORN}"}))
    with running(runner, job) as process:
        process.kill()
    pid = int((tmp_path / "pid").read_text())
    until(lambda: not _alive(pid))
    assert job.status == "in_progress"


def test_a_worker_that_dies_is_told_by_the_listener(runner: StandIn) -> None:
    """The job fails with a reason instead of waiting for its lease."""
    job = runner.job(payload({"name": "Work", "run": "echo ready; kill -9 $(cat pid)"}))
    (runner.root / "bin" / "Runner.Worker").write_text("#!/bin/sh\nread line\nexit 77\n")
    code, _ = runner.call(ACTIONS_RUNNER_INPUT_JITCONFIG=runner.blob())
    assert (code, job.conclusion) == (0, "failure")
    assert "ended unexpectedly with exit code 77" in job.annotations[0]


def test_a_step_that_began_too_late_is_never_started(runner: StandIn, tmp_path: Path) -> None:
    """A step may begin after the cancellation: its entry waits, and can be told without anything having run."""
    state = tmp_path / "state"
    state.mkdir()
    (state / "told.json").write_text(json.dumps({"env": {}, "workspace": "/", "pace": 1}))
    (state / "cancel").touch()
    command = [str(runner.root / "bin" / "Runner.Step"), "touch", str(tmp_path / "ran")]
    environ = runner.environment(RUNNERKIT_STANDIN_STATE=str(state), RUNNERKIT_STANDIN_STEP="2")
    with subprocess.Popen(command, env=environ) as process:
        until((state / "running").exists)
        process.send_signal(signal.SIGUSR1)
        until((state / "held").exists)
        (state / "cancel").unlink()
        assert process.wait(5) == 1
    assert not (tmp_path / "ran").exists()


def test_a_job_cancelled_before_its_first_step(runner: StandIn) -> None:
    """Steps that ask for it run, in the workspace, and nothing else."""
    job = runner.job(payload(*work("true")))
    job.payload["job"]["timeout_minutes"] = 0.00001
    assert runner.call(ACTIONS_RUNNER_INPUT_JITCONFIG=runner.blob())[0] == 0
    assert (ended(job)["Work"], ended(job)["Always"], job.conclusion) == ("skipped", "success", "cancelled")


class TestSchedule:
    """The schedule itself, on processes."""

    def test_a_process_that_obeys_gets_one_signal(self) -> None:
        """SIGINT is enough; what it started is left alone until the job ends."""
        with _shell("trap 'exit 5' INT; sleep 600 & echo $!; while :; do sleep 0.02; done") as process:
            child = int(process.stdout.readline()) if process.stdout else 0
            schedule.stop(process.pid, _ended(process), 1)
            assert (process.returncode, _alive(child)) == (5, True)
            os.kill(child, signal.SIGKILL)

    def test_the_times_are_githubs(self) -> None:
        """7.5 seconds after SIGINT comes SIGTERM, 2.5 seconds later the end, scaled by the pace."""
        waits: list[float] = []

        def never(seconds: float) -> bool:
            waits.append(seconds)
            return False

        with _shell("trap '' INT TERM; echo up; while :; do sleep 0.02; done") as process:
            assert process.stdout is not None
            process.stdout.readline()
            schedule.stop(process.pid, never, 2)
            assert process.wait(5) == -signal.SIGKILL
        assert waits[:2] == [15, 5]

    def test_the_whole_tree_is_killed(self) -> None:
        """Grandchildren of a process that obeys nothing do not survive it."""
        with _shell("trap '' INT TERM; sh -c 'sleep 600 & echo $!; wait' & wait; wait") as process:
            assert process.stdout is not None
            grandchild = int(process.stdout.readline())
            schedule.stop(process.pid, _ended(process), 0.01)
            until(lambda: not _alive(grandchild))

    def test_a_process_that_is_gone_is_no_error(self) -> None:
        """It may end between two looks."""
        with subprocess.Popen([sys.executable, "-c", ""]) as process:
            process.wait(5)
        schedule.stop(process.pid, lambda _: True)
        assert schedule.descendants(process.pid) == []


@contextmanager
def _shell(script: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(["/bin/bash", "-c", script], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def _ended(process: subprocess.Popen[str]) -> schedule.Ended:
    def ended(seconds: float) -> bool:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    return ended


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:  # noqa: PTH123 - gone at any moment
            return ") Z " not in file.read()
    except OSError:
        return False
