"""One pass over the world, as it is shown, told and kept: what was seen, what was decided, what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    def failed(self) -> tuple[Outcome, ...]:
        """The actions that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.error is not None)


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """One machine as ``status`` shows it."""

    name: str
    phase: Phase
    pair: Pair
