"""The jobs that have no machine of their own, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.actions import Launch
from runnerkit.overview.past import safe
from runnerkit.overview.words import JobLine, State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from runnerkit.actions import Waiting
    from runnerkit.errors import RunnerkitError
    from runnerkit.model import Job
    from runnerkit.overview.past import Past
    from runnerkit.overview.seen import Seen
    from runnerkit.overview.words import MachineLine

NOBODY = "no registered runner has all of these labels, and none of them asks for runnerkit"
# What a reader must act on comes first, then what waits, then what is on its way.
ORDER = (State.REFUSED, State.FAILED, State.WAITING, State.UNSERVED, State.LAUNCHING, State.COMING)
BLOCKED = frozenset({State.REFUSED, State.FAILED, State.WAITING, State.UNSERVED})


def job_lines(seen: Seen, machines: tuple[MachineLine, ...], past: Past) -> tuple[JobLine, ...]:
    """Every queued job that concerns us; those that somebody should look at first, then the longest wait first."""
    lines = [*_demanded(seen, machines, past), *_refused(seen, past)]
    lines += [_line(job, past, State.UNSERVED, NOBODY) for job in seen.unserved]
    return tuple(sorted(lines, key=lambda line: (ORDER.index(line.state), line.since, line.id)))


def _demanded(seen: Seen, machines: tuple[MachineLine, ...], past: Past) -> Iterator[JobLine]:
    launches = {action.job_id: action for action in seen.plan.actions if isinstance(action, Launch)}
    errors = {tried.action.job_id: tried.error for tried in seen.outcomes if isinstance(tried.action, Launch)}
    waiting = {each.job.id: each for each in seen.plan.waiting}
    coming = {line.job: line.name for line in machines if line.until is None and line.phase != "gone"}
    for wish in seen.demand:
        job = wish.job
        error, launch, wait = errors.get(job.id), launches.get(job.id), waiting.get(job.id)
        if error is not None:
            yield _failed(job, past, error, wait)
        elif launch is not None:
            yield _line(job, past, State.LAUNCHING, "a machine is being launched for it", machine=str(launch.name))
        elif job.id in coming:
            why = wait.why if wait else "its machine is on its way"
            yield _line(job, past, State.COMING, why, machine=coming[job.id])
        else:
            why, until = (wait.why, wait.until) if wait else ("the next pass decides", None)
            yield _line(job, past, State.WAITING, why, until=until)


def _refused(seen: Seen, past: Past) -> Iterator[JobLine]:
    for refused in seen.refused:
        yield _line(refused.job, past, State.REFUSED, refused.error.message, hint=refused.error.hint)


def _failed(job: Job, past: Past, error: RunnerkitError, wait: Waiting | None) -> JobLine:
    until = wait.until if wait else None
    return _line(job, past, State.FAILED, error.message, hint=error.hint, until=until)


def _line(
    job: Job, past: Past, state: State, why: str, *, hint: str = "", until: datetime | None = None, machine: str = ""
) -> JobLine:
    return JobLine(
        id=job.id,
        run=job.run_id,
        repo=job.repo,
        title=job.name,
        url=safe(job.url) or past.link(job.repo, job.run_id, job.id),
        labels=job.labels,
        state=state,
        why=why,
        hint=hint,
        since=job.created_at,
        until=until,
        machine=machine,
    )
