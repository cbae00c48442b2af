"""Annotations: what the service and the runner said about a job."""

from dataclasses import dataclass

from runnerkit.sandbox.github.records import Job
from runnerkit.sandbox.github.web.views.rows import JobRow

LEVELS = {"error", "warning", "notice"}


@dataclass(frozen=True, slots=True)
class Note:
    """An annotation; its level is error, warning or notice."""

    job: JobRow
    level: str
    text: str


def notes_of(job: Job, row: JobRow) -> list[Note]:
    """Copy a job's annotations; one that names no level is an error, as the API shows it."""
    return [_note(row, text) for text in job.annotations]


def _note(row: JobRow, text: str) -> Note:
    level, colon, rest = text.partition(":")
    if colon and level.lower() in LEVELS:
        return Note(row, level.lower(), rest.strip())
    return Note(row, "error", text)
