"""What `launch --wait` adds to the time in which the machine boots.

The machine boots for 20 s, from the moment in which EC2 accepts the fleet until its runner listens; every call to EC2
takes 80 ms longer and every call to GitHub 120 ms longer than the sandbox itself needs. The whole command is measured
from the start of its process to its exit; what is over the boot is ours: Python and its imports, the calls, and the
time until we notice that the runner listens.

Of the time until EC2 has the fleet the smallest counts, since a busy machine can only make it longer. Of the time after
the runner listens the median counts, since that depends on luck: on when it listens between two looks. Each run boots a
little longer than the one before, so that not every run can be lucky. In between a process imports boto3 and PyGithub
and does nothing else: what that took tells how busy the machine was.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from figures import Figure, Spread
from processes import took
from world import World, world

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2.model import MachineEvent

BOOT, EC2_CALL, GITHUB_CALL = 20.0, 0.08, 0.12
RUNS = 3
# About a third of the time from one look at the runner to the next.
LONGER_EACH = 0.37
LIMIT = 2.0
# Seconds until EC2 has the fleet, and seconds after the runner listens.
Sides = tuple[float, float]
BARE = [sys.executable, "-c", "import boto3, github; boto3.client('ec2')"]


def measure() -> list[Figure]:
    """Launch and wait: three times knowing prices, network and image from the launch before, three times nothing."""
    with world() as there:
        there.sandbox.ec2.delay("*", EC2_CALL)
        there.sandbox.github.delay(GITHUB_CALL)
        warm: list[Sides] = []
        cold: list[Sides] = []
        bare: list[float] = []
        for run in range(RUNS):
            bare.append(took(BARE, there.environment).seconds)
            warm.append(_overhead(there, BOOT + run * LONGER_EACH))
            there.forget()
            cold.append(_overhead(there, BOOT + run * LONGER_EACH))
    imports = Spread.of(bare)
    before, after = (Spread.of(values) for values in zip(*warm, strict=True))
    return [
        _beyond("launch --wait beyond the boot", warm),
        Figure("of it until EC2 has the fleet", before.least, "s", spread=before),
        Figure("of it after the runner listens", after.middle, "s", spread=after),
        _beyond("launch --wait beyond the boot, with nothing cached", cold),
        Figure("boto3, an EC2 client and PyGithub alone", imports.least, "s", spread=imports),
    ]


def _beyond(what: str, runs: list[Sides]) -> Figure:
    before, after = (Spread.of(values) for values in zip(*runs, strict=True))
    whole = Spread.of([sum(sides) for sides in runs])
    return Figure(what, before.least + after.middle, "s", LIMIT, spread=whole)


def _overhead(there: World, boot: float) -> Sides:
    """Seconds from the command's start to the accepted fleet, and from the listening runner to the exit."""
    accepted: list[float] = []

    def hear(event: MachineEvent) -> None:
        if event.kind == "pending":
            accepted.append(time.monotonic())

    there.sandbox.hollow.boot = boot
    silence = there.sandbox.ec2.subscribe(hear)
    try:
        command = there.launch("--wait")
    finally:
        silence()
    (fleet,) = accepted
    return fleet - command.began, command.ended - fleet - boot
