"""A job from its submission to its end: every change of state told, a long wait explained, the log given out. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerkit.batch.ending import cancel
from runnerkit.batch.explaining import Others, explain, giving_up
from runnerkit.batch.links import log_link
from runnerkit.batch.states import JobState
from runnerkit.errors import CloudUnavailable, RunnerkitError
from runnerkit.job.result import duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from runnerkit.batch.explaining import Explanation
    from runnerkit.batch.ports import Service
    from runnerkit.batch.reading import Log
    from runnerkit.batch.states import Job
    from runnerkit.ports import Clock

SLOWER, LATEST = 1.5, 10.0
# Looks in a row that may fail, some minutes in all: a job of days outlives that.
PATIENCE = 30
LONGEST_BETWEEN_EXPLANATIONS = 60.0
WORDS = {
    JobState.SUBMITTED: "Batch has the job",
    JobState.PENDING: "Batch looks at the job",
    JobState.RUNNABLE: "the job waits for a machine",
    JobState.STARTING: "the job has a machine, which pulls the image and starts the container",
    JobState.RUNNING: "the command runs",
    JobState.SUCCEEDED: "the command ended well",
    JobState.FAILED: "the job failed",
}


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: ``poll`` between the first looks, up to ten between later ones; the others as in the options."""

    poll: float = 1.0
    explain_after: float = 120.0
    give_up_after: float = 1800.0

    def longer(self, pause: float) -> float:
        """The pause after one without news."""
        return min(pause * SLOWER, LATEST)


class Follower:
    """Follows one job. Batch has no way to wait for a change, so it is asked again and again, ever more slowly.

    Args:
        service: Batch.
        clock: For waiting.
        patience: How long for what.
        log: Gives out the job's log.
        say: Hears what happens.
    """

    def __init__(
        self, service: Service, clock: Clock, patience: Patience, log: Log, say: Callable[[str], None]
    ) -> None:
        self._service = service
        self._clock = clock
        self._patience = patience
        self._log = log
        self._say = say
        self._began = clock.now()
        self._wait = _Wait()
        self._state: JobState | None = None
        self._linked: set[str] = set()
        self._attempts = 0

    def follow(self, job_id: str) -> Job:
        """Until the job is over and its log given out; the job as it then is.

        Raises:
            RunnerkitError: Batch could not be asked for some minutes, or refuses: the job itself goes on. Or the job
                waited too long for a machine, or for one that cannot come: it was cancelled.
        """
        pause = self._patience.poll
        job = self.look(job_id)
        # The job ends, by its own timeout if by nothing else.
        while not job.state.over:
            news = self._tell(job)
            news = self._log.look(job) or news
            self._mind_the_wait(job)
            pause = self._patience.poll if news else self._patience.longer(pause)
            self._clock.wait(pause)
            job = self.look(job_id)
        self._tell(job)
        self._log.drain(job, self._clock, self._patience.poll)
        if self._log.trouble is not None:
            self._say(f"its log could not be read: {self._log.trouble.message}")
        return job

    def look(self, job_id: str) -> Job:
        """The job as it is now; AWS may fail for some minutes, and not know a job that it has just taken.

        Raises:
            RunnerkitError: It failed for longer, or refuses.
        """
        trouble: RunnerkitError = CloudUnavailable(f"Batch does not show the job {job_id}")
        pause = self._patience.poll
        for _ in range(PATIENCE):
            try:
                if found := self._service.jobs(job_id):
                    return found[0]
            except RunnerkitError as error:
                if not error.retryable:
                    raise
                trouble = error
            self._clock.wait(pause)
            pause = self._patience.longer(pause)
        raise trouble

    # --- what is told -----------------------------------------------------------------------------------------------

    def _tell(self, job: Job) -> bool:
        """Tell what changed since the last look; whether there was something."""
        changed = job.state is not self._state
        # The last attempt of a job that is over was not followed by another.
        repeated = job.attempts[: len(job.attempts) - job.state.over]
        again = len(repeated) > self._attempts
        for number, lost in enumerate(repeated[self._attempts :], start=self._attempts + 1):
            self._say(f"attempt {number} was lost: {lost.reason}; Batch ran the job again")
            self._wait = _Wait()
        if changed:
            self._say(f"{job.state} after {duration(self._passed())}: {WORDS[job.state]}")
        if job.state is JobState.RUNNING or job.state.over:
            self._link(job)
        self._state, self._attempts = job.state, len(repeated)
        return changed or again

    def _link(self, job: Job) -> None:
        for stream in job.streams:
            if stream not in self._linked:
                self._linked.add(stream)
                self._say(f"log: {log_link(self._service.region, stream)}")

    def _passed(self) -> float:
        return (self._clock.now() - self._began).total_seconds()

    # --- a machine that does not come -------------------------------------------------------------------------------

    def _mind_the_wait(self, job: Job) -> None:
        if job.state is not JobState.RUNNABLE:
            self._wait = _Wait()
            return
        wait, now = self._wait, self._clock.now()
        wait.since = wait.since or now
        waited = (now - wait.since).total_seconds()
        over = waited >= self._patience.give_up_after
        if waited >= self._patience.explain_after and (over or wait.due(now, self._patience.explain_after)):
            self._explain(job)
        if over or (wait.why is not None and wait.why.lasting):
            self._give_up(job, waited)

    def _explain(self, job: Job) -> None:
        try:
            why = explained(self._service, job)
        except RunnerkitError as error:
            self._say(f"it is not known why the job waits: {error.message}")
            return
        if self._wait.why is None or self._wait.why.text != why.text:
            self._say(f"the job still waits: {why.text}" + (f" ({why.hint})" if why.hint and not why.lasting else ""))
        self._wait.why = why

    def _give_up(self, job: Job, waited: float) -> None:
        reason = "runnerkit gave up waiting for a machine"
        ended = cancel(self._service, self._clock, job.id, reason, only_waiting=True)
        # One that got its machine at the last moment is followed on.
        if ended is None or ended.state is JobState.FAILED or ended.state.waits:
            raise giving_up(self._wait.why, duration(waited))


@dataclass(slots=True)
class _Wait:
    """One wait for a machine: since when, why, and when that was last asked."""

    since: datetime | None = None
    asked: datetime | None = None
    why: Explanation | None = None

    def due(self, now: datetime, every: float) -> bool:
        """Whether it is time to ask why (again)."""
        if self.asked is not None and (now - self.asked).total_seconds() < min(every, LONGEST_BETWEEN_EXPLANATIONS):
            return False
        self.asked = now
        return True


def explained(service: Service, job: Job) -> Explanation:
    """Why a RUNNABLE job waits, by looking at its queue, its compute environments and the jobs beside it.

    Raises:
        RunnerkitError: AWS could not be asked.
    """
    queue = next(iter(service.queues(job.queue)), None)
    computes = service.computes(*queue.computes) if queue is not None and queue.computes else ()
    beside = [id_ for id_ in service.living(job.queue, on_machines=True) if id_ != job.id] if queue else []
    vcpus = sum(other.vcpus for other in service.jobs(*beside[:100])) if beside else 0.0
    return explain(job, queue, computes, Others(len(beside), vcpus))
