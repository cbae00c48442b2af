"""One job: its steps, their logs, its runner."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runnerkit.sandbox.github.registrations import known_runner
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.web.looks import Look, look
from runnerkit.sandbox.github.web.times import parsed
from runnerkit.sandbox.github.web.views.notes import Note, notes_of
from runnerkit.sandbox.github.web.views.rows import Head, JobRow, RunRow, head, job_row, run_row

WHOLE = "The job's log"


@dataclass(frozen=True, slots=True)
class Step:
    """A step with all that it wrote."""

    number: int
    name: str
    look: Look
    started_at: datetime | None
    ended_at: datetime | None
    log: str


@dataclass(frozen=True, slots=True)
class JobView:
    """A job's page."""

    head: Head
    run: RunRow
    job: JobRow
    siblings: tuple[JobRow, ...]
    runner_group: str | None
    runner_id: int | None
    notes: tuple[Note, ...]
    steps: tuple[Step, ...]
    cancelling: bool

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self.job.ended_at is not None


def job_view(state: State, owner: str, repo: str, run_id: int, job_id: int) -> JobView:
    """Copy a job with its logs."""
    with state.open(reading=True):
        repository = state.repository(f"{owner}/{repo}")
        run, job = state.run(repository.full_name, run_id), state.job(repository.full_name, job_id)
        row = job_row(state, job, run)
        attempt = next((each for each in run.attempts if job.id in each.job_ids), run.latest)
        siblings = tuple(
            job_row(state, state.live.jobs[each], run) for each in attempt.job_ids if each in state.live.jobs
        )
        runner = known_runner(state, job.runner_id or 0)
        above, run_shown = head(state, repository), run_row(state, run)
        steps, logs, whole = list(job.steps), dict(job.step_logs), job.log
        notes, cancelling = tuple(notes_of(job, row)), job.cancel_asked_at is not None and job.status != "completed"
        registered = runner.id if runner and runner.bound_to is None else None
        group = job.runner_group_name
    shown = _steps(steps, logs, whole, row.look)
    return JobView(above, run_shown, row, siblings, group, registered, notes, shown, cancelling)


def raw_log(state: State, owner: str, repo: str, job_id: int) -> str:
    """Give a job's log as plain text."""
    with state.open(reading=True):
        job = state.job(state.repository(f"{owner}/{repo}").full_name, job_id)
        whole, logs = job.log, dict(job.step_logs)
    return whole or "".join(text for _, text in sorted(logs.items()))


def _steps(told: list[dict[str, Any]], logs: dict[int, str], whole: str, of_job: Look) -> tuple[Step, ...]:
    """Join what the runner told about its steps with what they wrote; a log alone is one section."""
    steps = {step.number: step for step in (_step(each, place, logs) for place, each in enumerate(told, 1))}
    for number in logs.keys() - steps.keys():
        steps[number] = Step(number, f"Step {number}", of_job, None, None, logs[number])
    if whole and not logs:
        steps[0] = Step(0, WHOLE, of_job, None, None, whole)
    return tuple(steps[number] for number in sorted(steps))


def _step(told: dict[str, Any], place: int, logs: dict[int, str]) -> Step:
    number = told.get("number")
    number = number if isinstance(number, int) else place
    shown = look(str(told.get("status", "")), told.get("conclusion") and str(told["conclusion"]))
    times = parsed(told.get("started_at")), parsed(told.get("completed_at"))
    return Step(number, str(told.get("name", f"Step {number}")), shown, *times, logs.get(number, ""))


def closing(log: str, *, done: bool) -> str:
    """Let a log end with a line feed when nothing more will come."""
    return f"{log}\n" if done and log and not log.endswith("\n") else log
