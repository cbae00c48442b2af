"""The legs of a job: one for each combination of its matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.workflows import matrix
from runnerkit.sandbox.workflows.errors import ExpressionError
from runnerkit.sandbox.workflows.evaluator import Scope
from runnerkit.sandbox.workflows.templates import evaluate
from runnerkit.sandbox.workflows.values import number, text, truth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.sandbox.workflows.values import Value


class Problem(ValueError):
    """Why a job cannot be run, with the key that is to blame."""


@dataclass(frozen=True)
class Leg:
    """A leg of a job: its contexts, and how it is limited by the other legs."""

    known: Mapping[str, Value]
    fail_fast: bool = True
    max_parallel: int | None = None

    def value(self, key: str, template: Value) -> Value:
        """Evaluate what stands under a key of the job.

        Raises:
            Problem: it cannot be evaluated.
        """
        try:
            return evaluate(template, Scope(self.known))
        except ExpressionError as error:
            raise Problem(f".{key}: {error}") from error


def legs_of(job: Mapping[str, Any], known: Mapping[str, Value]) -> list[Leg]:
    """Give the legs of a job's matrix; without one the job is its only leg.

    Raises:
        Problem: its ``strategy`` comes out as none.
    """
    strategy = Leg(known).value("strategy", job.get("strategy")) or {}
    fail_fast = truth(strategy.get("fail-fast", True))
    most = _most(strategy["max-parallel"]) if "max-parallel" in strategy else None
    found = _expanded(strategy.get("matrix"))
    return [
        Leg(
            {**known, "matrix": each, "strategy": _strategy(place, len(found), most, fail_fast=fail_fast)},
            fail_fast,
            most,
        )
        for place, each in enumerate(found)
    ]


def _expanded(value: Value) -> Sequence[matrix.Leg | None]:
    if value is None:
        return [None]
    try:
        return matrix.legs(value)
    except matrix.MatrixInvalid as error:
        raise Problem(f".strategy: {error}") from error


def _most(value: Value) -> int:
    most = number(value)
    if not most >= 1:
        raise Problem(f".strategy.max-parallel: {text(value)!r} is no number of jobs; it is at least 1")
    return int(most)


def _strategy(place: int, total: int, most: int | None, *, fail_fast: bool) -> dict[str, Value]:
    return {"fail-fast": fail_fast, "job-index": place, "job-total": total, "max-parallel": most or total}
