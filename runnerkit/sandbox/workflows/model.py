"""What goes into a plan and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runnerkit.sandbox.workflows.reading import Source


@dataclass(frozen=True)
class Event:
    """What happened.

    Args:
        name: The event, such as ``push``.
        action: The activity, such as ``opened``; None where the event has none.
        ref: The full reference (``refs/heads/main``).
        sha: The commit.
        base_ref: The branch a pull request wants to go to.
        head_ref: The branch a pull request comes from, or that the workflow ran for which a ``workflow_run`` tells of.
        changed: The changed paths; None where that is not known, which counts as a match.
        inputs: Inputs of a dispatch.
        workflow: The name of the workflow that ran, for ``workflow_run``.
        cron: The time that has come, as the file writes it, for ``schedule``.
    """

    name: str
    action: str | None = None
    ref: str = ""
    sha: str = ""
    base_ref: str = ""
    head_ref: str = ""
    changed: tuple[str, ...] | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    workflow: str = ""
    cron: str = ""


@dataclass(frozen=True)
class RunContext:
    """What a run knows of the world: ``github`` without its token, and the names of the secrets."""

    github: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    vars: Mapping[str, Any] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()

    def contexts(self) -> dict[str, Any]:
        """Give the contexts that are known before any job."""
        return {"github": dict(self.github), "inputs": dict(self.inputs), "vars": dict(self.vars)}


@dataclass(frozen=True)
class Workflow:
    """A workflow file that GitHub would take; ``calls`` are the workflows that its jobs call, by the jobs' keys."""

    path: str
    source: Source
    calls: Mapping[str, Called] = field(default_factory=dict)

    @property
    def raw(self) -> dict[str, Any]:
        """The file's content."""
        content: dict[str, Any] = self.source.value
        return content

    @property
    def name(self) -> str:
        """The workflow's name, or its path where it has none."""
        return str(self.raw.get("name") or self.path)

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        """The jobs by their keys."""
        jobs: dict[str, dict[str, Any]] = self.raw["jobs"]
        return jobs

    @property
    def job_keys(self) -> tuple[str, ...]:
        """The keys of the jobs, as they stand in the file."""
        return tuple(self.jobs)

    @property
    def crons(self) -> tuple[str, ...]:
        """The times of its ``schedule``, as they are written."""
        listed = self.on.get("schedule") or ()
        return tuple(str(each["cron"]) for each in listed)

    @property
    def concurrency(self) -> Any:  # noqa: ANN401 - text or a mapping, as the file has it
        """The concurrency setting of the whole workflow, as it is written."""
        return self.raw.get("concurrency")

    @property
    def on(self) -> dict[str, Any]:
        """The events that start it, each with its filters."""
        on = self.raw["on"]
        if isinstance(on, dict):
            return {name: filters or {} for name, filters in on.items()}
        return {str(name): {} for name in (on if isinstance(on, list) else [on])}

    def needs(self, key: str) -> tuple[str, ...]:
        """The jobs that a job waits for."""
        needs = self.jobs[key].get("needs") or ()
        return (needs,) if isinstance(needs, str) else tuple(needs)

    def line(self, *path: str | int) -> int | None:
        """The line of what stands at a path."""
        place = self.source.places.get(path)
        return place.line if place else None


@dataclass(frozen=True)
class Home:
    """Where a workflow file stands: a repository (``owner/name``), the ref it was asked by, and the commit."""

    repository: str = ""
    ref: str = ""
    sha: str = ""


@dataclass(frozen=True)
class Called:
    """A workflow that a job calls, and what the job lets it do (None: the repository's default)."""

    workflow: Workflow
    home: Home
    permissions: Mapping[str, str] | None = None

    @property
    def origin(self) -> dict[str, str]:
        """What GitHub tells the called jobs of their file, as properties of the context ``job``."""
        path = self.workflow.path
        return {
            "workflow_ref": f"{self.home.repository}/{path}@{self.home.ref}",
            "workflow_sha": self.home.sha,
            "workflow_repository": self.home.repository,
            "workflow_file_path": path,
        }


@dataclass(frozen=True)
class Concurrency:
    """A concurrency group, and whether a newcomer cancels who is in it."""

    group: str
    cancel_in_progress: bool = False


@dataclass(frozen=True)
class JobOutcome:
    """How a job (one leg of it) ended; ``continued`` says that its failure does not count (continue-on-error)."""

    conclusion: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    continued: bool = False


@dataclass(frozen=True)
class JobPlan:
    """A job that may begin now, or that is skipped.

    ``problem`` says why GitHub cannot run it, or that nobody here serves its label. ``environment_url`` is empty as
    long as it depends on steps; the payload has it as an expression. ``secrets`` is what each call on the way to the
    job says of secrets, the outermost first: ``inherit``, or names with templates.
    """

    key: str
    name: str
    skipped: bool = False
    labels: tuple[str, ...] = ()
    group: str | None = None
    hosted: bool = False
    environment: str | None = None
    environment_url: str = ""
    concurrency: Concurrency | None = None
    needs: tuple[str, ...] = ()
    fail_fast: bool = True
    max_parallel: int | None = None
    continue_on_error: bool = False
    timeout_minutes: float = 360
    payload: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None
    secrets: tuple[Any, ...] = ()
