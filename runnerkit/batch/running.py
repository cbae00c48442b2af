"""One command on Batch, from the wish to the exit code. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runnerkit.batch import requests
from runnerkit.batch.ending import cancel
from runnerkit.batch.following import Follower, Patience
from runnerkit.batch.links import log_link
from runnerkit.batch.outcome import Outcome, outcome
from runnerkit.batch.preparing import Preparer
from runnerkit.batch.reading import Log
from runnerkit.batch.removing import Removed, Remover
from runnerkit.batch.submitting import Submission
from runnerkit.errors import JobCancelled, RunnerkitError
from runnerkit.tags import OWNER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runnerkit.batch.ports import Service
    from runnerkit.batch.preparing import Ready
    from runnerkit.batch.states import Job
    from runnerkit.batch.wish import Container, Machines
    from runnerkit.ports import Clock

    Say = Callable[[str], None]

CANCELLED = "runnerkit was interrupted"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run: ``stem`` begins the job's name, ``types`` are those that a new compute environment may start.

    ``placed`` are configured subnets and groups, ``tags`` further tags of the job.
    """

    command: Sequence[str]
    container: Container
    machines: Machines
    stem: str
    types: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    placed: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


class Run:
    """Runs an order.

    Args:
        service: Batch.
        clock: For waiting.
        order: What.
        patience: How long to wait for what.
        say: Hears what happens.
        out: Takes the lines of the log.
        secrets: Variables whose values are masked there where their names say that they are secret.
    """

    def __init__(
        self,
        service: Service,
        clock: Clock,
        order: Order,
        *,
        patience: Patience,
        say: Say,
        out: Say,
        secrets: Mapping[str, str],
    ) -> None:
        self._service = service
        self._clock = clock
        self._order = order
        self._patience = patience
        self._say = say
        self._log = Log(service, out, {**secrets, **order.environment})
        self._submission: Submission | None = None
        self._ready: Ready | None = None
        self.job: Job | None = None
        self.removed: Removed | None = None

    def go(self) -> Outcome:
        """Make ready, submit, follow.

        Raises:
            RunnerkitError: Something could not be made, the job found no machine, or AWS cannot be asked.
        """
        order = self._order
        self._ready = ready = self._preparer.prepare(order.container, order.machines, order.types)
        request = self._submitted(ready.queue.arn, ready.definition.arn, ready.definition.name)
        self._submission = Submission(self._service, self._clock, request, self._say)
        job_id = self._submission.submit()
        follower = Follower(self._service, self._clock, self._patience, self._log, self._say)
        try:
            self.job = follower.follow(job_id)
        except RunnerkitError as error:
            error.hint = error.hint or f"the job goes on: `runnerkit batch status`, `runnerkit batch cancel {job_id}`"
            raise
        return outcome(self.job)

    def preview(self) -> dict[str, Any]:
        """The requests that would be sent, and which of their parts exist already; changes nothing."""
        order, machines = self._order, self._order.machines
        name = machines.queue or requests.compute_name(self._owner, machines, order.placed)
        definition = requests.definition(self._owner, order.container, self._service.region, self._service.tags())
        known = self._service.definitions(definition["jobDefinitionName"])
        told = definition["jobDefinitionName"]
        made = {} if machines.queue or machines.compute else {"compute": name, "types": list(order.types)}
        return {
            **made,
            "queue": name,
            "queue_exists": bool(self._service.queues(name)),
            "definition": definition,
            "definition_exists": bool(known),
            "job": self._submitted(name, told, told),
        }

    def cancel(self) -> JobCancelled:
        """End the job after an interruption; the error to end with says what became of it."""
        job_id = ""
        try:
            job_id = self._submission.found() if self._submission is not None else ""
            if not job_id:
                return JobCancelled(
                    "interrupted before a job was submitted", hint="what was made stays for the next run"
                )
            self.job = cancel(self._service, self._clock, job_id, CANCELLED) or self.job
        except RunnerkitError as error:
            told = f"interrupted; it is not known whether the job {job_id or 'on Batch'} ended: {error.message}"
            return JobCancelled(told, hint=f"`runnerkit batch cancel {job_id or 'NAME'}` ends it")
        if self.job is not None and self.job.state.over:
            return JobCancelled(f"interrupted; the job {job_id} is over ({self.job.state})")
        return JobCancelled(
            f"interrupted; Batch was told to end the job {job_id}", hint="`runnerkit batch status` shows it"
        )

    def remove(self) -> Removed:
        """Remove what the run used, as far as it is ours and unused."""
        remover = Remover(self._service, self._clock, self._owner, self._say, self._patience.poll)
        if self._ready is not None:
            named = bool(self._order.machines.queue)
            remover.used("" if named else self._ready.queue.name, self._ready.definition)
        self.removed = remover.done
        return remover.done

    def as_dict(self) -> dict[str, Any]:
        """The run for programs."""
        told: dict[str, Any] = {"region": self._service.region, "job": None}
        if self._ready is not None:
            told |= {"queue": self._ready.queue.name, "definition": self._ready.definition.arn}
        if self.job is not None:
            told |= {
                "job": self._told(self.job),
                "exit_code": outcome(self.job).exit_code if self.job.state.over else None,
            }
        return told if self.removed is None else {**told, **self.removed.as_dict()}

    def _told(self, job: Job) -> dict[str, Any]:
        return {
            "id": job.id,
            "name": job.name,
            "state": str(job.state),
            "reason": job.reason,
            "exit_code": job.exit_code,
            "attempts": len(job.attempts),
            "created_at": job.created_at,
            "started_at": job.started_at,
            "stopped_at": job.stopped_at,
            "logs": [log_link(self._service.region, stream) for stream in job.streams],
        }

    @property
    def _owner(self) -> str:
        return self._service.tags()[OWNER]

    @property
    def _preparer(self) -> Preparer:
        return Preparer(
            self._service, self._clock, self._owner, self._order.placed, self._say, min(self._patience.poll, 1.0)
        )

    def _submitted(self, queue: str, definition: str, definition_name: str) -> dict[str, Any]:
        order = self._order
        name = requests.job_name(order.stem, order.command, order.environment, definition_name)
        tags = {**self._service.tags(), **order.tags}
        return requests.job(name, queue, definition, order.command, order.environment, tags)
