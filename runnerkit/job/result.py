"""What a run of the pipeline came to, as a file that the report and other programs read."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from runnerkit.job.document import escaped, table
from runnerkit.job.progress import Stage, State, told_tail

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

FILE = "run.json"
# Parts of names of variables whose values are secret, and words (between underscores) that are too short for that.
SECRET_PARTS = ("TOKEN", "SECRET", "PASSW", "PASSPHRASE", "CREDENTIAL", "PRIVATE", "APIKEY", "WEBHOOK", "CONNECTION")
SECRET_WORDS = frozenset({"KEY", "PAT", "PWD", "DSN", "AUTH", "COOKIE", "JWT"})
SECRET_LENGTH = 8
# What is secret wherever it stands: tokens by their shape, passwords in addresses, private keys.
_SHAPES = [
    re.compile(r"\b(?:gh[opsur]_[A-Za-z0-9._-]{20,}|github_pat_\w{20,}|xox[abprs]-[\w-]{10,}|hf_[A-Za-z0-9]{20,})"),
    re.compile(r"\b(?:sk-[\w-]{20,}|AKIA[A-Z0-9]{16}|ASIA[A-Z0-9]{16}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+)"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"),
]
_IN_ADDRESS = re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{0,200}:)[^\s/@]{1,500}(?=@)", re.IGNORECASE)
_SIGNED = re.compile(r"([?&](?:X-Amz-Signature|X-Amz-Security-Token|sig|Signature)=)[^&\s]+", re.IGNORECASE)


@dataclass(slots=True)
class StageResult:
    """One stage: see :class:`runnerkit.job.progress.State` for ``state``; times are seconds since the epoch."""

    name: str
    state: str
    seconds: float | None = None
    started: float | None = None
    finished: float | None = None
    exit_code: int | None = None
    log_tail: str = ""

    @classmethod
    def of(cls, stage: Stage, environ: Mapping[str, str]) -> StageResult:
        """The result of a stage; only one that did not end well keeps the end of its log."""
        unwell = stage.state in {State.FAILED, State.STOPPED}
        tail = redacted(told_tail(stage), environ) if unwell else ""
        return cls(stage.name, stage.state, stage.seconds, stage.started, stage.finished, stage.exit_code, tail)


@dataclass(slots=True)
class Result:
    """A run: ``outcome`` is running, success, failed, interrupted or cancelled, ``pushed`` means all is on the remote.

    ``lock`` is where its lock was left, a folder or a key beside the remote.
    ``interrupted`` tells that AWS announced to take the machine, even when the pipeline was done in time.
    ``overrides``, ``unfrozen`` and ``forced`` are what this run alone was asked for; ``continued`` names stages that
    went on from a checkpoint.
    """

    outcome: str = "running"
    exit_code: int | None = None
    started: float = 0.0
    finished: float | None = None
    stages: list[StageResult] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    interrupted: bool = False
    pushed: bool = False
    pushes: int = 0
    missing: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)
    unfrozen: list[str] = field(default_factory=list)
    forced: list[str] = field(default_factory=list)
    continued: list[str] = field(default_factory=list)
    error: str = ""
    hint: str = ""
    log_tail: str = ""
    dvc: str = ""
    sha: str = ""
    lock: str = ""
    machine: dict[str, Any] = field(default_factory=dict)

    def count(self, *states: State) -> int:
        """How many stages (not counting ``.dvc`` files) are in one of these states."""
        return sum(stage.state in states for stage in self.stages if not stage.name.endswith(".dvc"))

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return None if self.finished is None else round(self.finished - self.started, 3)

    def as_dict(self) -> dict[str, Any]:
        """The result for programs."""
        return {**asdict(self), "seconds": self.seconds}

    def write(self, folder: Path) -> None:
        """Write the file; whoever reads it meanwhile sees the old one or the new one."""
        draft = folder / f"{FILE}.new"
        draft.write_text(json.dumps(self.as_dict(), indent=2) + "\n", encoding="utf-8")
        os.replace(draft, folder / FILE)  # noqa: PTH105 - the one call that is atomic

    @classmethod
    def read(cls, folder: Path) -> Result | None:
        """What the last run here came to; None when there was none, or its file is unreadable."""
        try:
            said = json.loads((folder / FILE).read_text(encoding="utf-8"))
            stages = [StageResult(**_known(StageResult, each)) for each in said.pop("stages", [])]
            return cls(**{**_known(cls, said), "stages": stages})
        except (OSError, ValueError, TypeError, AttributeError):
            return None


def _known(cls: type[Any], said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name in cls.__dataclass_fields__}


def folder_for_results(folder: Path) -> Path:
    """Make our folder, out of git's sight."""
    folder.mkdir(exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    return folder


def redacted(text: str, environ: Mapping[str, str]) -> str:
    """The text without what looks secret: GitHub masks its log, not comments.

    Values of variables whose names say so (each line of those that have several, as GitHub does it), and what has the
    shape of a secret. Both as they are and as :func:`runnerkit.job.document.escaped` writes them.
    """
    values = {line.strip() for name, value in environ.items() if _secret(name) for line in value.splitlines()}
    for value in sorted((each for each in values if len(each) >= SECRET_LENGTH), key=len, reverse=True):
        text = text.replace(value, "***").replace(escaped(value), "***")
    for shape in _SHAPES:
        text = shape.sub("***", text)
    return _SIGNED.sub(r"\1***", _IN_ADDRESS.sub(r"\1***", text))


def _secret(name: str) -> bool:
    upper = name.upper()
    return upper not in {"PWD", "OLDPWD"} and _says_secret(upper)


def _says_secret(upper: str) -> bool:
    return any(part in upper for part in SECRET_PARTS) or not SECRET_WORDS.isdisjoint(upper.split("_"))


def summary(result: Result) -> str:
    """The run as a table for GitHub's step summary."""
    rows = [[each.name, each.state, duration(each.seconds)] for each in result.stages]
    notes = "".join(f"\n> {escaped(note)}\n" for note in notes_of(result))
    title = f"### Pipeline: {result.outcome} after {duration(result.seconds)}\n\n"
    return f"{title}{table(['stage', 'state', 'time'], rows, frozenset({2}))}\n{notes}\n"


def notes_of(result: Result) -> Sequence[str]:
    """What a reader should know besides the stages."""
    notes = ["; ".join(filter(None, (result.error, result.hint)))] if result.error else []
    for names, words in (
        (result.overrides, "params set for this run alone"),
        (result.unfrozen, "stages not frozen in this run"),
        (result.forced, "stages that were asked to run in any case"),
        (result.continued, "stages that went on from a checkpoint"),
    ):
        notes += [f"{words}: {_listed(names)}"] if names else []
    if result.missing:
        notes.append(f"declared outputs that do not exist: {_listed(result.missing)}")
    if result.changed:
        notes.append(f"tracked files that the pipeline changed without declaring them: {_listed(result.changed)}")
    return notes


def _listed(names: Iterable[str], most: int = 10) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def duration(seconds: float | None) -> str:
    """A time span as people read it."""
    if seconds is None:
        return ""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
