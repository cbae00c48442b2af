"""What truly happened to every job and machine of a simulation, as only the world itself knows it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from runnerkit import costs
from runnerkit.model import Market

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from runnerkit.history import Rental
    from runnerkit.model import Instance, Job, Offering
    from runnerkit.testing.simulation.load import Piece

TaskKey = tuple[str, int, str]


@dataclass
class Stint:
    """One attempt at a job."""

    job_id: int
    attempt: int
    queued_at: datetime
    taken_at: datetime | None = None
    over_at: datetime | None = None
    conclusion: str = ""
    interrupted: bool = False


@dataclass
class Task:
    """A job through all of its attempts. ``saved`` are the seconds of work that need not be done again."""

    repo: str
    run_id: int
    label: str
    piece: Piece
    stints: list[Stint] = field(default_factory=list)
    saved: float = 0.0
    repeated: float = 0.0
    repeated_dollars: float = 0.0
    cancelled: bool = False

    @property
    def interrupted(self) -> bool:
        """Whether AWS took a machine of it."""
        return any(stint.interrupted for stint in self.stints)

    @property
    def conclusion(self) -> str:
        """How its latest attempt ended; empty while it goes on."""
        return self.stints[-1].conclusion if self.stints else ""


@dataclass
class Hire:
    """A machine from its launch to its end."""

    rental: Rental
    spot: bool
    online_at: datetime | None = None
    ended_at: datetime | None = None
    worked: float = 0.0
    interrupted: bool = False

    def final(self, now: datetime) -> Rental:
        """The rental as the bill sees it in the end."""
        return replace(self.rental, until=self.ended_at or now)


class Ledger:
    """Every task by its run and name, every machine by its id."""

    def __init__(self, offerings: Iterable[Offering]) -> None:
        self.tasks: dict[TaskKey, Task] = {}
        self.hires: dict[str, Hire] = {}
        self.of_job: dict[int, tuple[Task, Stint]] = {}
        self.launches: dict[int, int] = {}
        self._prices = {(o.type.name, o.zone, o.market): o.price for o in offerings}

    def queued(self, job: Job, label: str, piece: Piece) -> Task:
        """A job of a new run."""
        task = Task(job.repo, job.run_id, label, piece)
        self.tasks[key(job)] = task
        self._add(task, job)
        return task

    def again(self, job: Job) -> tuple[Task, Stint]:
        """A job that was queued again, and the attempt before it."""
        task = self.tasks[key(job)]
        before = task.stints[-1]
        self._add(task, job)
        return task, before

    def _add(self, task: Task, job: Job) -> None:
        stint = Stint(job.id, job.run_attempt, job.created_at)
        task.stints.append(stint)
        self.of_job[job.id] = (task, stint)

    def launched(self, instance: Instance) -> Hire:
        """A machine was started."""
        pool = (instance.type, instance.zone)
        price, on_demand = (self._prices.get((*pool, market)) for market in (instance.market, Market.ON_DEMAND))
        rental = replace(costs.hired(instance), price=price, on_demand=on_demand)
        hire = Hire(rental, spot=instance.market is Market.SPOT)
        self.hires[instance.id] = hire
        self._count(instance)
        return hire

    def handed_over(self, hire: Hire, instance: Instance) -> None:
        """A machine of a burst learns only after its start whose it is."""
        if instance.name and not hire.rental.runner:
            whose = {"runner": instance.name, "run_id": instance.run_id, "job_id": instance.job_id}
            hire.rental = replace(hire.rental, **whose)  # type: ignore[arg-type]  # fields of a rental
            self._count(instance)

    def _count(self, instance: Instance) -> None:
        if instance.job_id is not None:
            self.launches[instance.job_id] = self.launches.get(instance.job_id, 0) + 1

    def over(self, job_id: int, at: datetime, conclusion: str) -> None:
        """An attempt ended."""
        _, stint = self.of_job[job_id]
        stint.over_at, stint.conclusion = at, conclusion


def key(job: Job) -> TaskKey:
    """What stays the same when a job is run again under a new id."""
    return job.repo, job.run_id, job.name
