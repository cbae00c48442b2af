"""Values of the doctor: levels, groups, what a check found, and what a look saw or why it saw nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from runnerkit.errors import RunnerkitError

T = TypeVar("T")


class Level(StrEnum):
    """How bad it is, from best to worst."""

    OK = "ok"
    NOTE = "note"  # works; worth knowing
    UNKNOWN = "unknown"  # could not be found out
    WARNING = "warning"  # works now, and will not for long, or not always
    FAILURE = "failure"  # a job will not get its machine, or not its results

    @property
    def rank(self) -> int:
        """Higher is worse."""
        return list(Level).index(self)


class Group(StrEnum):
    """What a check is about, as ``--only`` takes it."""

    AWS = "aws"
    NETWORK = "network"
    IMAGES = "images"
    GITHUB = "github"
    POLICY = "policy"
    DATA = "data"
    COMPUTER = "computer"


TITLES = {
    Group.AWS: "AWS",
    Group.NETWORK: "Network",
    Group.IMAGES: "Images",
    Group.GITHUB: "GitHub",
    Group.POLICY: "Policy",
    Group.DATA: "Data",
    Group.COMPUTER: "This computer",
}


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that a check has to say.

    Attributes:
        level: How bad it is.
        found: What was found, in one sentence without a full stop.
        why: Why it matters; empty where all is well.
        next: What to do: a command or a link as it can be pasted, or a sentence; empty where there is nothing to do.
    """

    level: Level
    found: str
    why: str = ""
    next: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A remark with the check that makes it."""

    check: str
    group: Group
    remark: Remark

    @property
    def level(self) -> Level:
        """How bad it is."""
        return self.remark.level

    def as_dict(self) -> dict[str, Any]:
        """The finding as programs get it; the names stay."""
        return {"check": self.check, "group": str(self.group), **asdict(self.remark)}


def ok(found: str) -> Remark:
    """All is well."""
    return Remark(Level.OK, found)


def note(found: str, why: str = "", next: str = "") -> Remark:  # noqa: A002 - the field's name
    """It works, and is worth knowing."""
    return Remark(Level.NOTE, found, why, next)


def warning(found: str, why: str, next: str) -> Remark:  # noqa: A002 - the field's name
    """It works now, but not for long or not always."""
    return Remark(Level.WARNING, found, why, next)


def failure(found: str, why: str, next: str) -> Remark:  # noqa: A002 - the field's name
    """It does not work."""
    return Remark(Level.FAILURE, found, why, next)


def unknown(found: str, next: str = "") -> Remark:  # noqa: A002 - the field's name
    """It could not be found out."""
    return Remark(Level.UNKNOWN, found, "nobody can tell whether this is as it should be", next)


class NotSeen(RunnerkitError):
    """A check wanted something that could not be looked at; the message says why."""

    code = "not-seen"


@dataclass(frozen=True, slots=True)
class Look(Generic[T]):
    """What a look saw, or the error that kept it from seeing."""

    seen: T | None = None
    error: RunnerkitError | None = None

    @property
    def value(self) -> T:
        """What was seen.

        Raises:
            NotSeen: Nothing was.
        """
        if self.error is not None or self.seen is None:
            known = self.error or NotSeen("it was not looked at")
            raise NotSeen(known.message, hint=known.hint)
        return self.seen


def saw(value: T) -> Look[T]:
    """A look that saw something."""
    return Look(seen=value)


def blind(error: RunnerkitError | str) -> Look[Any]:
    """A look that saw nothing."""
    return Look(error=error if isinstance(error, RunnerkitError) else NotSeen(error))
