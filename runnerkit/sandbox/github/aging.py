"""What time alone brings about: leases, queues and forgotten registrations."""

from datetime import datetime, timedelta

from runnerkit.sandbox.github.engine import approvals
from runnerkit.sandbox.github.engine.progress import progress
from runnerkit.sandbox.github.jobs import assign_all, finish, lose_lease
from runnerkit.sandbox.github.records import Job, Runner
from runnerkit.sandbox.github.registrations import forget, known_runner
from runnerkit.sandbox.github.state import State

DAY = 24 * 3600


def settle(state: State) -> None:
    """Let everything happen that was due by now, then bring the runs on; done on every look at the world."""
    now = state.now()
    for job in list(state.live.jobs.values()):
        if job.status == "in_progress":
            _age_running(state, job, now)
        elif job.status == "queued":
            _age_queued(state, job, now)
        elif job.status == "waiting":
            _age_waiting(state, job, now)
    for runner in list(state.live.runners.values()):
        if not runner.busy and _forgotten(state, runner, now):
            del state.live.runners[runner.id]
    progress(state)
    for runner in list(state.hosted.values()):
        if not runner.busy and state.live.jobs[runner.bound_to or 0].status != "queued":
            forget(state, runner)
    if state.options.auto_assign:
        assign_all(state)


def _age_running(state: State, job: Job, now: datetime) -> None:
    runner = known_runner(state, job.runner_id or 0)
    if runner is not None and runner.offline_at is not None:
        lease_until = runner.offline_at + timedelta(seconds=state.options.lease)
        if now >= lease_until:
            lose_lease(state, job, lease_until)
            return
    _time_out(job, now)
    if job.cancel_asked_at is not None and _passed(job.cancel_asked_at, state.options.cancel_grace, now):
        finish(state, job, "cancelled")
    elif job.started_at is not None and _passed(job.started_at, state.options.longest_job, now):
        job.annotations.append("The job has exceeded the maximum execution time of 5 days.")
        finish(state, job, "failure")


def _time_out(job: Job, now: datetime) -> None:
    # A job that has run out of time is told to end like one that somebody cancels.
    if job.started_at is None or job.cancel_asked_at is not None or not _passed(job.started_at, job.rules.timeout, now):
        return
    minutes = (job.rules.timeout or 0) / 60
    job.annotations.append(f"The job has exceeded the maximum execution time of {minutes:g} minutes.")
    job.cancel_asked_at = job.started_at + timedelta(minutes=minutes)


def _age_queued(state: State, job: Job, now: datetime) -> None:
    if _passed(job.queued_at, state.options.queue, now):
        job.annotations.append("The job was not picked up by a runner within 24 hours.")
        finish(state, job, "failure", job.queued_at + timedelta(seconds=state.options.queue))


def _age_waiting(state: State, job: Job, now: datetime) -> None:
    since, limit = job.waiting_since, state.options.approval
    if since is None or not _passed(since, limit, now) or not approvals.unreviewed(state, job):
        return
    job.annotations.append(f"The job was not approved for {job.environment} within {limit / DAY:g} days.")
    finish(state, job, "failure", since + timedelta(seconds=limit))


def _forgotten(state: State, runner: Runner, now: datetime) -> bool:
    if runner.online_at is not None and runner.online:
        return _passed(runner.online_at, state.options.idle_vanish, now)
    return _passed(runner.offline_at or runner.created_at, state.options.offline_ephemeral, now)


def _passed(since: datetime, seconds: float | None, now: datetime) -> bool:
    return seconds is not None and now - since >= timedelta(seconds=seconds)
