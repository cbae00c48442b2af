"""What a job must pass before it is queued: its siblings, its concurrency group, its environment, in this order."""

from runnerkit.sandbox.github.engine import approvals, groups
from runnerkit.sandbox.github.jobs import cancel_job, jobs_of, release
from runnerkit.sandbox.github.records import Job, Run
from runnerkit.sandbox.github.state import State

STATUS = {"parallel": "pending", "group": "pending", "environment": "waiting"}


def try_to_queue(state: State, run: Run, job: Job) -> bool:
    """Bring a held job as far as it gets now; tell whether anything has changed."""
    before = job.held_by
    if before in {"new", "parallel"} and _too_many(state, run, job):
        return _hold(job, "parallel")
    if before != "environment" and job.rules.concurrency is not None and _in_turn(state, run, job):
        return job.held_by != before or job.status == "completed"
    if approvals.blocks(state, job):
        job.waiting_since = job.waiting_since or state.now()
        changed = _hold(job, "environment")
        approvals.tell_waiting(state, run)
        return changed
    release(state, job)
    approvals.tell_waiting(state, run)
    return True


def _hold(job: Job, why: str) -> bool:
    changed = job.held_by != why
    job.held_by, job.status = why, STATUS[why]
    return changed


def _too_many(state: State, run: Run, job: Job) -> bool:
    if job.rules.max_parallel is None:
        return False
    legs = [each for each in jobs_of(state.live.jobs, run.latest) if each.key == job.key and each is not job]
    return sum(_counts(each) for each in legs) >= job.rules.max_parallel


def _counts(job: Job) -> bool:
    return job.status != "completed" and job.held_by not in {"new", "parallel"}


def _in_turn(state: State, run: Run, job: Job) -> bool:
    # True while the job waits in line, or when it was cancelled because it would wait for its own run for ever.
    group = job.rules.concurrency or ""
    if (run.concurrency or "").lower() == group.lower():
        job.annotations.append(groups.DEADLOCK.format(group=group, job=job.key))
        cancel_job(state, job)
        return True
    if job.held_by != "group":
        groups.enter(state, job.repository, group, job, cancel_in_progress=job.rules.cancel_in_progress)
    if not groups.taken(state, job.repository, group, job):
        return False
    _hold(job, "group")
    return True
