"""One pass over the world, as it is shown, told and kept: what was seen, what was decided, what became of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runnerkit.actions import Waiting
from runnerkit.pacing import PACED

if TYPE_CHECKING:
    from datetime import datetime

    from runnerkit.actions import Demand, Plan, Refused
    from runnerkit.applying import Outcome
    from runnerkit.errors import ForgeError
    from runnerkit.model import Job, Observed
    from runnerkit.phases import Pair, Phase
    from runnerkit.recovery import Recovery


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: what was seen, what was decided, and what became of it (nothing yet, for a preview).

    ``blind`` is why not one repository could be read: then only lifetimes were looked at. ``unserved`` are queued jobs
    that do not ask for us and that no registered runner could take, ``active`` all jobs of runs that are not over,
    ``recoveries`` the interrupted runs that may go on.
    """

    observed: Observed
    demand: tuple[Demand, ...]
    refused: tuple[Refused, ...]
    plan: Plan
    outcomes: tuple[Outcome, ...] = ()
    blind: ForgeError | None = None
    unserved: tuple[Job, ...] = ()
    active: tuple[Job, ...] = ()
    recoveries: tuple[Recovery, ...] = ()

    @property
    def served(self) -> tuple[Job, ...]:
        """The jobs that get a machine, or have one."""
        return (*(demand.job for demand in self.demand), *(job for job in self.active if job.runner_name))

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The actions that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.error is not None)

    @property
    def put_off(self) -> int:
        """How many launches the pace of registrations left for a later pass."""
        return sum(outcome.note == PACED for outcome in self.outcomes)

    @property
    def due(self) -> datetime | None:
        """When launches that were put off may go on; None when there are none."""
        return next((waiting.until for waiting in self.plan.waiting if waiting.why == PACED), None)

    def with_waiting(self, until: datetime) -> Pass:
        """The same with launches that were put off as jobs that wait: nothing is being launched for them."""
        late = [outcome.action for outcome in self.outcomes if outcome.note == PACED]
        names, jobs = {str(each.name) for each in late}, {getattr(each, "job_id", None) for each in late}
        waiting = tuple(Waiting(wish.job, PACED, until) for wish in self.demand if wish.job.id in jobs)
        actions = tuple(action for action in self.plan.actions if str(action.name) not in names)
        outcomes = tuple(outcome for outcome in self.outcomes if outcome.note != PACED)
        plan = replace(self.plan, actions=actions, waiting=(*self.plan.waiting, *waiting))
        return replace(self, outcomes=outcomes, plan=plan)


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """One machine as ``status`` shows it."""

    name: str
    phase: Phase
    pair: Pair
