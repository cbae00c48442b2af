"""What people do with workflows: start them, review what they want to do, set up what they need."""

from collections.abc import Iterable, Mapping
from typing import Any

from runnerkit.sandbox.github import jit, registrations
from runnerkit.sandbox.github.engine import approvals, starting
from runnerkit.sandbox.github.engine.catalogue import FOLDER, find_workflow
from runnerkit.sandbox.github.events import common
from runnerkit.sandbox.github.records import Environment, Happening, Run
from runnerkit.sandbox.github.refusals import invalid, missing
from runnerkit.sandbox.github.state import State


def dispatch(
    state: State, repository: str, workflow: str | int, ref: str, inputs: Mapping[str, Any], login: str
) -> Run:
    """Start a workflow by hand, as a user or an App.

    Raises:
        Refused: 404 for an unknown workflow, 422 for a ref or inputs that the workflow does not take.
    """
    full_name = state.repository(repository).full_name
    full_ref, sha = starting.resolve(state, full_name, ref)
    path = find_workflow(state, full_name, workflow).path
    payload = common(state, full_name, login) | {"inputs": dict(inputs), "ref": full_ref, "workflow": path}
    happening = Happening(full_name, starting.DISPATCH, login, ref=full_ref, sha=sha, head_sha=sha, payload=payload)
    return starting.dispatch(state, happening, path.removeprefix(FOLDER), dict(inputs))


def announce(state: State, repository: str, event_type: str, said: Mapping[str, Any], login: str) -> list[Run]:
    """Let an event of one's own happen; only the workflow files of the default branch count.

    Source: GitHub's documentation of the event ``repository_dispatch``. A ``GITHUB_TOKEN`` may do this, too.
    """
    found = state.repository(repository)
    ref, sha = starting.resolve(state, found.full_name, found.default_branch)
    payload = common(state, found.full_name, login) | {
        "action": event_type,
        "branch": found.default_branch,
        "client_payload": dict(said),
    }
    happening = Happening(
        found.full_name, starting.ANNOUNCED, login, event_type, ref=ref, sha=sha, head_sha=sha, payload=payload
    )
    return starting.happened(state, happening)


def come(state: State, repository: str, cron: str, login: str) -> list[Run]:
    """Let a scheduled time come; only the workflow files of the default branch count.

    Source: GitHub's documentation of the event ``schedule``.

    Raises:
        Refused: 422 when no workflow there is scheduled for that time.
    """
    found = state.repository(repository)
    ref, sha = starting.resolve(state, found.full_name, found.default_branch)
    payload = common(state, found.full_name, login) | {"schedule": cron}
    happening = Happening(found.full_name, starting.SCHEDULE, login, ref=ref, sha=sha, head_sha=sha, payload=payload)
    started = starting.happened(state, happening)
    if not started:
        raise invalid(f"No workflow on {found.default_branch} has the schedule {cron!r}; write it as the file does")
    return started


class WorkflowStories:
    """The stories that need workflow files; the world mixes them in."""

    state: State

    def dispatch(
        self,
        repository: str,
        workflow_file: str,
        ref: str = "main",
        inputs: Mapping[str, Any] | None = None,
        *,
        login: str = "octocat",
    ) -> Run:
        """Press the button that runs a workflow."""
        with self.state.open():
            return dispatch(self.state, repository, workflow_file, ref, inputs or {}, login)

    def announce(
        self, repository: str, event_type: str, payload: Mapping[str, Any] | None = None, *, login: str = "octocat"
    ) -> list[Run]:
        """Let an event of one's own happen (``repository_dispatch``), with a payload for ``client_payload``."""
        with self.state.open():
            return announce(self.state, repository, event_type, payload or {}, login)

    def fire_schedule(self, repository: str, cron: str, *, login: str = "octocat") -> list[Run]:
        """Let the time of a ``schedule`` come, written as in the file; nothing is scheduled by the clock.

        Args:
            repository: Whose workflows; those on its default branch.
            cron: The time.
            login: Who is the run's actor: on GitHub who changed the file's times last.

        Raises:
            Refused: 422 when no workflow there is scheduled for that time.
        """
        with self.state.open():
            return come(self.state, repository, cron, login)

    def approve(
        self, run: Run, environment: str, login: str = "octocat", *, state: str = "approved", comment: str = ""
    ) -> None:
        """Approve (or reject) what a run wants to do in an environment.

        Raises:
            Refused: 422 when nothing waits for it, or this user is none of its reviewers.
        """
        with self.state.open():
            approvals.review(self.state, run, [environment], login, state, comment)

    def add_environment(
        self,
        repository: str,
        name: str,
        reviewers: Iterable[str] = (),
        *,
        wait_timer: int = 0,
        prevent_self_review: bool = False,
    ) -> Environment:
        """Set up an environment; ``wait_timer`` is in minutes."""
        with self.state.open():
            found = approvals.add_environment(self.state, repository, name, reviewers)
            found.wait_timer, found.prevent_self_review = wait_timer, prevent_self_review
            return found

    def set_secret(self, repository: str, name: str, value: str, *, environment: str | None = None) -> None:
        """Set a secret of a repository, or of one of its environments."""
        with self.state.open():
            found = self.state.repository(repository)
            kept = found if environment is None else approvals.ensure(self.state, repository, environment)
            kept.secrets[name.upper()] = value

    def set_variable(self, repository: str, name: str, value: str) -> None:
        """Set a configuration variable of a repository."""
        with self.state.open():
            self.state.repository(repository).variables[name.upper()] = value

    def hosted_runner(self, job_id: int) -> str:
        """Give the JIT configuration of a machine of GitHub's own for one queued job.

        Raises:
            Refused: 404 for an unknown job, 409 when it is not queued for such a machine or has one already.
        """
        with self.state.open():
            job = self.state.live.jobs.get(job_id)
            if job is None:
                raise missing()
            return jit.encode(registrations.make_hosted(self.state, job), self.state.web)

    def runs(self, repository: str) -> list[Run]:
        """List a repository's runs, newest first."""
        with self.state.open(reading=True):
            full_name = self.state.repository(repository).full_name
            return [each for each in reversed(self.state.live.runs.values()) if each.repository == full_name]
