"""GitHub as the core sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from runnerkit.history import Run
    from runnerkit.model import Comment, Job, Registration, Release, Runner


@dataclass(frozen=True, slots=True)
class RunnerPackage:
    """One download of GitHub's runner application; ``arch`` is x64 or arm64, ``os`` linux for ours."""

    os: str
    arch: str
    url: str
    sha256: str


class Forge(Protocol):
    """GitHub, or what stands for it. Every method may raise the ForgeError family; every reading may be stale."""

    def place(self, repo: str) -> str:
        """The level at which runners for the repository are registered, named without asking GitHub."""

    def downloads(self, repo: str) -> Sequence[RunnerPackage]:
        """The runner applications that GitHub offers just now."""

    def releases(self, repo: str) -> Sequence[Release]:
        """The last releases of the runner application; what was read is remembered for hours, also that it failed.

        Where dates cannot be read it is the newest release alone, without one. Empty where GitHub does not care how
        old a runner is.
        """

    def runners(self, repo: str) -> Sequence[Runner]:
        """Every runner of the level that serves the repository (its own, or its organisation's group)."""

    def runner(self, repo: str, runner_id: int) -> Runner | None:
        """One runner by id; None when GitHub says there is none."""

    def runner_named(self, repo: str, name: str) -> Runner | None:
        """One runner by name; None when there is none."""

    def register(self, repo: str, name: str, labels: Sequence[str]) -> Registration:
        """Register a just-in-time runner with exactly these labels. Never repeated behind the caller's back.

        Raises:
            NameTaken: The name is registered.
            ForgeUnavailable: Whether it happened is unknown; :meth:`runner_named` tells.
        """

    def deregister(self, repo: str, runner_id: int) -> bool:
        """Delete a runner record: True when GitHub deleted it, False when it knows none.

        Raises:
            RunnerBusy: GitHub thinks that a job is running there.
        """

    def queued(self, repo: str) -> Sequence[Job]:
        """Every job of the repository that waits for a runner."""

    def active(self, repo: str) -> Sequence[Job]:
        """Every job, in whatever state, of the repository's runs that are not over; oldest first."""

    def run(self, repo: str, run_id: int) -> Run | None:
        """A run at its latest attempt, read fresh; None when there is none."""

    def jobs(self, repo: str, run_id: int) -> Sequence[Job]:
        """The jobs of a run's latest attempt."""

    def annotations(self, repo: str, job_id: int) -> Sequence[str]:
        """What the job's steps said by workflow commands (warnings and errors); empty when it said nothing."""

    def gates(self, repo: str, job: Job) -> frozenset[str] | None:
        """The environments whose protection let this job through, in lower case; None when that cannot be told."""

    def repositories(self, owner: str) -> Sequence[str]:
        """The repositories of an organisation or a user that we may serve (``owner/name``), no archived ones."""

    def file(self, repo: str, path: str) -> str | None:
        """A text file on the repository's default branch; None when there is none."""

    def job(self, repo: str, job_id: int) -> Job | None:
        """One job by id, read fresh; None when there is none."""

    def rerun_failed(self, repo: str, run_id: int) -> None:
        """Run a completed run's failed jobs again.

        Raises:
            ForgeRejected: GitHub refuses, for example while the run is still going.
        """

    def rerun_job(self, repo: str, job_id: int) -> None:
        """Run one job of a completed run again, and those that depend on it.

        Raises:
            ForgeRejected: As for :meth:`rerun_failed`.
        """

    def cancel(self, repo: str, run_id: int) -> None:
        """Cancel a run; one that is over already is not an error."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook that GitHub sent, or tried to; ``guid`` stays the same when it is sent again."""

    id: int
    hook_id: int
    guid: str
    event: str
    action: str
    at: datetime
    status: int
    again: bool = False


class Hooks(Protocol):
    """The webhooks that point at us. Every method may raise the ForgeError family."""

    def deliveries(self, since: datetime) -> Sequence[Delivery]:
        """What GitHub sent to our address since then, newest first."""

    def redeliver(self, delivery: Delivery) -> None:
        """Ask GitHub to send it once more."""


class Reports(Protocol):
    """Where results and reasons are written for people. Every method may raise the ForgeError family."""

    def comments(self, repo: str, number: int) -> Sequence[Comment]:
        """Every comment on an issue or pull request, oldest first."""

    def comment(self, repo: str, number: int, body: str, *, replace: int | None = None) -> Comment:
        """Write a comment, or replace the text of an existing one by its id."""

    def status(self, repo: str, sha: str, state: str, context: str, description: str = "", url: str = "") -> None:
        """Set a commit status: error, failure, pending or success; descriptions end at 140 characters."""

    def check(self, repo: str, sha: str, name: str, conclusion: str, title: str, summary: str) -> int:
        """Create a completed check run and return its id. Only a GitHub App may do that (ForgeDenied otherwise)."""
