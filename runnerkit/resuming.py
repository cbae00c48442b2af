"""One run that AWS interrupted goes on, without a controller: machines first, then GitHub repeats what was lost.

Twice at the same time is harmless: the machines have the same names, the run is read afresh before it is repeated, and
GitHub lets only one repeat it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from runnerkit.errors import ForgeError, ForgeRejected, NothingKnown
from runnerkit.events import RunRepeated
from runnerkit.names import RunnerName
from runnerkit.recovery import ANNOTATION, OVER, WELL, Reason, Recovery, recoverable
from runnerkit.slots import LaunchRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runnerkit.history import Run
    from runnerkit.launching import Outside
    from runnerkit.model import Instance, Job
    from runnerkit.recovery import Wanted
    from runnerkit.slots import Slot
    from runnerkit.wishes import Policy, RunnerSpec

# After a notice the job fails in seconds. AWS takes the machine within two minutes, or it ends itself a minute later.
REASON_WITHIN = timedelta(minutes=4)
LOOK_EVERY = 5.0
REMEMBERED = timedelta(days=2)


class Done(StrEnum):
    """What became of it: stable words for programs."""

    REPEATED = "repeated"
    WOULD_REPEAT = "would-repeat"
    SOMEBODY = "somebody-else"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Resumed:
    """What was decided about a run, what was done, and the machines that were made for it."""

    run: Run
    decision: Recovery | Reason
    done: Done
    slots: tuple[Slot, ...] = ()


class Resumer:
    """Decides about one run and carries it out.

    Args:
        outside: The ports.
        policy: The bounds of the run's repository.
        spec_of: The wish of a job; None when it is not ours.
        launch: Makes the machines of a request, or adopts those that are there.
    """

    def __init__(
        self,
        outside: Outside,
        policy: Policy,
        spec_of: Callable[[Job], RunnerSpec | None],
        launch: Callable[[LaunchRequest], Sequence[Slot]],
    ) -> None:
        self._outside = outside
        self._policy = policy
        self._spec_of = spec_of
        self._launch = launch

    def resume(self, repo: str, run_id: int, *, dry_run: bool = False) -> Resumed:
        """Let a run go on, if AWS interrupted it.

        Raises:
            NothingKnown: There is no such run.
            NoCapacity: No machine could be had for it; nothing was repeated, so it can be tried again.
            ForgeError, CloudError: GitHub or EC2 could not be asked, or refused.
        """
        run = self._run(repo, run_id)
        decision = self._decide(run)
        if isinstance(decision, Reason):
            return Resumed(run, decision, Done.LEFT)
        if dry_run:
            return Resumed(run, decision, Done.WOULD_REPEAT)
        slots = tuple(slot for wanted in decision.machines for slot in self._launch(_request(decision, wanted)))
        return Resumed(run, decision, self._repeat(decision), slots)

    def _run(self, repo: str, run_id: int) -> Run:
        run = self._outside.forge.run(repo, run_id)
        if run is None:
            raise NothingKnown(f"{repo} has no run {run_id}", hint="check the number and the repository (--repo)")
        return run

    # --- deciding -----------------------------------------------------------------------------------------------------

    def _decide(self, run: Run) -> Recovery | Reason:
        jobs = self._outside.forge.jobs(run.repo, run.id)
        failed = [job for job in jobs if job.conclusion not in WELL and job.status == OVER and _ran_on_ours(job)]
        # Without a failed job that ran on a machine of ours, there is nothing that AWS could have interrupted.
        said = {job.id for job in failed if self._says_so(job)}
        unsure = [job for job in failed if job.id not in said]
        lost = self._lost(unsure) if run.status == OVER and failed else frozenset()
        return recoverable(run, jobs, lost, said, self._policy, self._spec_of)

    def _says_so(self, job: Job) -> bool:
        """Whether the job said that its machine is taken; who may not read that has EC2's word."""
        try:
            return any(ANNOTATION in text for text in self._outside.forge.annotations(job.repo, job.id))
        except ForgeError as error:
            if error.retryable:
                raise
            return False

    def _lost(self, unsure: Sequence[Job]) -> frozenset[str]:
        """The machines that AWS took. EC2 gives its reason only once they have ended, which is waited for."""
        clock, names = self._outside.clock, {(job.runner_name or "").lower() for job in unsure}
        notes = self._outside.journal.notes(clock.now() - REMEMBERED, {"instance-interrupted"})
        noted = {note.text("runner").lower() for note in notes}
        until = clock.now() + REASON_WITHIN
        while True:
            instances = self._outside.cloud.instances()
            if not any(_is_ending(each, names - noted) for each in instances) or clock.now() >= until:
                return frozenset(noted | {each.name.lower() for each in instances if each.taken_back})
            clock.wait(LOOK_EVERY)

    # --- doing --------------------------------------------------------------------------------------------------------

    def _repeat(self, decision: Recovery) -> Done:
        """Repeat the run unless somebody else has: it is read afresh, and GitHub's refusal may mean just that."""
        run, forge = decision.run, self._outside.forge
        if self._is_repeated(run):
            return Done.SOMEBODY
        try:
            if decision.job is not None:
                forge.rerun_job(run.repo, decision.job.id)
            else:
                forge.rerun_failed(run.repo, run.id)
        except ForgeRejected:
            if self._is_repeated(run):
                return Done.SOMEBODY
            raise
        name = decision.interrupted[0].runner_name or ""
        self._outside.events.emit(RunRepeated(name, run.repo, run.id, decision.attempt))
        return Done.REPEATED

    def _is_repeated(self, before: Run) -> bool:
        run = self._run(before.repo, before.id)
        return run.attempt != before.attempt or run.status != OVER


def _ran_on_ours(job: Job) -> bool:
    return RunnerName.parse((job.runner_name or "").lower()) is not None


def _is_ending(instance: Instance, names: set[str]) -> bool:
    return instance.name.lower() in names and (instance.live or not instance.state_reason)


def _request(decision: Recovery, wanted: Wanted) -> LaunchRequest:
    run = decision.run
    return LaunchRequest(run.repo, wanted.labels, wanted.spec, run.id, decision.attempt, wanted.count)
