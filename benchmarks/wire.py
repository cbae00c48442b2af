"""How many calls a launch makes at the wire.

Each call costs a round trip of waiting, a part of a rate limit, and is one more that can fail. The servers of the
sandbox count them while `runnerkit launch` runs in a process of its own, first without and then with what the last
process remembered about types, prices, network and images. The security group exists, the image is baked, there is one
region.
"""

from __future__ import annotations

from collections import Counter

from figures import Figure
from world import World, world

LAUNCH = ("CreateLaunchTemplate", "CreateFleet", "DeleteLaunchTemplate")


def measure() -> list[Figure]:
    """Count a cold and a warm launch."""
    with world() as there:
        there.forget()
        _, _, cold = _launch(there)
        github, ec2, warm = _launch(there)
    return [
        Figure("GitHub calls of a launch", github, "calls", 1, exact=True),
        Figure("EC2 calls of a launch (template, fleet, template away)", ec2, "calls", 3, exact=True),
        Figure("EC2 calls to find out what there is, nothing remembered", cold, "calls", 6),
        Figure("EC2 calls to find out what there is, all remembered", warm, "calls", 0, exact=True),
    ]


def _launch(there: World) -> tuple[int, int, int]:
    """The calls to GitHub, those to EC2 that launch, and the others to AWS."""
    asked, before = there.sandbox.github.count(), len(there.ec2_calls())
    there.launch()
    made = Counter(there.ec2_calls()[before:])
    launching = sum(made[action] for action in LAUNCH)
    return there.sandbox.github.count() - asked, launching, made.total() - launching
