"""Runs and jobs: queueing, assigning, finishing, cancelling and running again."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from runnerkit.sandbox.github.records import Attempt, Job, Run, Runner
from runnerkit.sandbox.github.refusals import Reason, Refused, forbidden, invalid
from runnerkit.sandbox.github.registrations import HOSTED_GROUP, can_take, forget, known_runner
from runnerkit.sandbox.github.state import State

RERUN_DAYS = 30
MOST_ATTEMPTS = 51
RUNNERS_SAY = ("success", "failure", "cancelled", "skipped")
LOST = (
    "The self-hosted runner: {name} lost communication with the server. Verify the machine is running and has a"
    " healthy network connection."
)


def add_job(state: State, run: Run, name: str, labels: Iterable[str], **more: Any) -> Job:  # noqa: ANN401 - record fields
    """Put a job into the latest attempt of a run."""
    now = state.now()
    job = Job(
        state.next_id("job"), run.id, run.repository, run.latest.number, name, tuple(labels), now, queued_at=now, **more
    )
    state.live.jobs[job.id] = job
    run.latest.job_ids.append(job.id)
    return job


def jobs_of(jobs: dict[int, Job], attempt: Attempt) -> list[Job]:
    """List an attempt's jobs, those carried over included."""
    return [jobs[each] for each in attempt.job_ids if each in jobs]


def run_status(jobs: list[Job], run: Run | None = None) -> tuple[str, str | None]:
    """Derive a run's status and conclusion from its jobs, and from the run itself while it has none."""
    if run is not None and run.problem is not None:
        return "completed", "startup_failure"
    if run is not None and run.latest.gate in {"new", "held"}:
        return "pending", None
    statuses = {job.status for job in jobs}
    if statuses <= {"completed"}:
        return "completed", _conclusion(jobs) if jobs or run is None else _without_jobs(run)
    if "in_progress" in statuses:
        return "in_progress", None
    # One job that is held back hides that others are queued: so it was reported of GitHub's runs.
    for holding in ("waiting", "pending"):
        if holding in statuses:
            return holding, None
    return ("in_progress" if "completed" in statuses else "queued"), None


def _without_jobs(run: Run) -> str:
    return "cancelled" if run.latest.cancelled else "success"


def _conclusion(jobs: list[Job]) -> str:
    allowed = {"failure", "timed_out"}
    conclusions = {
        "success" if job.rules.continue_on_error and job.conclusion in allowed else job.conclusion for job in jobs
    }
    for worst in ("failure", "timed_out", "cancelled", "action_required"):
        if worst in conclusions:
            return "failure" if worst == "timed_out" else worst
    return "skipped" if conclusions == {"skipped"} else "success"


def assign_all(state: State) -> None:
    """Give every queued job, oldest first, to a runner that can take it."""
    everyone = (*state.live.runners.values(), *state.hosted.values())
    free = [each for each in everyone if each.online and not each.busy]
    queued = [each for each in state.live.jobs.values() if free and each.status == "queued"]
    for job in sorted(queued, key=lambda each: (each.queued_at, each.id)):
        taker = next((each for each in free if can_take(state, each, job)), None)
        if taker is not None:
            start(state, job, taker)


def start(state: State, job: Job, runner: Runner) -> None:
    """Start a job on a runner.

    Raises:
        Refused: 409 when the runner cannot take it.
    """
    if not can_take(state, runner, job):
        raise Refused(Reason.CONFLICT, f"runner {runner.name} cannot take job {job.id} ({job.status})")
    job.status, job.started_at = "in_progress", state.now()
    job.runner_id, job.runner_name, job.runner_group_id = runner.id, runner.name, runner.group_id
    job.runner_group_name = "Default" if runner.bound_to is None else HOSTED_GROUP
    if runner.level.startswith("orgs/"):
        job.runner_group_name = state.group(runner.level.removeprefix("orgs/"), runner.group_id).name
    runner.job_id = job.id


def finish(state: State, job: Job, conclusion: str, at: datetime | None = None) -> None:
    """Complete a job; a runner that is still connected has done its one job and is deregistered.

    Raises:
        Refused: 409 when it is completed already.
    """
    if job.status == "completed":
        raise Refused(Reason.CONFLICT, f"job {job.id} is completed already ({job.conclusion})")
    job.status, job.conclusion, job.completed_at, job.held_by = "completed", conclusion, at or state.now(), ""
    runner = known_runner(state, job.runner_id or 0)
    if runner is None or runner.job_id != job.id:
        return
    runner.job_id = None
    if runner.online:
        forget(state, runner)


def release(state: State, job: Job) -> None:
    """Queue a job that waited for an approval or another job."""
    job.status, job.held_by, job.queued_at = "queued", "", state.now()


def checked_conclusion(said: str) -> str:
    """Pass on what a runner may say of its job.

    Raises:
        Refused: 422 for any other word.
    """
    if said not in RUNNERS_SAY:
        raise invalid(f"{said!r} is no conclusion of a job; a runner says {', '.join(RUNNERS_SAY)}")
    return said


def append_log(job: Job, step: int, text: str) -> None:
    """Add what a step printed to the job's log."""
    if text:
        # Text that only one name refers to grows in place; otherwise each line would copy the whole log.
        log, job.log = job.log, ""
        log += text
        job.log = log
        log = job.step_logs.pop(step, "")
        log += text
        job.step_logs[step] = log


def lose_lease(state: State, job: Job, at: datetime) -> None:
    """Fail a job whose runner was not heard of until the lease ran out."""
    job.annotations.append(LOST.format(name=job.runner_name))
    finish(state, job, "failure", at)


def cancel(state: State, run: Run, *, force: bool = False) -> None:
    """Cancel a run: what waits ends now; what runs is told to end, or ended when forced.

    Raises:
        Refused: 409 when the run is completed.
    """
    jobs = jobs_of(state.live.jobs, run.latest)
    if run_status(jobs, run)[0] == "completed":
        raise Refused(Reason.CONFLICT, "Cannot cancel a workflow run that is completed.")
    run.latest.cancelled = True
    if force:
        run.latest.gate = "closed"
    for job in jobs if force or not run.path else ():
        # What a workflow wants to happen on cancellation is for the engine to find out.
        if job.status != "completed":
            cancel_job(state, job, force=force)


def cancel_job(state: State, job: Job, *, force: bool = False) -> None:
    """Cancel one job: what waits ends now; what runs is told to end, or ended when forced."""
    if force or job.status != "in_progress":
        finish(state, job, "cancelled")
    else:
        job.cancel_asked_at = job.cancel_asked_at or state.now()


def rerun(state: State, run: Run, chosen: set[int] | None, actor: str) -> Attempt:
    """Start the next attempt with the jobs whose ids are ``chosen`` (all when None); the others are carried over.

    Jobs of a workflow file are planned anew from it, those that a test told into being are repeated as they were.

    Raises:
        Refused: 403 while a job of the run is not completed, after 30 days, and after 50 repetitions.
    """
    before = jobs_of(state.live.jobs, run.latest)
    if run_status(before, run)[0] != "completed":
        raise forbidden("This workflow is already running")
    if run.problem is not None:
        raise forbidden("This workflow run cannot be retried: its workflow file is broken")
    if state.now() - run.created_at > timedelta(days=RERUN_DAYS):
        raise forbidden("Unable to retry this workflow run because it was created over a month ago")
    if len(run.attempts) >= MOST_ATTEMPTS:
        raise forbidden("Unable to retry this workflow run because it was retried too many times")
    run.attempts.append(Attempt(run.latest.number + 1, state.now(), actor))
    for job in before:
        if chosen is not None and job.id not in chosen:
            run.latest.job_ids.append(job.id)
        elif not run.path:
            _again(state, run, job)
    if run.path:
        _plan_again(state, run, before)
    return run.latest


def _plan_again(state: State, run: Run, before: list[Job]) -> None:
    repeated = {job.key for job in before if job.id not in run.latest.job_ids}
    run.latest.gate = "new"
    run.latest.planned = list(dict.fromkeys(job.key for job in before if job.key not in repeated))
    state.active_runs.add(run.id)


def _again(state: State, run: Run, job: Job) -> None:
    fresh = add_job(state, run, job.name, job.labels, group=job.group, needs=job.needs)
    fresh.payload = dict(job.payload)


def rerun_failed(state: State, run: Run, actor: str) -> Attempt:
    """Run the failed and cancelled jobs and what depends on them again."""
    jobs = jobs_of(state.live.jobs, run.latest)
    failed = {job.id for job in jobs if job.conclusion in {"failure", "cancelled", "timed_out"}}
    if jobs and not failed and run_status(jobs, run)[0] == "completed":
        raise forbidden("This workflow run has no failed jobs to run again")
    return rerun(state, run, with_dependents(jobs, failed), actor)


def with_dependents(jobs: list[Job], chosen: set[int]) -> set[int]:
    """Add to the ids ``chosen`` every job that needs one of them, directly or not."""
    while True:
        names = {job.key or job.name for job in jobs if job.id in chosen}
        more = chosen | {job.id for job in jobs if names & set(job.needs)}
        if more == chosen:
            return chosen
        chosen = more


def as_of(run: Run, number: int) -> Run | None:
    """Show a run as its attempt ``number`` saw it; None when there was no such attempt."""
    seen = [each for each in run.attempts if each.number <= number]
    return replace(run, attempts=seen) if seen and seen[-1].number == number else None
