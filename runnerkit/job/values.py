"""Metrics and params of two versions, compared. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

DOWN = re.compile(
    r"(?:^|[._\-/ ])(?:.*loss|.*error|err|rmse|mse|mae|mape|rmsle|wer|cer|fpr|fnr|perplexity|ppl|latency"
    r"|.*_(?:ms|seconds)|duration|time|cod|brier.*|distance|divergence|fid)(?:$|[._\-/ ])",
    re.IGNORECASE,
)
NEUTRAL = re.compile(r"(?:^|[._\-/ ])(?:rows|count|n|samples|size|seed|epochs?|steps?)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Change:
    """One value before and after; ``old`` or ``new`` is None where it does not exist."""

    file: str
    name: str
    old: Any
    new: Any

    @property
    def delta(self) -> float | None:
        """The difference of two numbers."""
        old, new = number(self.old), number(self.new)
        return None if old is None or new is None or not math.isfinite(new - old) else new - old

    @property
    def same(self) -> bool:
        """Whether nothing changed; not a number is the same as itself."""
        if (
            isinstance(self.old, float)
            and isinstance(self.new, float)
            and math.isnan(self.old)
            and math.isnan(self.new)
        ):
            return True
        return type(self.old) is type(self.new) and bool(self.old == self.new)


def number(value: object) -> float | None:
    """The value as a number; None for everything else, truth values included."""
    try:
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    except OverflowError:
        return math.inf


def plain(value: object) -> object:
    """The value as JSON has it, which knows neither infinity nor what is not a number: those become their names."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def flat(said: object, at: str = "") -> dict[str, Any]:
    """Nested values by dotted names; list items by their index."""
    pairs: Iterable[tuple[object, object]]
    if isinstance(said, dict):
        pairs = said.items()
    elif isinstance(said, list) and any(isinstance(each, (dict, list)) for each in said):
        pairs = enumerate(said)
    else:
        return {at: said} if at else {}
    return {name: value for key, each in pairs for name, value in flat(each, f"{at}.{key}" if at else str(key)).items()}


def compared(old: Mapping[str, object], new: Mapping[str, object]) -> list[Change]:
    """Every value of either version, file by file, in the order of the new one.

    Args:
        old: What each file said before; a file that did not exist is left out.
        new: What it says now.
    """
    changes: list[Change] = []
    for file in [*new, *(file for file in old if file not in new)]:
        before, after = flat(old.get(file)), flat(new.get(file))
        names = [*after, *(name for name in before if name not in after)]
        changes += [Change(file, name, before.get(name), after.get(name)) for name in names]
    return changes


@dataclass(frozen=True, slots=True)
class Directions:
    """Which way a metric gets better: by its name, unless somebody says so."""

    up: Collection[str] = ()
    down: Collection[str] = ()

    def of(self, name: str) -> int:
        """1 when more is better, -1 when less is, 0 when it is no matter of better or worse."""
        short = name.rpartition(".")[2]
        if {name, short} & set(self.down):
            return -1
        if {name, short} & set(self.up):
            return 1
        if NEUTRAL.search(name):
            return 0
        return -1 if DOWN.search(short) else 1

    def verdict(self, change: Change) -> str:
        """What a change means: better, worse, or nothing to say."""
        delta, way = change.delta, self.of(change.name)
        new = number(change.new)
        if new is not None and not math.isfinite(new):
            return "not a number"
        if number(change.old) is not None and change.new is None:
            return "gone"
        if not delta or not way:
            return ""
        return "better" if delta * way > 0 else "worse"


def one_line(text: object) -> str:
    """A text on one line, whatever it holds: in a log, a second line could begin a command to the runner."""
    return " ".join(str(text).split())


def shown(value: object) -> str:
    """A value as the report shows it."""
    if value is None:
        return "—"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def shown_delta(change: Change) -> str:
    """A difference with its sign and an arrow."""
    delta = change.delta
    if delta is None:
        return ""
    return f"{'▲' if delta > 0 else '▼'} {delta:+.4g}" if delta else "="
