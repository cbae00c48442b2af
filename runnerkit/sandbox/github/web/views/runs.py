"""A run with everything around it, and the list of runs."""

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from runnerkit.sandbox.github.engine import approvals
from runnerkit.sandbox.github.jobs import as_of, jobs_of, run_status
from runnerkit.sandbox.github.records import Approval, Run
from runnerkit.sandbox.github.refusals import missing
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.web.graph import Graph, graph_of
from runnerkit.sandbox.github.web.views.notes import Note, notes_of
from runnerkit.sandbox.github.web.views.rows import Head, JobRow, RunRow, head, job_row, run_row

MOST_RUNS = 100
PLACED = re.compile(r"(?P<path>[^:\n]+\.ya?ml):(?:(?P<line>\d+):)?\s*(?P<message>.*)", re.DOTALL)
AROUND = 2


@dataclass(frozen=True, slots=True)
class RunList:
    """The runs of a repository, newest first."""

    head: Head
    runs: tuple[RunRow, ...]
    workflows: tuple[str, ...]
    chosen: str | None
    more: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What one job's steps wrote into their summaries."""

    job: JobRow
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class File:
    """An artifact."""

    url: str
    name: str
    size: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Review:
    """An environment that a run waits for; ``open`` while somebody's word is missing, otherwise its timer runs."""

    environment: str
    reviewers: tuple[str, ...]
    jobs: tuple[str, ...]
    open: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """What a reviewer said."""

    environment: str
    approved: bool
    login: str
    comment: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Problem:
    """Why GitHub refuses the workflow; ``excerpt`` has the lines around, by number."""

    path: str
    line: int | None
    message: str
    excerpt: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RunView:
    """A run at one of its attempts; the buttons are there only at the latest one."""

    head: Head
    run: RunRow
    message: str
    attempts: tuple[int, ...]
    latest: bool
    jobs: tuple[JobRow, ...]
    graph: Graph | None
    notes: tuple[Note, ...]
    summaries: tuple[Summary, ...]
    files: tuple[File, ...]
    reviews: tuple[Review, ...]
    decisions: tuple[Decision, ...]
    problem: Problem | None
    held_by: str | None
    cancellable: bool
    cancelling: bool
    repeatable: bool
    failed: bool


def run_list(state: State, owner: str, repo: str, workflow: str | None = None) -> RunList:
    """Copy the newest runs, of one workflow when it is named."""
    with state.open(reading=True):
        repository = state.repository(f"{owner}/{repo}")
        found = [each for each in state.live.runs.values() if each.repository == repository.full_name]
        names = tuple(sorted({each.workflow for each in found}))
        wanted = [each for each in reversed(found) if workflow in {None, each.workflow}]
        rows = tuple(run_row(state, each) for each in wanted[:MOST_RUNS])
        return RunList(head(state, repository), rows, names, workflow, max(0, len(wanted) - MOST_RUNS))


def run_view(state: State, owner: str, repo: str, run_id: int, number: int | None = None) -> RunView:
    """Copy a run at its latest attempt or at attempt ``number``."""
    with state.open(reading=True):
        repository = state.repository(f"{owner}/{repo}")
        live = state.run(repository.full_name, run_id)
        run = live if number is None else as_of(live, number)
        if run is None:
            raise missing()
        return _copied(state, head(state, repository), run, live)


def _copied(state: State, above: Head, run: Run, live: Run) -> RunView:
    found = jobs_of(state.live.jobs, run.latest)
    rows = tuple(job_row(state, job, run) for job in found)
    latest = run.latest.number == live.latest.number
    row, over = run_row(state, run), run_status(found, run)[0] == "completed"
    return RunView(
        above,
        row,
        state.commits.get((run.head_repository, run.head_sha), ""),
        tuple(each.number for each in live.attempts),
        latest,
        rows,
        graph_of(rows),
        tuple(note for job, r in zip(found, rows, strict=True) for note in notes_of(job, r)),
        tuple(Summary(r, tuple(job.summaries)) for job, r in zip(found, rows, strict=True) if any(job.summaries)),
        _files(state, run),
        tuple(_review(state, run, each) for each in dict.fromkeys(run.waiting_for)) if latest and not over else (),
        tuple(_decision(each) for each in run.approvals),
        _problem(run),
        run.concurrency if run.latest.gate == "held" else None,
        latest and not over,
        run.latest.cancelled and not over,
        latest and over and run.problem is None,
        any(job.conclusion in {"failure", "cancelled", "timed_out"} for job in found),
    )


def _files(state: State, run: Run) -> tuple[File, ...]:
    home = f"/{quote(run.repository)}/actions/runs/{run.id}/artifacts"
    found = [each for each in state.artifacts.values() if each.run_id == run.id and each.repository == run.repository]
    return tuple(File(f"{home}/{each.id}", each.name, len(each.data), each.created_at) for each in found)


def _review(state: State, run: Run, name: str) -> Review:
    environment = approvals.known(state, run.repository, name)
    known = environment.reviewers if environment else ()
    free = tuple(login for login in known if environment and approvals.may_review(environment, run, login))
    waiting = [job for job in jobs_of(state.live.jobs, run.latest) if job.environment == name]
    missing_word = not run.path or (bool(known) and not all(job.approved for job in waiting))
    return Review(name, free or known, tuple(job.name for job in waiting), missing_word)


def _decision(found: Approval) -> Decision:
    return Decision(found.environment, found.state == "approved", found.login, found.comment, found.at)


def _problem(run: Run) -> Problem | None:
    if run.problem is None:
        return None
    placed = PLACED.fullmatch(run.problem)
    if placed is None:
        return Problem(run.path or run.workflow, None, run.problem)
    line = int(placed["line"]) if placed["line"] else None
    return Problem(run.path or placed["path"], line, placed["message"].strip(), _excerpt(run.text, line))


def _excerpt(text: str, line: int | None) -> tuple[tuple[int, str], ...]:
    numbered = tuple(enumerate(text.split("\n"), 1)) if text and line else ()
    return numbered[max(0, line - 1 - AROUND) : line + AROUND] if line else ()
