"""A cancelled workflow leaks nothing: what its launch had started is ended, or ends itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit import labels
from runnerkit.actions import Terminate
from runnerkit.applying import Outcome
from runnerkit.cli.common import Interrupted
from runnerkit.cli.taking_back import taken_back
from runnerkit.errors import CloudDenied, RunnerkitError
from runnerkit.sandbox.together import Sandbox
from runnerkit.slots import LaunchRequest, Slot, names
from runnerkit.wishes import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from runnerkit.sandbox.ec2 import Hold as Ec2Hold
    from runnerkit.sandbox.ec2 import SandboxEc2
    from runnerkit.sandbox.github import Hold as GitHubHold

PATIENCE = 120.0
# GitHub waits 7.5 seconds between the two; sooner is harder.
BETWEEN = 0.2
# For a machine that shall be there as long as the test looks at it, however slow the computer is.
STAYS = 600
# The second: SIGTERM met an interpreter that was done, and had let go of its handlers.
OVER = {130, -signal.SIGTERM}


@pytest.fixture
def world(_ec2_server: SandboxEc2) -> Iterator[Sandbox]:
    """A sandbox of hollow machines that boot slowly enough to be met on the way."""
    _ec2_server.reset()
    with Sandbox(machines="hollow", boot=1.0, work=60, ec2=_ec2_server) as made:
        yield made
    _ec2_server.reset()


def started(
    world: Sandbox, label: str, *, workflow: str = "true", checkout: str = "", idle: int = STAYS
) -> subprocess.Popen[str]:
    """Begin a launch as a step of a workflow."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GITHUB_", "GH_"))}
    step = {"GITHUB_ACTIONS": workflow, "GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_WORKSPACE": checkout}
    leases = {
        "RUNNERKIT_POLICY__SETTLE": "2",
        "RUNNERKIT_POLICY__IDLE": str(idle),
        "RUNNERKIT_POLICY__ONLINE_WITHIN": "40",
    }
    return subprocess.Popen(
        [sys.executable, "-I", "-m", "runnerkit", "launch", f"--runs-on={label}", "--wait"],
        env={**kept, **world.environment(), **step, **leases},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(what: str, true: Callable[[], object], told: str = "", world: Sandbox | None = None) -> None:
    """Wait until something is so; a failure tells what was said, and what there is instead."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"still not: {what}: {world and world.left()} {told}"
        time.sleep(0.05)


def cancelled(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Signal it as GitHub's runner does; give the exit code and what it said."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(BETWEEN)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=PATIENCE)
    return process.returncode, told


def live(world: Sandbox) -> int:
    """How many machines there are, as the sandbox itself knows: to ask EC2 again and again is dear."""
    return len(world.ec2.instances("pending", "running", "shutting-down"))


def nothing_left(world: Sandbox) -> bool:
    """Whether EC2 and GitHub have nothing of ours any more."""
    if live(world) or world.github.runners():
        return False
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
            until("there is a machine", lambda: live(world))
        else:
            assert hold.reached.wait(PATIENCE), process.communicate()
        process.send_signal(signal.SIGINT)
        if hold is not None:
            hold.release()
        code, told = cancelled(process)
        assert code in OVER, (moment, told)
        assert "ended" in told, (moment, told)
        until(f"nothing is left after {moment}", lambda: nothing_left(world), told, world)


def test_cancelled_when_the_machine_is_there(world: Sandbox, tmp_path: Path) -> None:
    """Also while it looks who lets the run go on after an interruption: no job will come for the machine any more."""
    workflows = tmp_path / ".github" / "workflows"
    workflows.mkdir(parents=True)
    # Whoever reads that waits for a writer.
    os.mkfifo(workflows / "train.yml")
    process = started(world, "runnerkit=10/gpu=t4", checkout=str(tmp_path))

    held: list[int] = []

    def reads() -> bool:
        with suppress(OSError):
            held.append(os.open(workflows / "train.yml", os.O_WRONLY | os.O_NONBLOCK))
        return bool(held) or process.poll() is not None

    until("it reads the workflows", reads)
    code, told = cancelled(process)
    os.close(held[0])
    assert code in OVER, told
    assert "ended" in told
    # Ended by us, or by itself since its registration was gone first: to be idle for long enough would take longer.
    assert PATIENCE < STAYS
    until("nothing is left", lambda: nothing_left(world), told, world)


def test_killed_while_it_waits(world: Sandbox) -> None:
    """SIGKILL leaves nobody to end the machine: it ends itself when no job has come for as long as `idle` says."""
    process = started(world, "runnerkit=8/gpu=t4", idle=3)
    until("there is a machine", lambda: live(world))
    process.kill()
    process.communicate()
    until("the machine has ended itself", lambda: not live(world))
    assert {each.reason for each in world.ec2.instances()} == {"Client.InstanceInitiatedShutdown"}


def test_elsewhere_the_machine_stays(world: Sandbox) -> None:
    """Ctrl-C in a terminal is no cancelled workflow: what was launched stays for the next launch of its label."""
    process = started(world, "runnerkit=9/gpu=t4", workflow="false")
    until("there is a machine", lambda: live(world))
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=PATIENCE)
    assert (process.returncode, world.left()["instances"]) == (130, 1), told
    assert "stays until its leases end" in told


class Recording:
    """A fleet that notes what it shall end."""

    policy = Policy(max_tries=2)

    def __init__(self, error: RunnerkitError | None = None, *, raises: bool = False) -> None:
        self.asked: list[tuple[tuple[str, ...], bool]] = []
        self._error, self._raises = error, raises

    def terminate(self, names: Sequence[str], *, registrations: bool) -> list[Outcome]:
        """Note it."""
        self.asked.append((tuple(names), registrations))
        if self._raises and self._error:
            raise self._error
        return [Outcome(Terminate("rk-1", "acme/widgets", "i-1", "us-east-1", "asked"), self._error)]


@pytest.mark.parametrize("raises", [True, False])
def test_what_could_not_be_ended_is_told(*, raises: bool) -> None:
    """Nobody is told that machines are gone when AWS or GitHub would not hear of it."""
    label = "runnerkit=7/gpu=t4"
    request = LaunchRequest("acme/widgets", (label,), labels.parse(label).spec, run_id=7)
    fleet: Any = Recording(CloudDenied("no"), raises=raises)
    with (
        pytest.raises(Interrupted, match=r"could not be ended now.*\(no\)"),
        taken_back(fleet, request, "acme/widgets", [], {"GITHUB_ACTIONS": "true"}),
    ):
        raise KeyboardInterrupt


def test_whose_machines_are_ended() -> None:
    """Those that this launch may have started, under later names than the first, too; adopted ones are spared."""
    label = "runnerkit=7/gpu=t4"
    request = LaunchRequest("acme/widgets", (label,), labels.parse(label).spec, run_id=7, count=2)
    first, second, *rest = names(request, "acme/widgets", 4)
    facts = ("i-1", "us-east-1", "us-east-1a", "g4dn.xlarge", "spot", None)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    old = Slot(request, first, 1, *facts, since=now, online_by=now, adopted=True)
    new = Slot(request, rest[-1], 2, *facts, since=now, online_by=now)
    fleet: Any = Recording()
    for environment in ({}, {"GITHUB_ACTIONS": "true"}):
        with (
            pytest.raises(KeyboardInterrupt),
            taken_back(fleet, request, "acme/widgets", [old, new], environment),
        ):
            raise KeyboardInterrupt
    ((asked, registrations),) = fleet.asked
    assert (set(asked), registrations) == ({str(each) for each in (second, *rest[:2], rest[-1])}, True)
