"""What the rest of this package needs of AWS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.batch.states import Compute, Definition, Job, LogPage, Queue

Request = dict[str, Any]
"""The arguments of one call of AWS's API."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where machines are put: subnets, security groups, the ARN of an instance profile, and what they may be.

    ``types`` are names of instance types or families, or one of Batch's own words for a choice of them.
    """

    subnets: tuple[str, ...]
    groups: tuple[str, ...]
    profile: str
    types: tuple[str, ...]


class Service(Protocol):
    """AWS Batch in one region, and the logs that it writes.

    Every method raises :class:`runnerkit.errors.CloudDenied`, ``CloudThrottled``, ``CloudUnavailable`` or
    ``LaunchRejected``. What is gone already counts as deleted.
    """

    @property
    def region(self) -> str:
        """The region."""

    def computes(self, *names: str) -> Sequence[Compute]:
        """The compute environments of these names (or ARNs) that exist; without any name, all of them."""

    def create_compute(self, request: Request) -> None:
        """CreateComputeEnvironment. One of that name that exists already is no error."""

    def switch_compute(self, name: str, state: str) -> None:
        """Set the state of a compute environment."""

    def delete_compute(self, name: str) -> None:
        """Delete one that is disabled and in no queue."""

    def queues(self, *names: str) -> Sequence[Queue]:
        """The job queues of these names (or ARNs) that exist; without any name, all of them."""

    def create_queue(self, request: Request) -> None:
        """CreateJobQueue. One of that name that exists already is no error."""

    def switch_queue(self, name: str, state: str) -> None:
        """Set the state of a queue."""

    def delete_queue(self, name: str) -> None:
        """Delete one that is disabled."""

    def definitions(self, name: str = "") -> Sequence[Definition]:
        """The active revisions of a job definition, the newest first; without a name, of all."""

    def register(self, request: Request) -> Definition:
        """RegisterJobDefinition."""

    def deregister(self, arn: str) -> None:
        """Let nobody submit jobs with this revision any more."""

    def submit(self, request: Request) -> str:
        """SubmitJob, once; the job's id. ``CloudUnavailable`` means that it is not known whether there is a job."""

    def jobs(self, *ids: str) -> Sequence[Job]:
        """The jobs of these ids that exist; at most a hundred."""

    def named(self, queue: str, name: str) -> Sequence[str]:
        """The ids of a queue's jobs of exactly this name, the newest first."""

    def living(self, queue: str, *, on_machines: bool = False) -> Sequence[str]:
        """The ids of a queue's jobs that are not over; or only of those that have a machine."""

    def cancel(self, job_id: str, reason: str) -> None:
        """Cancel a job that has no machine yet; a job that has one stays as it is."""

    def terminate(self, job_id: str, reason: str) -> None:
        """End a job wherever it is."""

    def log(self, stream: str, token: str) -> LogPage:
        """What stands in a log stream behind a token (empty: from its beginning).

        An unknown stream is empty: it comes to be with its first line.
        """

    def surroundings(self, types: Sequence[str], profile: str) -> Surroundings:
        """Everything that a new compute environment of ours needs, made where it is missing.

        Args:
            types: What its machines may be; empty: what Batch chooses.
            profile: The name of an instance profile; empty: ours.
        """

    def remove_surroundings(self) -> Sequence[str]:
        """Remove what :meth:`surroundings` made, as far as nothing else of runnerkit's uses it; names of what went."""

    def tags(self) -> Mapping[str, str]:
        """What marks everything that is made as ours."""
