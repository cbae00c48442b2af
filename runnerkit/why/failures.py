"""What was tried for a job so far, and what came in between. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerkit.why.timeline import error, refusal
from runnerkit.why.words import some, times

if TYPE_CHECKING:
    from runnerkit.history import Note
    from runnerkit.model import Job
    from runnerkit.why.evidence import Evidence

TRIES = frozenset({"instance-launched", "launch-failed"})


@dataclass(frozen=True, slots=True)
class Tried:
    """How often machines were tried for a job, and what the last trouble was."""

    tries: int = 0
    trouble: str = ""

    @property
    def count(self) -> str:
        """How often, in words."""
        return f"tried {times(self.tries)}" if self.tries else ""

    def __str__(self) -> str:
        return "; ".join(text for text in (self.trouble, self.count) if text)


def tried(job: Job, evidence: Evidence) -> Tried:
    """What was tried for a job, as journal and EC2 know it."""
    names = evidence.names_for(job)
    notes = evidence.notes_about(names)
    launched = {note.text("runner").lower() for note in notes if note.kind in TRIES}
    launched |= {instance.name.lower() for instance in evidence.instances_named(names)}
    last = max((note for note in notes if note.kind in TRIES), key=lambda note: note.at, default=None)
    failed = [note for note in notes if note.kind == "launch-failed"]
    # A name is used again after a launch that came to nothing: each failure is a try of its own.
    gone = launched - {note.text("runner").lower() for note in failed}
    trouble = ""
    if last is not None and last.kind == "launch-failed":
        trouble = _capacity(notes, last) or error(last)
    elif last is not None and _never_online(notes, last):
        trouble = f"{last.text('runner')} never came online"
    return Tried(len(gone) + len(failed), trouble)


def _never_online(notes: list[Note], last: Note) -> bool:
    later = [note for note in notes if note.at >= last.at and note.text("runner") == last.text("runner")]
    return any(note.kind == "runner-deregistered" and "online" in note.text("reason") for note in later)


def _capacity(notes: list[Note], last: Note) -> str:
    """Which pools said no with which code, in the try that failed last."""
    told = last.facts.get("error")
    if not isinstance(told, dict) or told.get("code") != "no-capacity":
        return ""
    own = [refusal(n) for n in notes if n.kind == "offering-refused" and n.text("runner") == last.text("runner")]
    listed = told.get("refusals")
    refusals = listed if isinstance(listed, list) and listed else own
    kinds = some([str(each.get("type") or "any type") for each in refusals])
    zones = some([str(each.get("zone") or "any zone") for each in refusals])
    codes = some([str(each.get("code")) for each in refusals])
    return f"no capacity for {kinds} in {zones} ({codes})" if refusals else "no capacity"
