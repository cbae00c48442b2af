"""A thousand jobs at once: what a thousand machines cost in calls and in our own time when secrets go through SSM.

1,000 jobs of ten label sets are queued, and the launches for them are started by one :class:`Burster` over the fakes.
The limits are those of the design: at most 30 CreateFleet calls and 30 seconds of our own. GitHub's write points allow
180 registrations a minute, and the rest is started when there is room again. How long that makes it is told in the
simulated time of the fakes' clock, in which calls themselves take none.
"""

from __future__ import annotations

import time

from figures import Figure

from runnerkit import boot
from runnerkit.actions import Launch
from runnerkit.bursting import LEAST_AT_ONCE, Burster
from runnerkit.handing import BurstOutcome, Papers
from runnerkit.names import RunnerName
from runnerkit.pacing import REGISTRATIONS_A_MINUTE
from runnerkit.readying import Outside, Readier
from runnerkit.settings import AwsSettings
from runnerkit.testing import FakeClock, FakeCloud, FakeForge, MemoryJournal, RecordedEvents
from runnerkit.wishes import Policy, RunnerSpec

JOBS, LABEL_SETS = 1_000, 10
REPO = "acme/widgets"
MOST_FLEETS, MOST_SECONDS = 30, 30.0
SETTINGS = AwsSettings(secrets="ssm", instance_profile="runnerkit-runner")


def measure() -> list[Figure]:
    """Start a machine for each job, and count."""
    clock = FakeClock()
    cloud, forge = FakeCloud(clock), FakeForge(clock)
    outside = Outside(cloud, forge, clock, RecordedEvents(), MemoryJournal())
    papers = Papers(boot.shared_user_data, boot.own_document, SETTINGS.carrier)
    burster = Burster(outside, Readier(outside, Policy(), "runnerkit"), papers, workers=1)
    launches = _launches(forge)
    began, then = time.monotonic(), clock.now()
    outcomes = _in_passes(burster, launches, clock)
    seconds, simulated = time.monotonic() - began, (clock.now() - then).total_seconds()
    assert len(outcomes) == JOBS, "every job got a machine"
    assert len(cloud.handed) == len({i.name for i in cloud.live()}) == JOBS, "each of its own, handed over"
    what = f"{JOBS:,} jobs of {LABEL_SETS} label sets"
    return [
        Figure(f"CreateFleet calls for {what}", len(cloud.fleets), "calls", MOST_FLEETS),
        Figure(f"our own time for {what}", seconds, "s", MOST_SECONDS),
        Figure(f"... at {REGISTRATIONS_A_MINUTE} registrations a minute (simulated)", simulated, "s"),
    ]


def _in_passes(burster: Burster, launches: list[Launch], clock: FakeClock) -> list[BurstOutcome]:
    """Start them as passes do: the rest when the pace allows more."""
    started: list[BurstOutcome] = []
    for _ in range(JOBS):
        outcomes = burster.start(launches)
        started += [outcome for outcome in outcomes if outcome.started]
        launches = [outcome.launch for outcome in outcomes if not outcome.started]
        if not launches:
            break
        clock.advance(burster.pace.room_in(len(launches), LEAST_AT_ONCE))
    return started


def _launches(forge: FakeForge) -> list[Launch]:
    labels = [f"runnerkit={number % LABEL_SETS}/gpu=t4" for number in range(JOBS)]
    jobs = [forge.queue(REPO, [label], run_id=number % LABEL_SETS + 1) for number, label in enumerate(labels)]
    spec = RunnerSpec(type=("g4dn.xlarge",))
    return [Launch(RunnerName.for_job(j.id), REPO, j.labels, spec, run_id=j.run_id, job_id=j.id) for j in jobs]
