"""What a simulation came to: how long jobs waited, what it cost, what was wasted, what was survived."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from runnerkit import costs
from runnerkit.wishes import HOUR

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from runnerkit.testing.simulation.judge import Breach
    from runnerkit.testing.simulation.ledger import Hire, Task
    from runnerkit.testing.simulation.simulator import Simulation

ALL = "all"


@dataclass(frozen=True, slots=True)
class Waits:
    """How long jobs were queued, in seconds, over all attempts that began."""

    jobs: int
    p50: float
    p90: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Money:
    """Dollars; ``all_on_demand`` is what the same machines would have cost without spot."""

    spot: float = 0.0
    on_demand: float = 0.0
    all_on_demand: float = 0.0

    @property
    def total(self) -> float:
        """Everything that was paid."""
        return self.spot + self.on_demand


@dataclass(frozen=True, slots=True)
class Waste:
    """Machine time without use, and its dollars. ``failed`` are machines that never came online."""

    seconds: float = 0.0
    dollars: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """Everything about one simulation. Times are seconds, ``breaches`` the invariants that broke."""

    scenario: str
    seed: int
    days: float
    took: float
    runs: int
    jobs: int
    outcomes: Mapping[str, int]
    queue: Mapping[str, Waits]
    machines: int
    most_machines: int
    machine_seconds: float
    work_seconds: float
    money: Money
    waste: Mapping[str, Waste]
    interruptions: int
    interrupted_jobs: int
    survived: int
    reruns: int
    launches: int
    refusals: int
    launch_failures: int
    given_up: int
    crashes: int
    passes: int
    calls: Mapping[str, float]
    breaches: tuple[Breach, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether every invariant held."""
        return not self.breaches

    def as_dict(self) -> dict[str, Any]:
        """The report as programs get it."""
        plain = asdict(self)
        money = plain["money"] | {"total": self.money.total}
        return plain | {"ok": self.ok, "money": money, "breaches": [breach.as_dict() for breach in self.breaches]}


def reckon(simulation: Simulation, took: float) -> Report:
    """Add up what happened."""
    world, judge = simulation.world, simulation.judge
    ledger, now = world.ledger, world.clock.now()
    tasks, hires = list(ledger.tasks.values()), list(ledger.hires.values())
    hit = [task for task in tasks if task.interrupted]
    passes = judge.events["pass-ended"]
    calls: Counter[tuple[str, str]] = sum((control.calls for control in simulation.controls), Counter())
    per_pass = {
        f"{system} {name}": round(number / max(1, passes), 4) for (system, name), number in sorted(calls.items())
    }
    tries = simulation.scenario.policy.max_tries
    tried = [ledger.of_job[job_id][1] for job_id, number in ledger.launches.items() if number >= tries]
    return Report(
        scenario=simulation.scenario.name,
        seed=simulation.scenario.seed,
        days=simulation.scenario.days,
        took=round(took, 2),
        runs=len({(task.repo, task.run_id) for task in tasks}),
        jobs=len(tasks),
        outcomes=dict(sorted(Counter(task.conclusion or "waiting" for task in tasks).items())),
        queue=_queue(tasks),
        machines=len(hires),
        most_machines=judge.most_machines,
        machine_seconds=sum(_life(hire, now) for hire in hires),
        work_seconds=sum(hire.worked for hire in hires),
        money=_money(hires, now),
        waste=_waste(hires, tasks, now),
        interruptions=sum(hire.interrupted for hire in hires),
        interrupted_jobs=len(hit),
        survived=sum(task.conclusion == "success" for task in hit),
        reruns=len(world.forge.reruns),
        launches=world.cloud.launches,
        refusals=judge.events["offering-refused"],
        launch_failures=judge.events["launch-failed"],
        given_up=sum(stint.taken_at is None for stint in tried),
        crashes=sum(control.crashes for control in simulation.controls),
        passes=passes,
        calls=per_pass,
        breaches=tuple(judge.breaches),
    )


def waits(seconds: Sequence[float]) -> Waits:
    """Percentiles by nearest rank; zeros when there is nothing."""
    ordered = sorted(seconds)
    if not ordered:
        return Waits(0, 0.0, 0.0, 0.0, 0.0)

    def rank(share: float) -> float:
        return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * int(share * 100) // 100) - 1))]

    return Waits(len(ordered), rank(0.5), rank(0.9), rank(0.99), ordered[-1])


def _queue(tasks: Iterable[Task]) -> dict[str, Waits]:
    found: dict[str, list[float]] = defaultdict(list)
    for task in tasks:
        for stint in task.stints:
            if stint.taken_at is not None:
                seconds = (stint.taken_at - stint.queued_at).total_seconds()
                found[ALL].append(seconds)
                found[task.label].append(seconds)
    return {ALL: waits(found.pop(ALL, [])), **{label: waits(found[label]) for label in sorted(found)}}


def _life(hire: Hire, now: datetime) -> float:
    return ((hire.ended_at or now) - hire.rental.since).total_seconds()


def _price(hire: Hire) -> float:
    return hire.rental.price or 0.0


def _money(hires: Iterable[Hire], now: datetime) -> Money:
    spot = on_demand = instead = 0.0
    for hire in hires:
        rental = hire.final(now)
        paid = costs.dollars(rental, now) or 0.0
        instead += paid + (costs.saved(rental, now) or 0.0)
        if hire.spot:
            spot += paid
        else:
            on_demand += paid
    return Money(spot, on_demand, instead)


def _waste(hires: Sequence[Hire], tasks: Iterable[Task], now: datetime) -> dict[str, Waste]:
    seconds: Counter[str] = Counter()
    dollars: Counter[str] = Counter()
    for hire in hires:
        for kind, part in _parts(hire, now):
            seconds[kind] += part  # type: ignore[assignment]  # seconds may be fractions
            dollars[kind] += part * _price(hire) / HOUR  # type: ignore[assignment]  # as dollars are
    for task in tasks:
        seconds["repeated"] += task.repeated  # type: ignore[assignment]  # as above
        dollars["repeated"] += task.repeated_dollars  # type: ignore[assignment]  # as above
    return {kind: Waste(seconds[kind], dollars[kind]) for kind in ("boot", "idle", "failed", "repeated")}


def _parts(hire: Hire, now: datetime) -> Iterable[tuple[str, float]]:
    life = _life(hire, now)
    if hire.online_at is None:
        return [("failed", life)]
    boot = (hire.online_at - hire.rental.since).total_seconds()
    return [("boot", boot), ("idle", max(0.0, life - boot - hire.worked))]
