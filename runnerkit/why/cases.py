"""A job with everything that is known about it, and the words that all verdicts share. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit import labels
from runnerkit.errors import LabelError
from runnerkit.recovery import launched_by_hand
from runnerkit.why.answers import Next

if TYPE_CHECKING:
    from datetime import datetime

    from runnerkit.model import Job
    from runnerkit.why.evidence import Evidence
    from runnerkit.why.failures import Tried

# Source: GitHub ends a job that waited for a runner for 24 hours.
QUEUE_LIMIT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Case:
    """A job and everything that is known."""

    job: Job
    evidence: Evidence
    now: datetime

    @property
    def name(self) -> str:
        """How the job is called in sentences."""
        return f"job {self.job.id}"

    @property
    def labels(self) -> str:
        """Its labels, for people."""
        return ", ".join(self.job.labels) or "no label"

    @property
    def is_ours(self) -> bool:
        """Whether it asks for us, be it in words that cannot be understood."""
        try:
            return labels.read(self.job.labels, arrays=self.evidence.arrays) is not None
        except LabelError:
            return True

    @property
    def machine(self) -> str:
        """What it ran on, and whose machine that was."""
        runner = self.job.runner_name or "no machine"
        own = self.evidence.names_for(self.job)
        if not self.is_ours or launched_by_hand(runner) or runner.lower() in own or not self.job.runner_name:
            return runner
        return f"{runner}, a machine that was launched for another job{self.own(own)}"

    def own(self, names: frozenset[str]) -> str:
        """What became of the machine that was launched for this job, where a sibling's served it."""
        for name in sorted(names, reverse=True):
            taker = self.evidence.taker(name)
            if taker is not None and taker != self.job.id:
                return f" (its own, {name}, took job {taker})"
            if any(instance.live for instance in self.evidence.instances_named({name})):
                return f" (its own, {name}, is still there)"
        return f" (its own, {max(names)}, has ended)" if names else ""


def said(past: Tried) -> str:
    """What was tried, as the end of a sentence."""
    text = str(past)
    return f"; {text}" if text else ""


def limit(case: Case) -> tuple[Next, ...]:
    """What happens to a queued job in the end."""
    return (Next("GitHub gives the job up, after 24 hours in the queue", case.job.created_at + QUEUE_LIMIT),)
