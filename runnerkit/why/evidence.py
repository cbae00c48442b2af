"""What is known about a question, and how it is looked up. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runnerkit.actions import Launch
from runnerkit.names import RunnerName, label_key
from runnerkit.phases import Pair, is_capacity, join

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from runnerkit.actions import Refused, Waiting
    from runnerkit.history import Note, Run
    from runnerkit.model import Instance, Job, Runner
    from runnerkit.passes import Pass
    from runnerkit.recovery import Reason, Recovery
    from runnerkit.wishes import Policy

INTERRUPTED = "instance-interrupted"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was found.

    ``jobs`` are those of the run's latest attempt and the one asked about; ``runs`` are by id. ``seen`` is what a pass
    would see and decide just now, None when that could not be found out. ``served`` is None where nobody says which
    repositories are. ``recoveries`` are what becomes of runs that are over. ``unknown`` are sentences.
    """

    policy: Policy
    runs: dict[int, Run] = field(default_factory=dict)
    jobs: tuple[Job, ...] = ()
    instances: tuple[Instance, ...] = ()
    runners: tuple[Runner, ...] = ()
    notes: tuple[Note, ...] = ()
    annotated: frozenset[int] = frozenset()
    seen: Pass | None = None
    served: bool | None = None
    arrays: bool = False
    recoveries: dict[int, Recovery | Reason] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    # --- machines -----------------------------------------------------------------------------------------------------

    def instances_named(self, names: Collection[str]) -> list[Instance]:
        """The instances with one of these names, oldest first."""
        found = [each for each in self.instances if each.name.lower() in names]
        return sorted(found, key=lambda each: (each.launched_at, each.id))

    def notes_about(self, names: Collection[str]) -> list[Note]:
        """What the journal says about runners of these names."""
        return [note for note in self.notes if note.text("runner").lower() in names]

    def names_for(self, job: Job) -> frozenset[str]:
        """The names of the machines that were launched, or tried, for this very job."""
        stem = RunnerName.for_job(job.id).stem
        return frozenset(name for name, parsed in self._names() if parsed.stem == stem)

    def names_by_hand(self, job: Job) -> frozenset[str]:
        """The names of the machines that `launch` made in the job's run, as far as they could take it."""
        others = {each.name.lower() for each in self.runners if label_key(each.labels) != label_key(job.labels)}
        ours = (
            name for name, parsed in self._names() if parsed.stem.startswith(f"{RunnerName.for_job(job.run_id).stem}-")
        )
        return frozenset(ours) - others

    def _names(self) -> Iterator[tuple[str, RunnerName]]:
        known = {each.name.lower() for each in self.instances} | {each.name.lower() for each in self.runners}
        known |= {note.text("runner").lower() for note in self.notes}
        yield from ((name, parsed) for name in known if (parsed := RunnerName.parse(name)))

    def lost(self) -> frozenset[str]:
        """The names of the machines that AWS took back, as EC2 or the journal knows."""
        shown = {each.name.lower() for each in self.instances if each.taken_back}
        return frozenset(shown | {note.text("runner").lower() for note in self.notes if note.kind == INTERRUPTED})

    def is_interrupted(self, job: Job) -> bool:
        """Whether a job that did not end well lost its machine to AWS."""
        return job.id in self.annotated or (job.runner_name or "").lower() in self.lost()

    def taker(self, name: str) -> int | None:
        """The job that took the machine of this name."""
        for job in self.jobs:
            if (job.runner_name or "").lower() == name:
                return job.id
        taken = (note.id("job") for note in self.notes_about({name}) if note.kind in {"job-taken", "job-over"})
        return next((job for job in taken if job is not None), None)

    def capacity(self, job: Job, now: datetime) -> list[Pair]:
        """The machines on their way or ready that could take a job."""
        return [pair for pair in self.pairs() if is_capacity(pair, self.policy, now) and self._fits(pair, job)]

    def pairs(self) -> Iterator[Pair]:
        """Instances and runners, joined as a pass joins them."""
        if self.seen is not None:
            yield from join(self.seen.observed)

    def _fits(self, pair: Pair, job: Job) -> bool:
        if pair.runner is not None:
            return label_key(pair.runner.labels) == label_key(job.labels)
        return pair.name.lower() in self.names_for(job)

    # --- jobs ---------------------------------------------------------------------------------------------------------

    def notes_of(self, job_id: int) -> list[Note]:
        """What the journal says about a job."""
        return [note for note in self.notes if note.id("job") == job_id and not note.text("runner")] + [
            note for note in self.notes if note.kind in {"job-taken", "job-over"} and note.id("job") == job_id
        ]

    def waiting(self, job_id: int) -> Waiting | None:
        """Why the plan launches nothing for a job just now."""
        found = self.seen.plan.waiting if self.seen else ()
        return next((each for each in found if each.job.id == job_id), None)

    def refused(self, job_id: int) -> Refused | None:
        """Why a job gets nothing."""
        return next((each for each in (self.seen.refused if self.seen else ()) if each.job.id == job_id), None)

    def launch(self, job_id: int) -> Launch | None:
        """The launch that the next pass makes for a job."""
        actions = self.seen.plan.actions if self.seen else ()
        return next((each for each in actions if isinstance(each, Launch) and each.job_id == job_id), None)

    def is_unserved(self, job_id: int) -> bool:
        """Whether no registered runner could take a job that does not ask for us."""
        return self.seen is not None and any(job.id == job_id for job in self.seen.unserved)
