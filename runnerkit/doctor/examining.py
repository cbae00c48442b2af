"""From what was seen to findings, and from those to an exit code. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runnerkit.doctor.words import Finding, Level, NotSeen, Remark
from runnerkit.errors import AILING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runnerkit.doctor.checking import Check
    from runnerkit.doctor.seen import Observed

_BAD = frozenset({Level.WARNING, Level.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Examination:
    """What all checks came to."""

    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Level:
        """The worst level; ok when nothing was checked."""
        return max((finding.level for finding in self.findings), key=lambda level: level.rank, default=Level.OK)

    def exit_code(self, *, strict: bool = False) -> int:
        """0, or the code for something that fails; ``strict`` counts warnings and what is unknown as well."""
        levels = {finding.level for finding in self.findings}
        return AILING if Level.FAILURE in levels or (strict and levels & _BAD) else 0

    def counts(self) -> dict[Level, int]:
        """How many findings there are of each level, the worst first."""
        told = [finding.level for finding in self.findings]
        return {level: told.count(level) for level in reversed(Level) if level in told}

    def as_dict(self, *, strict: bool = False) -> dict[str, Any]:
        """The examination as programs get it."""
        return {
            "worst": str(self.worst),
            "exit_code": self.exit_code(strict=strict),
            "findings": [finding.as_dict() for finding in self.findings],
        }


def examine(checks: Sequence[Check], seen: Observed) -> Examination:
    """Let each check judge; one that misses something says so, and does not hide the others."""
    return Examination(
        tuple(Finding(check.name, check.group, each) for check in checks for each in _judged(check, seen))
    )


def _judged(check: Check, seen: Observed) -> Iterator[Remark]:
    try:
        yield from check.judge(seen)
    except NotSeen as missing:
        why = "without it nobody can tell whether this is as it should be"
        yield Remark(Level.UNKNOWN, missing.message, why, missing.hint)
