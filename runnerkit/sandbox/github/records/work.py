"""What GitHub Actions knows: runners, runs, jobs, artifacts, environments."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(slots=True)
class Runner:
    """A just-in-time registration. ``level`` is its place in the API: ``repos/acme/train`` or ``orgs/acme``.

    ``bound_to`` is the one job that one of GitHub's own machines was made for.
    """

    id: int
    level: str
    name: str
    labels: tuple[str, ...]
    group_id: int
    client_id: str
    created_at: datetime
    os: str = "unknown"
    version: str | None = None
    work_folder: str = "_work"
    online_at: datetime | None = None
    offline_at: datetime | None = None
    job_id: int | None = None
    bound_to: int | None = None

    @property
    def online(self) -> bool:
        """Whether its listener is connected."""
        return self.online_at is not None and self.offline_at is None

    @property
    def busy(self) -> bool:
        """Whether GitHub thinks that it runs a job."""
        return self.job_id is not None


@dataclass(frozen=True, slots=True)
class JobRules:
    """What the workflow says about the treatment of a job; ``timeout`` is in seconds."""

    fail_fast: bool = True
    max_parallel: int | None = None
    continue_on_error: bool = False
    timeout: float | None = None
    concurrency: str | None = None
    cancel_in_progress: bool = False
    environment_url: str = ""


@dataclass(slots=True)
class Job:
    """One job of one attempt.

    ``payload`` is what its runner gets to execute, opaque to GitHub's API; ``key`` is its name in the workflow file,
    and ``hosted`` tells that it asks for one of GitHub's own machines. ``step_logs`` holds the log by step number.
    ``held_by`` says what a pending or waiting job waits for: ``parallel``, ``group`` or ``environment``. ``secrets`` is
    what each call on the way to a job of a called workflow says of secrets.
    """

    id: int
    run_id: int
    repository: str
    attempt: int
    name: str
    labels: tuple[str, ...]
    created_at: datetime
    queued_at: datetime
    status: str = "queued"
    conclusion: str | None = None
    group: str | None = None
    needs: tuple[str, ...] = ()
    payload: dict[str, Any] = field(default_factory=dict)
    started_at: datetime | None = None
    completed_at: datetime | None = None
    runner_id: int | None = None
    runner_name: str | None = None
    runner_group_id: int | None = None
    runner_group_name: str | None = None
    cancel_asked_at: datetime | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[str] = field(default_factory=list)
    log: str = ""
    key: str = ""
    hosted: bool = False
    environment: str | None = None
    outputs: dict[str, str] = field(default_factory=dict)
    summaries: list[str] = field(default_factory=list)
    step_logs: dict[int, str] = field(default_factory=dict)
    rules: JobRules = JobRules()
    held_by: str = ""
    waiting_since: datetime | None = None
    approved: bool = False
    secrets: tuple[Any, ...] = ()


@dataclass(slots=True)
class Attempt:
    """One execution of a run: its jobs are those it started and those carried over.

    ``gate`` is ``new`` before it has asked for its concurrency group, ``held`` while it waits for it, ``closed`` once
    nothing more may start in it. ``planned`` are the keys of the workflow's jobs that have become records.
    """

    number: int
    started_at: datetime
    actor: str
    job_ids: list[int] = field(default_factory=list)
    gate: str = "open"
    cancelled: bool = False
    planned: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Approval:
    """What a reviewer said about an environment; ``state`` is approved or rejected."""

    environment: str
    state: str
    login: str
    comment: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Library:
    """A workflow file that a run calls: as it was called, from which commit of which repository, and what it found."""

    uses: str
    caller: tuple[str, str]
    repository: str
    ref: str
    sha: str
    path: str
    text: str


@dataclass(slots=True)
class Run:
    """A workflow run with all its attempts.

    ``path`` is the workflow's file and ``text`` its content; both are empty for runs that a test told into being.
    ``payload`` is the event as a webhook would tell it, ``problem`` why GitHub refuses the workflow (then there are no
    jobs). ``head_sha`` is the commit the run is shown at, ``sha`` what its jobs check out at ``ref``. ``library`` holds
    the workflows that it calls, as they were when it began.
    """

    id: int
    number: int
    repository: str
    workflow: str
    event: str
    actor: str
    head_sha: str
    head_branch: str
    head_repository: str
    created_at: datetime
    attempts: list[Attempt]
    pull_number: int | None = None
    approvals: list[Approval] = field(default_factory=list)
    waiting_for: list[str] = field(default_factory=list)
    path: str = ""
    title: str = ""
    payload: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    concurrency: str | None = None
    problem: str | None = None
    text: str = ""
    sha: str = ""
    ref: str = ""
    base_ref: str = ""
    head_ref: str = ""
    library: tuple[Library, ...] = ()

    @property
    def latest(self) -> Attempt:
        """The attempt that runs now or ran last."""
        return self.attempts[-1]


@dataclass(slots=True)
class Artifact:
    """A zip archive that a run's job uploaded; a later upload of the same name replaces it."""

    id: int
    repository: str
    run_id: int
    name: str
    data: bytes
    created_at: datetime


@dataclass(slots=True)
class Environment:
    """A deployment environment; with ``reviewers`` (logins) a job that names it waits for one of them."""

    id: int
    repository: str
    name: str
    created_at: datetime
    reviewers: tuple[str, ...] = ()
    wait_timer: int = 0
    prevent_self_review: bool = False
    secrets: dict[str, str] = field(default_factory=dict)
