"""What a benchmark found out, and whether it is within its limit."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Spread:
    """Several measurements of one thing, in order."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one measurement."""
        if not values:
            raise ValueError("nothing was measured")
        return cls(tuple(values))

    @property
    def least(self) -> float:
        """The smallest: what it takes when nobody disturbs."""
        return min(self.values)

    @property
    def middle(self) -> float:
        """The median."""
        return median(self.values)

    @property
    def most(self) -> float:
        """The largest."""
        return max(self.values)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Args:
        what: What was measured, in words.
        value: What counts; None where it could not be measured here, so that no limit is missed either.
        unit: ``s``, ``x`` (times as much), ``MB``, ``%`` or ``calls``.
        limit: What it may be at most; None where it only explains another figure.
        exact: Whether less is a miss as well.
        spread: The measurements behind it, when there were several.
    """

    what: str
    value: float | None
    unit: str
    limit: float | None = None
    exact: bool = False
    spread: Spread | None = None

    @property
    def ok(self) -> bool:
        """Whether it is within its limit."""
        if self.limit is None or self.value is None:
            return True
        return self.value == self.limit if self.exact else self.value <= self.limit

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """What it is, measured, limit, verdict, and min / median / max, each as text."""
        if self.limit is None:
            bound, verdict = "", ""
        else:
            bound = f"{'exactly' if self.exact else 'at most'} {self._text(self.limit)}"
            verdict = "" if self.value is None else "ok" if self.ok else "missed"
        several = self.spread
        between = " / ".join(map(self._number, (several.least, several.middle, several.most))) if several else ""
        measured = "not measured" if self.value is None else self._text(self.value)
        return self.what, measured, bound, verdict, between

    def as_dict(self) -> dict[str, Any]:
        """The figure as programs get it."""
        several = self.spread
        return {
            "what": self.what,
            "measured": self.value,
            "unit": self.unit,
            "limit": self.limit,
            "exact": self.exact,
            "ok": self.ok,
            "min": several.least if several else None,
            "median": several.middle if several else None,
            "max": several.most if several else None,
            "values": list(several.values) if several else [],
        }

    def _text(self, value: float) -> str:
        return f"{self._number(value)} {self.unit}"

    def _number(self, value: float) -> str:
        if self.unit == "calls":
            return f"{value:.0f}"
        return f"{value:.0f}" if self.unit == "MB" else f"{value:.2f}"


def ratio(ours: Spread, theirs: Spread) -> float:
    """How many times as much we take as they do, by the medians of both."""
    return ours.middle / theirs.middle


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all do not exceed."""
    return sorted(values)[ceil(share * len(values)) - 1]


def covered(spans: Iterable[tuple[float, float]], since: float, until: float) -> float:
    """The seconds between two moments in which at least one span was going on."""
    total, reached = 0.0, since
    for span in sorted(spans):
        begin, end = max(span[0], reached), min(span[1], until)
        if end > begin:
            total, reached = total + end - begin, end
    return total
