"""From a load to the runs that come: when, with how many jobs, how long each works, and how it ends. Pure."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerkit.wishes import HOUR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.testing.simulation.scenario import Load, Scenario

# GitHub ends a job after six hours unless the workflow says otherwise.
JOB_LIMIT = 6 * HOUR
PATIENCE_OF_PEOPLE = 600.0


@dataclass(frozen=True, slots=True)
class Piece:
    """The work of one job: its seconds, how it ends by itself, and after how many somebody cancels it."""

    seconds: float
    conclusion: str = "success"
    cancelled_after: float | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A run that is queued ``at`` seconds after the start."""

    at: float
    load: Load
    pieces: tuple[Piece, ...]


def arrivals(scenario: Scenario) -> Iterator[Arrival]:
    """Every run of a scenario in order of time: Poisson within each hour, the same for the same seed."""
    found = [arrival for number, load in enumerate(scenario.load) for arrival in _of(scenario, load, number)]
    yield from sorted(found, key=lambda arrival: arrival.at)


def burst(scenario: Scenario, at: float, jobs: int) -> Iterator[Arrival]:
    """So many runs of one job each at the same moment, shared out over the loads."""
    chance = random.Random(f"{scenario.seed} burst {at}")
    for number in range(jobs):
        load = scenario.load[number % len(scenario.load)]
        yield Arrival(at, load, (_piece(chance, load),))


def _of(scenario: Scenario, load: Load, number: int) -> Iterator[Arrival]:
    chance = random.Random(f"{scenario.seed} load {number}")
    jobs_of_a_run = 1 + load.matrix * (load.matrix_size - 1)
    at, end = 0.0, scenario.days * 24 * HOUR
    most = max((load.rate(hour) for hour in range(24)), default=0.0) / jobs_of_a_run
    while most > 0:
        at += chance.expovariate(most / HOUR)
        if at >= end:
            break
        # Thinning: candidates come at the rate of the busiest hour, the others keep their share of them.
        if chance.random() * most <= load.rate(int(at // HOUR)) / jobs_of_a_run:
            size = load.matrix_size if chance.random() < load.matrix else 1
            yield Arrival(at, load, tuple(_piece(chance, load) for _ in range(size)))


def _piece(chance: random.Random, load: Load) -> Piece:
    duration = load.duration
    seconds = min(duration.most, duration.median * math.exp(chance.gauss(0, duration.spread)))
    roll = chance.random()
    if roll < load.hangs:
        return Piece(JOB_LIMIT, "timed_out")
    if roll < load.hangs + load.fails:
        return Piece(seconds * chance.random(), "failure")
    if roll < load.hangs + load.fails + load.cancelled:
        return Piece(seconds, cancelled_after=chance.uniform(1, PATIENCE_OF_PEOPLE))
    return Piece(seconds)
