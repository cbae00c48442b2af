"""What Batch tells about jobs and about what runs them, as plain values.

Source of the states: https://docs.aws.amazon.com/batch/latest/userguide/job_states.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ENABLED, DISABLED = "ENABLED", "DISABLED"
VALID, INVALID, UPDATING, DELETING, DELETED = "VALID", "INVALID", "UPDATING", "DELETING", "DELETED"
# How the status of an attempt begins whose machine was lost, by spot or otherwise.
HOST_LOST = "Host EC2"


class JobState(StrEnum):
    """Where a job is."""

    SUBMITTED = "SUBMITTED"
    PENDING = "PENDING"
    RUNNABLE = "RUNNABLE"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def over(self) -> bool:
        """Whether nothing will happen any more."""
        return self in {JobState.SUCCEEDED, JobState.FAILED}

    @property
    def waits(self) -> bool:
        """Whether the job has no machine yet: it can be cancelled, and nothing has to be ended."""
        return self in {JobState.SUBMITTED, JobState.PENDING, JobState.RUNNABLE}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that is over; ``exit_code`` is None when the container told none."""

    exit_code: int | None = None
    reason: str = ""
    container_reason: str = ""
    log_stream: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job. Times are seconds since the epoch, None where there is none yet; ``queue`` and ``definition`` are ARNs."""

    id: str
    name: str
    state: JobState
    reason: str = ""
    exit_code: int | None = None
    container_reason: str = ""
    log_stream: str = ""
    attempts: tuple[Attempt, ...] = ()
    queue: str = ""
    definition: str = ""
    vcpus: float = 0.0
    created_at: float | None = None
    started_at: float | None = None
    stopped_at: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def streams(self) -> tuple[str, ...]:
        """The log streams of all attempts so far, in order."""
        known = (*(attempt.log_stream for attempt in self.attempts), self.log_stream)
        return tuple(dict.fromkeys(stream for stream in known if stream))


@dataclass(frozen=True, slots=True)
class Compute:
    """A compute environment: what Batch may start, up to how much."""

    name: str
    arn: str
    state: str = ENABLED
    status: str = VALID
    reason: str = ""
    max_vcpus: int = 0
    desired_vcpus: int = 0
    spot: bool = False
    types: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Queue:
    """A job queue; ``computes`` are the ARNs of its compute environments in their order."""

    name: str
    arn: str
    state: str = ENABLED
    status: str = VALID
    reason: str = ""
    computes: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Definition:
    """One revision of a job definition."""

    name: str
    arn: str
    revision: int
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogPage:
    """Some lines of a log, and the token with which the next ones are asked for."""

    lines: tuple[str, ...]
    token: str


def last_part(arn: str) -> str:
    """The name at the end of an ARN, or what is no ARN as it is."""
    return arn.rpartition("/")[2]
