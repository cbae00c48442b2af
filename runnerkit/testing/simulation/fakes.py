"""The fakes of a simulation: what a machine will come to, an EC2 to look into, a GitHub that forgets, a market."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from runnerkit.model import Market
from runnerkit.names import RunnerName
from runnerkit.testing.cloud import SPOT_SHARE, FakeCloud, shop
from runnerkit.testing.forge import OVER, FakeForge
from runnerkit.testing.world import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.model import Instance, Offering, Registration
    from runnerkit.ports import Clock
    from runnerkit.testing.lies import Lies
    from runnerkit.testing.simulation.ledger import Hire
    from runnerkit.testing.simulation.scenario import Scenario

NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass
class SimBox(Box):
    """A machine that knows what will become of it."""

    boot: float = 0.0
    taken_at: datetime = NEVER
    tells: bool = True
    falls_silent: bool = False
    hire: Hire | None = None
    seen: Instance | None = None
    began: datetime | None = None

    @property
    def idle(self) -> bool:
        """Whether it waits for a job."""
        return self.online_at is not None and self.job_id is None and not self.done_at and self.hung_since is None


class SimCloud(FakeCloud):
    """An EC2 that can be asked for one machine as it truly is."""

    def true(self, instance_id: str) -> Instance | None:
        """A machine; None when EC2 has forgotten it."""
        return self._real.get(instance_id)


class SimForge(FakeForge):
    """A GitHub that forgets old runs, so that days of them cost no more than hours.

    ``tried`` tells how many names were ever registered for a job: each is a try, whether a machine came of it or not.
    """

    def __init__(self, clock: Clock, lies: Lies | None = None) -> None:
        super().__init__(clock, lies)
        self.tried: Counter[int] = Counter()

    def register(self, repo: str, name: str, labels: Sequence[str]) -> Registration:
        """Register a runner, and count its name as a try for its job."""
        known = RunnerName.parse(name)
        job = known.stem.removeprefix("rk-") if known else ""
        if known and job.isdecimal():
            self.tried[int(job)] = max(self.tried[int(job)], known.serial)
        return super().register(repo, name, labels)

    def forget(self, before: datetime) -> None:
        """Forget the jobs of runs that ended before."""
        kept = {
            job.run_id for job in self._jobs.values() if job.status != OVER or (job.completed_at or before) > before
        }
        for job in [job for job in self._jobs.values() if job.run_id not in kept]:
            del self._jobs[job.id]
            self._superseded.discard(job.id)


def on_offer(scenario: Scenario) -> tuple[Offering, ...]:
    """The market of a scenario."""
    market = scenario.market
    everything = [
        offering for region in market.regions for offering in shop(region, [f"{region}{zone}" for zone in market.zones])
    ]
    share = market.spot_share / SPOT_SHARE
    return tuple(
        replace(o, price=o.price * share) if o.market is Market.SPOT and o.price else o
        for o in everything
        if any(fnmatchcase(o.type.name, pattern) for pattern in market.types)
    )
