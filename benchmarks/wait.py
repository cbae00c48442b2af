"""What `launch --wait` adds to the time in which the machine boots.

The machine boots for 20 s, from the moment in which EC2 accepts the fleet until its runner listens; every call to EC2
takes 80 ms longer and every call to GitHub 120 ms longer than the sandbox itself needs. The whole command is measured
from the start of its process to its exit; what is over the 20 s is ours: Python and its imports, the calls, and the
time until we notice that the runner listens. Two further figures say on which side of the boot it is spent.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from figures import Figure, Spread
from world import World, world

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2.model import MachineEvent

BOOT, EC2_CALL, GITHUB_CALL = 20.0, 0.08, 0.12
RUNS = 3
LIMIT = 2.0


def measure() -> list[Figure]:
    """Launch and wait three times."""
    with world() as there:
        there.sandbox.machines.boot = BOOT
        there.sandbox.ec2.delay("*", EC2_CALL)
        there.sandbox.github.delay(GITHUB_CALL)
        before, after = zip(*(_overhead(there) for _ in range(RUNS)), strict=True)
    whole = Spread.of([b + a for b, a in zip(before, after, strict=True)])
    sides = (("until EC2 has the fleet", Spread.of(before)), ("after the runner listens", Spread.of(after)))
    return [
        Figure("launch --wait beyond the boot", whole.middle, "s", LIMIT, spread=whole),
        *(Figure(f"of it {side}", spread.middle, "s", spread=spread) for side, spread in sides),
    ]


def _overhead(there: World) -> tuple[float, float]:
    """Seconds from the command's start to the accepted fleet, and from the listening runner to the exit."""
    accepted: list[float] = []

    def hear(event: MachineEvent) -> None:
        if event.kind == "pending":
            accepted.append(time.monotonic())

    silence = there.sandbox.ec2.subscribe(hear)
    try:
        command = there.launch("--wait")
    finally:
        silence()
    (fleet,) = accepted
    return fleet - command.began, command.ended - fleet - BOOT
