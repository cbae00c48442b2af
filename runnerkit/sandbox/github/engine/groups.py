"""Concurrency groups: one run or job at a time, and at most one that waits for its turn.

Names are compared without case within a repository. A group is held from the moment its turn comes until the run or
job is over, waiting for an environment included.
"""

from collections.abc import Iterator

from runnerkit.sandbox.github.jobs import cancel, cancel_job, jobs_of, run_status
from runnerkit.sandbox.github.records import Job, Run
from runnerkit.sandbox.github.state import State

REPLACED = "Canceling since a higher priority waiting request for '{group}' exists"
DEADLOCK = (
    "Canceling since a deadlock was detected for concurrency group: '{group}' between a top level workflow and '{job}'"
)


def taken(state: State, repository: str, group: str, asking: Run | Job) -> bool:
    """Tell whether somebody else has the group now."""
    return any(each is not asking for each in (*_runs(state, repository, group), *_jobs(state, repository, group)))


def enter(state: State, repository: str, group: str, asking: Run | Job, *, cancel_in_progress: bool) -> None:
    """Ask for a group: who waited for it longer is cancelled, who has it only when the one that asks says so."""
    for run in _runs(state, repository, group, waiting=True):
        if run is not asking:
            _tell(state, run, group)
            cancel(state, run)
    for job in _jobs(state, repository, group, waiting=True):
        if job is not asking:
            job.annotations.append(REPLACED.format(group=group))
            cancel_job(state, job)
    if cancel_in_progress:
        _clear(state, repository, group, asking)


def _clear(state: State, repository: str, group: str, asking: Run | Job) -> None:
    for run in _runs(state, repository, group):
        if run is not asking:
            _tell(state, run, group)
            cancel(state, run)
    for job in _jobs(state, repository, group):
        if job is not asking:
            job.annotations.append(REPLACED.format(group=group))
            cancel_job(state, job)


def _tell(state: State, run: Run, group: str) -> None:
    for job in jobs_of(state.live.jobs, run.latest):
        if job.status != "completed":
            job.annotations.append(REPLACED.format(group=group))


def _runs(state: State, repository: str, group: str, *, waiting: bool = False) -> Iterator[Run]:
    for run_id in sorted(state.active_runs):
        run = state.live.runs[run_id]
        if run.repository != repository or (run.concurrency or "").lower() != group.lower():
            continue
        gate = run.latest.gate
        if gate == ("held" if waiting else "open") and not _over(state, run):
            yield run


def _over(state: State, run: Run) -> bool:
    return run.latest.gate == "open" and run_status(jobs_of(state.live.jobs, run.latest), run)[0] == "completed"


def _jobs(state: State, repository: str, group: str, *, waiting: bool = False) -> Iterator[Job]:
    for run_id in sorted(state.active_runs):
        run = state.live.runs[run_id]
        for job in jobs_of(state.live.jobs, run.latest) if run.repository == repository else ():
            if job.status == "completed" or (job.rules.concurrency or "").lower() != group.lower():
                continue
            if (job.held_by == "group") if waiting else (job.held_by not in {"group", "parallel", "new"}):
                yield job
