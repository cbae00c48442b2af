"""Why a job does not run yet, in words that help."""

from dataclasses import dataclass, replace

from runnerkit.sandbox.github import registrations
from runnerkit.sandbox.github.jobs import jobs_of
from runnerkit.sandbox.github.records import Job, Run, Runner
from runnerkit.sandbox.github.state import State

HELD = {
    "parallel": "Waits because the matrix runs no more jobs at once.",
    "environment": "Waits for the timer of the environment {job.environment}.",
    "group": "Waits for its turn in the concurrency group {job.rules.concurrency}.",
}


@dataclass(frozen=True, slots=True)
class Wait:
    """What a job waits for; ``stuck`` when nothing that is there can help it. ``unserved`` are labels nobody has."""

    text: str
    stuck: bool = False
    unserved: tuple[str, ...] = ()
    environment: str | None = None


def wait_of(state: State, job: Job, run: Run) -> Wait | None:
    """Tell what a job waits for; None once it has started."""
    if job.status in {"in_progress", "completed"}:
        return None
    before = [each.name for each in jobs_of(state.live.jobs, run.latest) if _precedes(each, job)]
    if before:
        return Wait(f"Waits for {_listed(before)}.")
    if job.status != "queued":
        return _held_back(job, run)
    if job.hosted:
        return Wait(f"Waits for one of the hosted machines ({', '.join(job.labels)}).")
    return _of_runners(state, job)


def _precedes(each: Job, job: Job) -> bool:
    return each.status != "completed" and bool({each.key, each.name} & set(job.needs))


def _held_back(job: Job, run: Run) -> Wait:
    if job.environment and job.environment in run.waiting_for:
        return Wait(f"Waits for a review of the environment {job.environment}.", environment=job.environment)
    return Wait(HELD.get(job.held_by, "Waits for its turn.").format(job=job))


def _of_runners(state: State, job: Job) -> Wait:
    serving = [each for each in state.live.runners.values() if _could(state, each, job)]
    if not serving:
        return _nobody(state, job)
    online = [each for each in serving if each.online]
    if not online:
        return Wait(f"{_runners(serving)} with these labels registered, not online yet: {_names(serving)}.")
    if all(each.busy for each in online):
        return Wait(f"{_runners(online)} with these labels, busy with another job: {_names(online)}.")
    return Wait(f"{_names(online)} will take it in a moment.")


def _could(state: State, runner: Runner, job: Job) -> bool:
    """Ask the rule that assigns jobs, as if the runner were free."""
    free = replace(runner, online_at=runner.online_at or state.now(), offline_at=None, job_id=None)
    return registrations.can_take(state, free, job)


def _nobody(state: State, job: Job) -> Wait:
    known = {label.lower() for each in state.live.runners.values() for label in each.labels}
    unserved = tuple(label for label in job.labels if label.lower() not in known)
    if job.group and not job.labels:
        return Wait(f"No runner is registered in the group {job.group}.", stuck=True)
    return Wait("No runner with these labels is registered.", stuck=True, unserved=unserved)


def _runners(found: list[Runner]) -> str:
    return "1 runner" if len(found) == 1 else f"{len(found)} runners"


def _names(found: list[Runner]) -> str:
    return _listed([each.name for each in found[:3]] + (["others"] if len(found) > 3 else []))  # noqa: PLR2004 - a few


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
