"""A Batch in memory that does what a test says, for what is pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from runnerkit.batch.ports import Surroundings
from runnerkit.batch.states import Compute, Definition, Job, JobState, LogPage, Queue
from runnerkit.tags import OWNER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.batch.ports import Request

RUNNABLE = Job("j1", "rk-1-1", JobState.RUNNABLE, queue="arn:q", vcpus=4)
FINE = Compute("spot", "arn:c", max_vcpus=16, spot=True)
QUEUE = Queue("q", "arn:q", computes=("arn:c",))


@dataclass
class Scripted:
    """Each look at the job takes the next of ``looks``; errors among them are raised. The last one stays."""

    looks: list[Job | Exception] = field(default_factory=list)
    lines: dict[str, list[str]] = field(default_factory=dict)
    page: int = 10_000
    there: list[str] = field(default_factory=list)
    answers: list[str | BaseException] = field(default_factory=list)
    queue_now: Queue | None = QUEUE
    compute_now: Sequence[Compute] = (FINE,)
    beside: dict[str, Job] = field(default_factory=dict)
    log_error: Exception | None = None
    done: list[str] = field(default_factory=list)
    region: str = "eu-west-1"

    def jobs(self, *ids: str) -> Sequence[Job]:
        """The next look."""
        known = [self.beside[id_] for id_ in ids if id_ in self.beside]
        if known:
            return known
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, Exception):
            raise look
        return [look]

    def log(self, stream: str, token: str) -> LogPage:
        """A page of the lines, with the line's number as token; the same token at the end."""
        if self.log_error is not None:
            raise self.log_error
        start = int(token or 0)
        lines = tuple(self.lines.get(stream, [])[start : start + self.page])
        return LogPage(lines, str(start + len(lines)))

    def submit(self, request: Request) -> str:
        """The next answer; an exception that is lost has submitted all the same when its text says so."""
        self.done.append(f"submit {request['jobName']}")
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            if "taken" in str(answer):
                self.there.insert(0, "new")
            raise answer
        self.there.insert(0, answer)
        return answer

    def named(self, _queue: str, _name: str) -> Sequence[str]:
        """The jobs of the name."""
        return list(self.there)

    def living(self, _queue: str, *, on_machines: bool = False) -> Sequence[str]:
        """The jobs beside."""
        del on_machines
        return list(self.beside)

    def queues(self, *_names: str) -> Sequence[Queue]:
        """The queue."""
        return [self.queue_now] if self.queue_now else []

    def computes(self, *_names: str) -> Sequence[Compute]:
        """Its compute environments."""
        return list(self.compute_now)

    def cancel(self, job_id: str, reason: str) -> None:
        """Note it; a job that waits fails."""
        self._ended("cancel", job_id, reason)

    def terminate(self, job_id: str, reason: str) -> None:
        """Note it; the job fails."""
        self._ended("terminate", job_id, reason)

    def _ended(self, what: str, job_id: str, reason: str) -> None:
        self.done.append(f"{what} {job_id}")
        last = next((each for each in reversed(self.looks) if isinstance(each, Job)), RUNNABLE)
        if what == "terminate" or last.state.waits:
            self.looks[:] = [replace(last, state=JobState.FAILED, reason=reason)]

    def tags(self) -> Mapping[str, str]:
        """Ours."""
        return {OWNER: "runnerkit"}

    # --- not used by what is tested with it -------------------------------------------------------------------------

    def create_compute(self, request: Request) -> None:
        """Nothing."""

    def switch_compute(self, name: str, state: str) -> None:
        """Nothing."""

    def delete_compute(self, name: str) -> None:
        """Nothing."""

    def create_queue(self, request: Request) -> None:
        """Nothing."""

    def switch_queue(self, name: str, state: str) -> None:
        """Nothing."""

    def delete_queue(self, name: str) -> None:
        """Nothing."""

    def definitions(self, name: str = "") -> Sequence[Definition]:
        """None."""
        del name
        return []

    def register(self, request: Request) -> Definition:
        """The first revision."""
        return Definition(request["jobDefinitionName"], "arn:d", 1)

    def deregister(self, arn: str) -> None:
        """Nothing."""

    def surroundings(self, types: Sequence[str], profile: str) -> Surroundings:
        """Some."""
        return Surroundings(("subnet-1",), ("sg-1",), profile, tuple(types))

    def remove_surroundings(self) -> Sequence[str]:
        """Nothing."""
        return []
