"""Deployments: what jobs do in environments, and how that went; both follow from the jobs, and are kept nowhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from runnerkit.sandbox.github.records import Job
from runnerkit.sandbox.github.refusals import missing
from runnerkit.sandbox.github.state import State

# How the end of a job looks in its deployment.
ENDS = {"success": "success", "failure": "failure", "timed_out": "failure"}
MOST_STATUSES = 10


@dataclass(frozen=True, slots=True)
class Stage:
    """One status of a deployment."""

    id: int
    state: str
    at: datetime


def deploys(job: Job) -> bool:
    """Tell whether a job makes a deployment: it names an environment, came to ask for it, and did not opt out."""
    said = job.payload.get("environment") or {}
    asked = job.status != "pending" and job.conclusion != "skipped"
    return bool(job.environment) and asked and said.get("deployment") is not False


def of_repository(state: State, repository: str) -> list[Job]:
    """List the jobs behind a repository's deployments, newest first."""
    found = [each for each in state.live.jobs.values() if each.repository == repository and deploys(each)]
    return sorted(found, key=lambda each: -each.id)


def find(state: State, repository: str, number: int) -> Job:
    """Find the job behind a deployment.

    Raises:
        Refused: 404 when there is no such deployment.
    """
    found = state.job(repository, number)
    if not deploys(found):
        raise missing()
    return found


def stages(job: Job) -> list[Stage]:
    """List the statuses of a job's deployment, newest first."""
    told = enumerate(_told(job))
    return [Stage(job.id * MOST_STATUSES + place, state, at) for place, (state, at) in told][::-1]


def _told(job: Job) -> Iterator[tuple[str, datetime]]:
    if job.waiting_since is not None:
        yield "pending", job.waiting_since
    if job.waiting_since is None or job.status == "queued" or job.started_at is not None:
        yield "queued", job.queued_at
    if job.started_at is not None:
        yield "in_progress", job.started_at
    if job.completed_at is not None:
        yield ENDS.get(job.conclusion or "", "error"), job.completed_at
