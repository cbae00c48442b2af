"""SIGKILL at every effect of ``launch``: what is alive is adopted, and in the end nothing is left."""

from __future__ import annotations

import os
import time
from multiprocessing import get_context
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.sandbox.ec2 import Hold as Ec2Hold
    from runnerkit.sandbox.github import Hold as GitHubHold
    from runnerkit.sandbox.github.records import Job
    from tests.commands.conftest import Bench

When = Literal["before", "after"]

LABEL = "runnerkit=42/gpu=t4"
REGISTER = "register"
WHEN: tuple[When, When] = ("before", "after")
BOUNDARIES = [
    (effect, when)
    for effect in (REGISTER, "CreateLaunchTemplate", "CreateFleet", "DeleteLaunchTemplate")
    for when in WHEN
]
# What comes next: after a lost answer `once`, which may have a machine to adopt; a sweep in between sees one alive.
NEXT = [
    *((effect, when, "sweep" if when == "before" else "once") for effect, when in BOUNDARIES),
    ("CreateFleet", "after", "sweep"),
    (REGISTER, "before", "once"),
]
# Every launch is a process of its own, but forked from one that has loaded everything already and has no threads.
PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["boto3", "github", "pytest", "runnerkit.app", "runnerkit.cli.launch"])
# Leftovers of a launch count as such after ten settle windows.
PATIENCE = 90.0


def hold_at(bench: Bench, effect: str, when: When) -> GitHubHold | Ec2Hold:
    """Stop the launch to come exactly before or after one effect."""
    if effect == REGISTER:
        return bench.world.github.hold("POST", "*/generate-jitconfig", when)
    return bench.world.ec2.hold(effect, when)


def launch(environment: Mapping[str, str]) -> None:
    """What the process does that will be killed."""
    from runnerkit.cli.commands import app

    os.environ.clear()
    os.environ.update(environment)
    app(["launch", "--runs-on", LABEL, "--wait"])


def killed(bench: Bench, effect: str, when: When) -> None:
    """Start a launch and kill it exactly before or after one effect."""
    hold = hold_at(bench, effect, when)
    bench.environment["RUNNERKIT_POLICY__SETTLE"] = "1"
    process = PROCESSES.Process(target=launch, args=({**os.environ, **bench.environment},))
    process.start()
    try:
        assert hold.reached.wait(30), f"it ended with {process.exitcode}"
    finally:
        process.kill()
        process.join(10)
        # Before the effect the call dies with its caller; after it, only the answer is lost.
        hold.drop()


def repaired(bench: Bench, command: str, jobs: Sequence[Job]) -> dict[str, int]:
    """Pass after pass until the jobs are done and nothing is left, or patience ends."""
    deadline = time.monotonic() + PATIENCE
    while (any(bench.world.left().values()) or unfinished(jobs)) and time.monotonic() < deadline:
        assert bench.run(command).code in {0, 9}
        time.sleep(2)
    return bench.world.left()


def unfinished(jobs: Sequence[Job]) -> list[Job]:
    return [job for job in jobs if job.conclusion != "success"]


@pytest.mark.parametrize(("effect", "when", "command"), NEXT)
def test_nothing_is_left_after_a_kill(bench: Bench, effect: str, when: When, command: str) -> None:
    """A launch that dies at any effect leaves at most one machine, and once leases are over nothing at all.

    The job that was to run on it gets that machine, or one in its place: never two.
    """
    # One that is to be adopted must not be gone before its job is there; one that nobody will use goes soon.
    if command == "sweep":
        bench.environment["RUNNERKIT_POLICY__IDLE"] = "3"
    killed(bench, effect, when)
    made = len(bench.world.ec2.instances())
    assert made <= 1
    jobs = [bench.world.github.queue_job("acme/widgets", [LABEL])] if command == "once" else []
    assert {"instances": 0, "runners": 0, "volumes": 0, "launch_templates": 0} == repaired(bench, command, jobs)
    assert [] == unfinished(jobs)
    assert len(bench.world.ec2.instances()) == (len(jobs) or made)


@pytest.mark.parametrize(("effect", "when"), BOUNDARIES)
def test_the_same_launch_again_ends_with_one_machine(bench: Bench, effect: str, when: When) -> None:
    """Launched again after a kill, a live machine is adopted and a dead try is replaced: one machine in all."""
    killed(bench, effect, when)
    made = {instance.id for instance in bench.world.ec2.instances()}
    done = bench.launch("--wait")
    assert done.code == 0, done.out
    (machine,) = done.json["machines"]
    assert made <= {machine["instance"]}
    assert machine["adopted"] is bool(made)
    assert len(bench.world.ec2.instances("pending", "running")) == 1
