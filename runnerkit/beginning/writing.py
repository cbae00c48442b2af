"""The files of a beginning: which there shall be, which are there already, and what is written."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from runnerkit.beginning import configuration, workflows
from runnerkit.beginning.finding import CONFIG
from runnerkit.beginning.words import Way
from runnerkit.errors import ConfigError
from runnerkit.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from runnerkit.beginning.words import Answers, Found

READABLE = 0o644


class State(StrEnum):
    """What became of a file."""

    NEW = "new"
    WRITTEN = "written"
    UNCHANGED = "unchanged"
    KEPT = "kept"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Draft:
    """A file as it shall be; ``path`` is from the checkout's top, ``hides`` a file that would not be read any more."""

    path: str
    text: str
    hides: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a draft, and how the file that stayed differs from it."""

    path: str
    state: State
    difference: str = ""
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As programs get it."""
        return {"path": self.path, "state": str(self.state), "difference": self.difference, "why": self.why}


def drafts(found: Found, answers: Answers) -> tuple[Draft, ...]:
    """The files that there shall be."""
    hides = found.configured if found.configured != CONFIG else ""
    files = [Draft(f"{found.prefix}{CONFIG}", configuration.text(found, answers), hides)]
    files.append(Draft(workflows.MAIN, workflows.text(found, answers)))
    if answers.way is Way.LAUNCH:
        files.append(Draft(workflows.RESUME, workflows.resume(found, answers)))
    return tuple(files)


def put(
    top: Path, files: Iterable[Draft], *, overwrite: Callable[[Draft, str], bool], dry_run: bool = False
) -> tuple[Done, ...]:
    """Write the files.

    Args:
        top: The checkout's folder.
        files: What there shall be.
        overwrite: Asked for each file that is there and differs, with the difference.
        dry_run: Write nothing, and tell what would be.

    Raises:
        ConfigError: A file cannot be written, or its folder leads out of the checkout; those before it are written.
    """
    # All of them are looked at before the first one is written.
    seen = [(each, _there(top, each)) for each in files]
    return tuple(_put(top, each, old, overwrite, dry_run=dry_run) for each, old in seen)


def _put(top: Path, draft: Draft, old: str | None, overwrite: Callable[[Draft, str], bool], *, dry_run: bool) -> Done:
    if old == draft.text:
        return Done(draft.path, State.UNCHANGED)
    if old is not None or draft.hides:
        difference = _difference(draft, old or "")
        if not overwrite(draft, difference):
            why = (
                f"[tool.runnerkit] of {draft.hides} would not be read any more"
                if draft.hides
                else "it is there already"
            )
            return Done(draft.path, State.KEPT, difference, why)
    if dry_run:
        return Done(draft.path, State.NEW if old is None else State.REPLACED, _difference(draft, old or ""))
    path = top / draft.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, draft.text)
        path.chmod(READABLE)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
    return Done(draft.path, State.WRITTEN if old is None else State.REPLACED)


def _there(top: Path, draft: Draft) -> str | None:
    """What is there; None when nothing is."""
    path = top / draft.path
    if not path.resolve().is_relative_to(top.resolve()):
        raise ConfigError(
            f"{draft.path} leads out of the checkout, to {path.resolve()}", hint="it is a link; remove it"
        )
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _difference(draft: Draft, old: str) -> str:
    lines = difflib.unified_diff(
        old.splitlines(), draft.text.splitlines(), draft.path, f"{draft.path} (new)", lineterm=""
    )
    return "\n".join(lines)
