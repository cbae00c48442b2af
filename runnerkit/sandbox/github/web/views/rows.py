"""Runs, jobs and repositories as lines of lists; all functions are called while the state is open."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from runnerkit.sandbox.github.jobs import jobs_of, run_status
from runnerkit.sandbox.github.records import Job, Repository, Run
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.web.looks import Look, look
from runnerkit.sandbox.github.web.views.waiting import Wait, wait_of


@dataclass(frozen=True, slots=True)
class Head:
    """The repository above its pages."""

    owner: str
    name: str
    private: bool
    parent: str | None
    default_branch: str
    open_pulls: int
    active_runs: int
    created_at: datetime

    @property
    def full_name(self) -> str:
        """Owner and name."""
        return f"{self.owner}/{self.name}"

    @property
    def url(self) -> str:
        """Where its pages begin."""
        return f"/{quote(self.full_name)}"


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run; it ended with its last job, and has not ``worked`` when it had none."""

    url: str
    repository: str
    id: int
    number: int
    title: str
    workflow: str
    path: str
    event: str
    branch: str
    fork: str | None
    sha: str
    actor: str
    look: Look
    attempt: int
    created_at: datetime
    started_at: datetime
    ended_at: datetime | None
    pull_number: int | None
    worked: bool


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job; ``wait`` says what it waits for."""

    url: str
    id: int
    key: str
    name: str
    look: Look
    attempt: int
    labels: tuple[str, ...]
    group: str | None
    hosted: bool
    needs: tuple[str, ...]
    environment: str | None
    runner: str | None
    queued_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    wait: Wait | None


def run_look(state: State, run: Run) -> Look:
    """Find the look of a run; one that a test lets wait says so itself."""
    status, conclusion = run_status(jobs_of(state.live.jobs, run.latest), run)
    waits = status in {"queued", "pending"} and run.waiting_for
    return look("waiting") if waits else look(status, conclusion)


def head(state: State, repository: Repository) -> Head:
    """Copy a repository."""
    name = repository.full_name
    pulls = sum(1 for each in state.issues.values() if each.repository == name and each.pull and each.state == "open")
    active = {job.run_id for job in state.live.jobs.values() if job.repository == name and job.status != "completed"}
    return Head(
        repository.owner,
        repository.name,
        repository.private,
        repository.parent,
        repository.default_branch,
        pulls,
        len(active),
        repository.created_at,
    )


def run_row(state: State, run: Run) -> RunRow:
    """Copy a run."""
    found = jobs_of(state.live.jobs, run.latest)
    done = run_status(found, run)[0] == "completed"
    ended = max((job.completed_at for job in found if job.completed_at), default=run.latest.started_at)
    message = state.commits.get((run.head_repository, run.head_sha), "").partition("\n")[0]
    return RunRow(
        f"/{quote(run.repository)}/actions/runs/{run.id}",
        run.repository,
        run.id,
        run.number,
        run.title or message or run.workflow,
        run.workflow,
        run.path,
        run.event,
        run.head_branch,
        run.head_repository if run.head_repository != run.repository else None,
        run.head_sha,
        run.latest.actor,
        run_look(state, run),
        run.latest.number,
        run.created_at,
        run.latest.started_at,
        ended if done else None,
        run.pull_number,
        bool(found),
    )


def job_row(state: State, job: Job, run: Run) -> JobRow:
    """Copy a job, its log left out."""
    return JobRow(
        f"/{quote(job.repository)}/actions/runs/{job.run_id}/job/{job.id}",
        job.id,
        job.key or job.name,
        job.name,
        look(job.status, job.conclusion),
        job.attempt,
        job.labels,
        job.group,
        job.hosted,
        job.needs,
        job.environment,
        job.runner_name,
        job.queued_at,
        job.started_at,
        job.completed_at,
        wait_of(state, job, run),
    )
