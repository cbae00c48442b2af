"""How soon fifty jobs that are queued at once all have their launch, each by a call of its own.

EC2's published limits let fifty fleets be ordered at once and five more each second ("Request throttling for the EC2
API"). The sandbox applies them here, and takes half a second for each of EC2's answers that a launch waits for. So what
the limits allow is known: nobody has to wait for them, no call may be refused for them, and the last of fifty launches
is due when the answers that it and its predecessors wait for have come. The controller is `serve`, woken by one
webhook. What the sandbox itself works on two processors is part of the figure.
"""

from __future__ import annotations

import time

import webhooks
from figures import Figure
from world import World, world

JOBS, ANSWER = 50, 0.5
LIMIT = 8.0
THROTTLED = "RequestLimitExceeded"


def measure() -> list[Figure]:
    """One crowd, after a launch that imports and connects."""
    with world() as there:
        there.environment["RUNNERKIT_POLICY__MAX_MACHINES"] = str(10 * JOBS)
        with webhooks.serving(there) as (_, address):
            webhooks.launch(there, address, 0)
            webhooks.wait_until_quiet(there)
            there.sandbox.ec2.limits()
            there.sandbox.ec2.delay("CreateFleet", ANSWER)
            began = time.time()
            asked = _crowd(there, address)
            refused = sum(call.error == THROTTLED for call in there.sandbox.ec2.calls)
    return [
        Figure(f"{JOBS} jobs at once, from the webhook to the last CreateFleet", asked[-1] - began, "s", LIMIT),
        Figure("... of it until the first", asked[0] - began, "s"),
        Figure("... calls that EC2's limits refused", refused, "calls", 0, exact=True),
    ]


def _crowd(there: World, address: str) -> list[float]:
    """When EC2 had the request of each launch."""
    before = len(webhooks.ordered(there))
    for number in range(JOBS):
        there.sandbox.github.queue_job(webhooks.REPO, [f"runnerkit=crowd-{number}/gpu=t4"])
    webhooks.send(address, "crowd")
    until = time.time() + webhooks.PATIENCE
    while len(asked := webhooks.ordered(there)[before:]) < JOBS:
        if time.time() > until:
            raise RuntimeError(f"only {len(asked)} of {JOBS} jobs had a launch")
        time.sleep(0.02)
    return asked[:JOBS]
