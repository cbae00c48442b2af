"""What follows for a run from its jobs, as GitHub has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.history import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.model import Job

OVER = "completed"
FAILED = ("failure", "cancelled", "timed_out")
# One job in such a state decides about the run, whatever the others do: one that is held back hides queued ones.
_TELLING = ("in_progress", "waiting", "pending")


def summary(jobs: Sequence[Job]) -> Run:
    """The run that these are all the jobs of, at its latest attempt."""
    first, status = jobs[0], status_of(jobs)
    return Run(
        first.run_id,
        first.repo,
        status,
        max(job.run_attempt for job in jobs),
        first.created_at,
        conclusion_of(jobs) if status == OVER else None,
        first.event,
        first.head_sha,
        first.private,
        first.fork,
    )


def status_of(jobs: Sequence[Job]) -> str:
    """A run's status."""
    states = {job.status for job in jobs}
    if len(states) == 1:
        return next(iter(states))
    return next((state for state in _TELLING if state in states), "in_progress")


def conclusion_of(jobs: Sequence[Job]) -> str:
    """How a run ended whose jobs are all over."""
    return next((job.conclusion for job in jobs if job.conclusion in FAILED), "success") or "success"
