"""Environments and their reviewers."""

from collections.abc import Iterable
from datetime import timedelta

from runnerkit.sandbox.github import people
from runnerkit.sandbox.github.jobs import finish, jobs_of, release
from runnerkit.sandbox.github.records import Approval, Environment, Job, Run
from runnerkit.sandbox.github.refusals import invalid, missing
from runnerkit.sandbox.github.state import State

REJECTED = "The deployment to {environment} was rejected by {login}."


def add_environment(state: State, repository: str, name: str, reviewers: Iterable[str] = ()) -> Environment:
    """Create an environment or give a known one other reviewers."""
    found = ensure(state, repository, name)
    found.reviewers = tuple(people.add_account(state, each).login for each in reviewers)
    return found


def ensure(state: State, repository: str, name: str) -> Environment:
    """Find an environment; one that is unknown is created without rules, as GitHub does for a job that names it."""
    full_name = state.repository(repository).full_name
    key = (full_name, name.lower())
    if key not in state.environments:
        state.environments[key] = Environment(state.next_id("environment"), full_name, name, state.now())
    return state.environments[key]


def known(state: State, repository: str, name: str) -> Environment | None:
    """Find an environment that may not be there."""
    return state.environments.get((state.repository(repository).full_name, name.lower()))


def find(state: State, repository: str, name: str) -> Environment:
    """Find an environment.

    Raises:
        Refused: 404 when the repository has none such.
    """
    found = known(state, repository, name)
    if found is None:
        raise missing()
    return found


def remove(state: State, repository: str, name: str) -> None:
    """Delete an environment with its rules and secrets; what waits for it goes on."""
    del state.environments[find(state, repository, name).repository, name.lower()]


def blocks(state: State, job: Job) -> bool:
    """Tell whether the job still waits for its environment's reviewers or timer."""
    if not job.environment:
        return False
    environment = ensure(state, job.repository, job.environment)
    if unreviewed(state, job):
        return True
    since = job.waiting_since or state.now()
    return state.now() < since + timedelta(minutes=environment.wait_timer)


def unreviewed(state: State, job: Job) -> bool:
    """Tell whether a reviewer's word is missing."""
    environment = known(state, job.repository, job.environment or "")
    return environment is not None and bool(environment.reviewers) and not job.approved


def waiting(state: State, run: Run) -> list[Job]:
    """List the jobs of a run that wait for their environment."""
    return [each for each in jobs_of(state.live.jobs, run.latest) if each.held_by == "environment"]


def may_review(environment: Environment, run: Run, login: str) -> bool:
    """Tell whether a user's word on the environment counts."""
    if environment.prevent_self_review and login.lower() == run.latest.actor.lower():
        return False
    return not environment.reviewers or login.lower() in {each.lower() for each in environment.reviewers}


def review(state: State, run: Run, names: Iterable[str], login: str, verdict: str, comment: str = "") -> list[Job]:
    """Let a reviewer approve or reject what the run wants to do in environments; gives the jobs concerned.

    Raises:
        Refused: 422 when nothing waits for one of the environments, or the user is none of its reviewers.
    """
    if verdict not in {"approved", "rejected"}:
        raise invalid(f"{verdict!r} is no verdict on an environment; say approved or rejected.")
    asked = [(ensure(state, run.repository, name), _asked(state, run, name)) for name in names]
    for environment, waiters in asked:
        _check(run, environment, waiters, login)
    reviewer = people.add_account(state, login).login
    for environment, waiters in asked:
        run.approvals.append(Approval(environment.name, verdict, reviewer, comment, state.now()))
        for job in waiters:
            _apply(state, job, verdict, login)
    if run.path:
        tell_waiting(state, run)
    else:
        reviewed = {environment.name for environment, _ in asked}
        run.waiting_for = [each for each in run.waiting_for if each not in reviewed]
    return [job for _, waiters in asked for job in waiters]


def _asked(state: State, run: Run, name: str) -> list[Job]:
    return [each for each in waiting(state, run) if (each.environment or "").lower() == name.lower()]


def _check(run: Run, environment: Environment, waiters: list[Job], login: str) -> None:
    told = not run.path and environment.name in run.waiting_for
    if not told and not (waiters and environment.reviewers):
        raise invalid(f"No pending deployment requests to approve or reject for {environment.name}.")
    if not may_review(environment, run, login):
        raise invalid(
            f"{login} is not a required reviewer of {environment.name}, or may not review a run of their own."
        )


def _apply(state: State, job: Job, verdict: str, login: str) -> None:
    if verdict == "approved":
        job.approved = True
        if not blocks(state, job):
            release(state, job)
    else:
        job.annotations.append(REJECTED.format(environment=job.environment, login=login))
        finish(state, job, "failure")


def tell_waiting(state: State, run: Run) -> None:
    """Bring the list of environments that a run waits for up to date."""
    run.waiting_for = list(dict.fromkeys(each.environment or "" for each in waiting(state, run)))
