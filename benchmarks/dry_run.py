"""What `launch --dry-run` costs, compared with what nobody can avoid.

The measure is a process that imports boto3 and makes an EC2 client, since everything that launches on AWS from Python
does at least that. Both run in turn, so that whatever disturbs the one disturbs the other; the medians are compared.
The cache is warm: nothing is asked over the network.
"""

from __future__ import annotations

import sys

from figures import Figure, Spread, ratio
from processes import Took, took
from world import world

ROUNDS = 7
BARE = [sys.executable, "-c", "import boto3; boto3.client('ec2')"]
LABEL = "runnerkit=dry/gpu=t4"


def measure() -> list[Figure]:
    """Run both in turn."""
    ours: list[Took] = []
    bare: list[Took] = []
    with world() as there:
        asked = len(there.ec2_calls())
        for _ in range(ROUNDS):
            ours.append(there.run("launch", "--runs-on", LABEL, "--dry-run"))
            bare.append(took(BARE, there.environment))
        assert len(there.ec2_calls()) == asked, "the cache was not warm"
    our_time, bare_time = (Spread.of([run.seconds for run in runs]) for runs in (ours, bare))
    our_peak, bare_peak = (Spread.of([run.megabytes for run in runs]) for runs in (ours, bare))
    return [
        Figure("launch --dry-run, time, by that of boto3 alone", ratio(our_time, bare_time), "x", 2.0),
        Figure("launch --dry-run, peak memory, by that of boto3 alone", ratio(our_peak, bare_peak), "x", 1.5),
        Figure("launch --dry-run", our_time.middle, "s", spread=our_time),
        Figure("boto3 alone", bare_time.middle, "s", spread=bare_time),
        Figure("launch --dry-run, peak", our_peak.middle, "MB", spread=our_peak),
        Figure("boto3 alone, peak", bare_peak.middle, "MB", spread=bare_peak),
    ]
