"""Ending a job before its time. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.errors import RunnerkitError

if TYPE_CHECKING:
    from runnerkit.batch.ports import Service
    from runnerkit.batch.states import Job
    from runnerkit.ports import Clock

# GitHub kills a cancelled step ten seconds after its first signal.
# https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-cancellation
WITHIN = 6.0
LOOK_EVERY = 0.5


def cancel(
    service: Service, clock: Clock, job_id: str, reason: str, within: float = WITHIN, *, only_waiting: bool = False
) -> Job | None:
    """End a job: cancelled if it has no machine, terminated if it has; then wait a little for its end.

    Args:
        service: Batch.
        clock: For waiting.
        job_id: Which.
        reason: What Batch shows as the reason.
        within: Seconds to wait for the end.
        only_waiting: Leave a job alone that has got a machine meanwhile.

    Returns:
        The job as it then is, which may not be over yet; None when Batch does not show it.

    Raises:
        RunnerkitError: Batch refused to end it.
    """
    job = _look(service, job_id)
    if job is None:
        service.terminate(job_id, reason)
        return None
    terminated = False
    for _ in range(max(1, round(within / LOOK_EVERY))):
        if job.state.over or (only_waiting and not job.state.waits):
            break
        # A job that got a machine meanwhile was not touched by the cancellation.
        if job.state.waits:
            service.cancel(job_id, reason)
        elif not terminated:
            service.terminate(job_id, reason)
            terminated = True
        clock.wait(LOOK_EVERY)
        job = _look(service, job_id) or job
    return job


def _look(service: Service, job_id: str) -> Job | None:
    try:
        return next(iter(service.jobs(job_id)), None)
    except RunnerkitError:
        return None
