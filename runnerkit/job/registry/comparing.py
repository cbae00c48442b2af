"""Two runs side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runnerkit.job.values import Change, Directions, compared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.job.registry.record import Record

FACTS = ("type", "outcome", "sha", "ref", "instance", "market", "price", "cost", "seconds", "interrupted", "note")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two runs share and where they differ; ``facts`` are pairs by name."""

    facts: Mapping[str, tuple[Any, Any]]
    inputs: Sequence[Change]
    metrics: Sequence[Change]
    params: Sequence[Change]

    def as_dict(self, directions: Directions) -> dict[str, Any]:
        """For programs."""
        return {
            "facts": {name: list(pair) for name, pair in self.facts.items()},
            "inputs": [_row(each) for each in self.inputs],
            "metrics": [{**_row(each), "verdict": directions.verdict(each)} for each in self.metrics],
            "params": [_row(each) for each in self.params],
        }


def side_by_side(one: Record, other: Record) -> Comparison:
    """Compare two runs; the second is the newer one in the reader's eyes."""
    facts = {name: (getattr(one, name), getattr(other, name)) for name in FACTS}
    return Comparison(
        {name: pair for name, pair in facts.items() if any(each not in {None, ""} for each in pair)},
        compared({"": one.inputs}, {"": other.inputs}),
        _changes(one.metrics, other.metrics),
        _changes(one.params, other.params),
    )


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    names = [*new, *(name for name in old if name not in new)]
    pairs = [(name.partition(": "), old.get(name), new.get(name)) for name in names]
    return [Change(file, value, before, after) for (file, _, value), before, after in pairs]


def _row(change: Change) -> dict[str, Any]:
    return {"file": change.file, "name": change.name, "old": change.old, "new": change.new, "delta": change.delta}
