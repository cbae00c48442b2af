"""Names, label sets and secrets: the words that join AWS and GitHub."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NoReturn, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

BORN_PREFIX = "runnerkit-born-"
TAG_PREFIX = "runnerkit:"
DEFAULT_OWNER = "runnerkit"
NAME_LIMIT = 64
# AWS's names of regions, as in eu-west-1, us-gov-west-1 and eusc-de-east-1.
REGION = re.compile(r"(?:[a-z]{2}|eusc)(?:-[a-z]+)+-[0-9]{1,2}")


class Secret:
    """A text that never shows itself by accident: only :meth:`reveal` gives it away."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(("secret", self._text))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written down by accident: reveal it where that is meant")


def label_key(labels: Iterable[str]) -> frozenset[str]:
    """The label set that decides which runner may take which job: case does not count, nor does the birth label."""
    return frozenset(lower for label in labels if not (lower := label.lower()).startswith(BORN_PREFIX))


def label_digest(repo: str, labels: Iterable[str]) -> str:
    """Eight hexadecimal digits that stand for a repository and a label set, short enough for names and tags."""
    return _digest(repo.lower(), label_key(labels))


def wish_digest(wish: str) -> str:
    """Stands for everything that a wish says, whoever has it: the spot breaker counts by it."""
    return hashlib.sha256(wish.encode()).hexdigest()[:8]


@lru_cache(maxsize=65_536)
def _digest(repo: str, key: frozenset[str]) -> str:
    return hashlib.sha256("\n".join((repo, *sorted(key))).encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Birth:
    """When a runner was registered and by which installation, which GitHub does not tell: an extra label does."""

    at: datetime
    owner: str = DEFAULT_OWNER

    @classmethod
    def find(cls, labels: Iterable[str]) -> Birth | None:
        """The birth among a runner's labels; None when the runner is not one of ours."""
        for label in labels:
            match = _BIRTH.fullmatch(label.lower())
            if match:
                return cls(datetime.fromtimestamp(int(match[1]), tz=UTC), match[2] or DEFAULT_OWNER)
        return None

    @property
    def label(self) -> str:
        """The label that says so: ``runnerkit-born-<epoch>``, with the owner's name unless it is the default one."""
        suffix = "" if self.owner.lower() == DEFAULT_OWNER else f"-{self.owner.lower()}"
        return f"{BORN_PREFIX}{int(self.at.timestamp())}{suffix}"


_BIRTH = re.compile(rf"{BORN_PREFIX}([0-9]{{1,11}})(?:-([a-z0-9._-]{{1,64}}))?")


@dataclass(frozen=True, slots=True, order=True)
class RunnerName:
    """The name that joins an instance and a runner, and that is the lock between controllers.

    The stem says whose machine it is: ``rk-<job id>`` or ``rk-<run id>-<run attempt>-<label digest>``; the serial
    counts the tries. There is no random part, so two controllers that want the same thing collide on the same name.
    """

    stem: str
    serial: int

    @classmethod
    def for_job(cls, job_id: int, serial: int = 1) -> RunnerName:
        """The controller's name for its n-th machine for a job."""
        return cls(f"rk-{job_id}", serial)

    @classmethod
    def for_launch(cls, run_id: int, run_attempt: int, digest: str, serial: int = 1) -> RunnerName:
        """The name that ``launch`` gives its i-th machine."""
        return cls(f"rk-{run_id}-{run_attempt}-{digest}", serial)

    @classmethod
    @lru_cache(maxsize=65_536)
    def parse(cls, text: str) -> RunnerName | None:
        """The name behind a text, or None when it is not one of ours."""
        match = re.fullmatch(r"(rk-[0-9]+(?:-[0-9]+-[0-9a-f]{8})?)-([0-9]{1,6})", text)
        return cls(match[1], int(match[2])) if match and len(text) <= NAME_LIMIT else None

    def __str__(self) -> str:
        return f"{self.stem}-{self.serial}"
