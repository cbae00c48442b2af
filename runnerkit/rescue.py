"""Whether anybody lets a run go on that AWS interrupts; `launch` says so when nobody is known to. Pure."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from runnerkit.wishes import Retry, SpotUse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runnerkit.history import Note
    from runnerkit.wishes import RunnerSpec


class Rescuer(StrEnum):
    """Who repeats an interrupted run."""

    CONTROLLER = "controller"
    RESUME = "resume"
    NOBODY = "nobody"
    NOT_NEEDED = "not-needed"


NOTE = (
    "nobody is known to repeat this run when AWS takes the spot machine back: it would stay failed; copy"
    " examples/resume.yml to .github/workflows, or run a controller, and say which with recovery under [github]"
    " (spot=never or retry=never in the label need neither)"
)
# What a controller notes; `launch` and `resume` never do.
CONTROLLERS_OWN = frozenset({"job-seen", "job-waiting", "job-refused"})
_COMMAND = re.compile(r"\brunnerkit\s+(resume|once|run|serve)\b")
_BY_COMMAND = {"resume": Rescuer.RESUME}


def is_at_risk(spec: RunnerSpec, markets: Iterable[str]) -> bool:
    """Whether an interruption may cost a run that wants to be repeated; ``markets`` are those of its machines."""
    wanted = spec.spot is not SpotUse.NEVER and spec.retry is not Retry.NEVER
    return wanted and "spot" in markets


def in_workflows(texts: Iterable[str]) -> Rescuer:
    """Who is called in workflow files; their comments do not count."""
    for text in texts:
        for line in text.splitlines():
            found = _COMMAND.search(line.partition(" #")[0]) if not line.lstrip().startswith("#") else None
            if found:
                return _BY_COMMAND.get(found[1], Rescuer.CONTROLLER)
    return Rescuer.NOBODY


def in_journal(notes: Iterable[Note], repo: str) -> Rescuer:
    """Whether a controller has lately looked after the repository."""
    seen = any(note.kind in CONTROLLERS_OWN and note.text("repo").lower() == repo.lower() for note in notes)
    return Rescuer.CONTROLLER if seen else Rescuer.NOBODY
