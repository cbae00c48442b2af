"""How long one decision takes when there is very much to decide, and how that grows.

`plan()` sees n queued jobs and n runners with their machines: in every phase, under label sets of one job and of
hundreds. It is to stay under a second for n = 10,000 and to grow linearly: twice the world, about twice the time. Both
sizes are measured in turn, each time over a world whose label sets were never seen before; the smallest time of each
counts. It is processor time, which is what the clock shows when nobody else uses the processor: `plan()` waits for
nothing.
"""

from __future__ import annotations

import gc
import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from figures import Figure, Spread

from runnerkit.actions import Demand, Plan
from runnerkit.model import Failure, Instance, Job, Market, Observed, Runner, State
from runnerkit.names import Birth, RunnerName, label_digest
from runnerkit.plan import plan
from runnerkit.wishes import Policy, RunnerSpec

SIZES = (5_000, 10_000)
ROUNDS = 12
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
REPOS = tuple(f"acme/widgets-{number}" for number in range(20))
POLICY = Policy(max_machines=1_000_000)
SHARED_LABELS = 25
FAILURES_PER_THOUSAND = 10


def measure() -> list[Figure]:
    """Plan for both sizes in turn."""
    seconds: dict[int, list[float]] = {size: [] for size in SIZES}
    for turn in range(ROUNDS):
        for size in SIZES:
            seconds[size].append(_planned(size, turn))
    half, whole = (Spread.of(seconds[size]) for size in SIZES)
    return [
        Figure(f"plan() for {SIZES[1]:,} jobs and {SIZES[1]:,} runners", whole.least, "s", 1.0, spread=whole),
        Figure(f"plan() for {SIZES[0]:,} jobs and {SIZES[0]:,} runners", half.least, "s", spread=half),
        Figure("twice the world takes", whole.least / half.least, "x", 2.6),
    ]


def _planned(size: int, turn: int) -> float:
    """Seconds for one plan; that it decided about everything is checked."""
    observed, demand = crowd(size, seed=f"{size}-{turn}")
    gc.collect()
    began = time.thread_time()
    decided = plan(observed, demand, POLICY, NOW)
    seconds = time.thread_time() - began
    _check(decided, size)
    return seconds


def _check(decided: Plan, size: int) -> None:
    launches = sum(type(action).__name__ == "Launch" for action in decided.actions)
    assert launches + len(decided.waiting) == size, "every job is either launched for or told why not"
    assert len({type(action).__name__ for action in decided.actions}) == 5, "every kind of action occurs"


class _Kind(NamedTuple):
    """A machine of one phase: EC2's state, what GitHub says of its runner (None: no such runner), its age."""

    state: State
    online: bool | None
    busy: bool
    connected: bool
    age: float
    batch: str = ""


KINDS = (
    _Kind(State.PENDING, online=False, busy=False, connected=False, age=30),  # booting
    _Kind(State.RUNNING, online=False, busy=False, connected=False, age=900),  # booting, too late
    _Kind(State.RUNNING, online=True, busy=False, connected=True, age=200),  # ready
    _Kind(State.RUNNING, online=True, busy=True, connected=True, age=4_000),  # busy
    _Kind(State.RUNNING, online=False, busy=False, connected=True, age=4_000),  # lost
    _Kind(State.RUNNING, online=None, busy=False, connected=False, age=900),  # gone
    _Kind(State.RUNNING, online=None, busy=False, connected=False, age=900, batch="1-0-0"),  # unnamed, of a burst
    _Kind(State.TERMINATED, online=False, busy=False, connected=False, age=900),  # dangling
    _Kind(State.STOPPED, online=False, busy=False, connected=True, age=900),  # stopped
    _Kind(State.RUNNING, online=True, busy=True, connected=True, age=90_000),  # beyond its lifetime
)


def crowd(size: int, seed: str) -> tuple[Observed, list[Demand]]:
    """A world of so many machines, runners and queued jobs; another seed gives label sets nobody has seen."""
    jobs = [_job(number, seed) for number in range(size)]
    instances: list[Instance] = []
    runners: list[Runner] = []
    for number, job in enumerate(jobs):
        kind = KINDS[number % len(KINDS)]
        instances.append(_instance(number, job, kind))
        if kind.online is not None:
            runners.append(_runner(number, job, kind))
        else:
            # A registration whose instance is not listed yet, so that there are as many runners as machines.
            runners.append(_runner(size + number, job, KINDS[0]))
    failures = tuple(_failure(jobs[number * 7 % size]) for number in range(size * FAILURES_PER_THOUSAND // 1000))
    observed = Observed(NOW, frozenset(REPOS), tuple(instances), tuple(runners), failures)
    return observed, [Demand(job, RunnerSpec(), job.repo) for job in jobs]


def _job(number: int, seed: str) -> Job:
    """Two jobs of three share a label set with hundreds of others; every third has one of its own."""
    scope = f"{seed}-{number}" if number % 3 == 0 else f"{seed}-shared-{number % SHARED_LABELS}"
    labels = (f"runnerkit={scope}/gpu=t4", *(("linux",) if number % 2 else ()))
    created = NOW - timedelta(seconds=number % 3_600)
    return Job(number + 1, number + 1, 1, REPOS[number % len(REPOS)], "train", "queued", labels, created)


def _instance(number: int, job: Job, kind: _Kind) -> Instance:
    launched = NOW - timedelta(seconds=kind.age)
    return Instance(
        f"i-{number:017x}",
        "" if kind.batch else str(RunnerName.for_job(job.id)),
        job.repo,
        "us-east-1",
        "us-east-1a",
        "g4dn.xlarge",
        Market.SPOT,
        kind.state,
        launched,
        digest=label_digest(job.repo, job.labels),
        runner_id=None if kind.batch else number,
        online_by=launched + timedelta(seconds=300),
        idle_until=launched + timedelta(seconds=600),
        expires_at=launched + timedelta(days=1),
        batch=kind.batch,
        hand_over_by=launched + timedelta(seconds=60) if kind.batch else None,
    )


def _runner(number: int, job: Job, kind: _Kind) -> Runner:
    return Runner(
        number,
        str(RunnerName.for_job(job.id)),
        job.repo,
        online=bool(kind.online),
        busy=kind.busy,
        labels=(*job.labels, Birth(NOW - timedelta(seconds=kind.age)).label),
        connected=kind.connected,
        place=job.repo,
    )


def _failure(job: Job) -> Failure:
    return Failure(
        NOW - timedelta(minutes=5), label_digest(job.repo, job.labels), "no-capacity", str(RunnerName.for_job(job.id))
    )
