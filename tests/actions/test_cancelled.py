"""A cancelled workflow leaks nothing: what its launch had started is ended, or ends itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from runnerkit.sandbox.together import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runnerkit.sandbox.ec2 import Hold as Ec2Hold
    from runnerkit.sandbox.ec2 import SandboxEc2
    from runnerkit.sandbox.github import Hold as GitHubHold

PATIENCE = 60.0
# GitHub waits 7.5 seconds between the two; sooner is harder.
BETWEEN = 0.2


@pytest.fixture
def world(_ec2_server: SandboxEc2) -> Iterator[Sandbox]:
    """A sandbox of hollow machines that boot slowly enough to be met on the way."""
    _ec2_server.reset()
    with Sandbox(machines="hollow", boot=1.0, work=60, ec2=_ec2_server) as made:
        yield made
    _ec2_server.reset()


def started(world: Sandbox, label: str, *, workflow: str = "true") -> subprocess.Popen[str]:
    """Begin a launch as a step of a workflow."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GITHUB_", "GH_"))}
    step = {"GITHUB_ACTIONS": workflow, "GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "1"}
    leases = {"RUNNERKIT_POLICY__SETTLE": "2", "RUNNERKIT_POLICY__IDLE": "3", "RUNNERKIT_POLICY__ONLINE_WITHIN": "20"}
    return subprocess.Popen(
        [sys.executable, "-I", "-m", "runnerkit", "launch", f"--runs-on={label}", "--wait"],
        env={**kept, **world.environment(), **step, **leases},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(what: str, true: Callable[[], object]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"still not: {what}"
        time.sleep(0.05)


def cancelled(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Signal it as GitHub's runner does; give the exit code and what it said."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(BETWEEN)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=PATIENCE)
    return process.returncode, told


def nothing_left(world: Sandbox) -> bool:
    """Whether EC2 and GitHub have nothing of ours any more."""
    left = world.left()
    return not any(left[each] for each in ("instances", "runners", "launch_templates"))


def held(world: Sandbox, moment: str) -> GitHubHold | Ec2Hold | None:
    """Stop the next launch at a moment; None is while it waits for the machine."""
    effect, _, when = moment.partition(" ")
    if effect == "waiting":
        return None
    if effect == "register":
        return world.github.hold("POST", "*/generate-jitconfig", "before" if when == "before" else "after")
    return world.ec2.hold(effect, "before" if when == "before" else "after")


def test_cancelled_at_every_moment(world: Sandbox) -> None:
    """SIGINT, then SIGTERM, whatever is under way: machine and registration are gone soon after."""
    moments = ("register before", "CreateFleet after", "waiting")
    for number, moment in enumerate(moments):
        hold = held(world, moment)
        process = started(world, f"runnerkit=7-{number}/gpu=t4")
        if hold is None:
            until("there is a machine", lambda: world.left()["instances"])
        else:
            assert hold.reached.wait(PATIENCE), process.communicate()
        process.send_signal(signal.SIGINT)
        if hold is not None:
            hold.release()
        code, told = cancelled(process)
        assert code == 130, (moment, told)
        assert "ended" in told, (moment, told)
        until(f"nothing is left after {moment}", lambda: nothing_left(world))


def test_killed_while_it_waits(world: Sandbox) -> None:
    """SIGKILL leaves nobody to end the machine: it ends itself when no job has come for as long as `idle` says."""
    process = started(world, "runnerkit=8/gpu=t4")
    until("there is a machine", lambda: world.left()["instances"])
    process.kill()
    process.communicate()
    assert world.left()["instances"] == 1
    until("the machine has ended itself", lambda: not world.left()["instances"])
    assert [each.reason for each in world.ec2.instances()] == ["Client.InstanceInitiatedShutdown"]


def test_elsewhere_the_machine_stays(world: Sandbox) -> None:
    """Ctrl-C in a terminal is no cancelled workflow: what was launched stays for the next launch of its label."""
    process = started(world, "runnerkit=9/gpu=t4", workflow="false")
    until("there is a machine", lambda: world.left()["instances"])
    code, told = cancelled(process)
    assert (code, world.left()["instances"]) == (130, 1), told
    assert "stays until its leases end" in told
