"""The legs of a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from runnerkit.sandbox.workflows.values import Value, equal, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Leg: TypeAlias = dict[str, Value]

MOST_LEGS = 256
_LONGEST_NAME = 100


class MatrixInvalid(ValueError):
    """A matrix that GitHub cannot expand."""


def legs(matrix: Mapping[str, Value]) -> list[Leg]:
    """Expand a matrix whose expressions are evaluated.

    Raises:
        MatrixInvalid: something in it has the wrong kind, or there are too many legs or none.
    """
    if not isinstance(matrix, dict):
        raise MatrixInvalid(f"a matrix is a mapping of names to lists, not {text(matrix)!r}")
    vectors = {key: _vector(key, value) for key, value in matrix.items() if key not in {"include", "exclude"}}
    excluded = _entries("exclude", matrix.get("exclude"))
    base = [leg for leg in _product(vectors) if not any(_matches(each, leg) for each in excluded)]
    found = _included(base, _entries("include", matrix.get("include")), set(vectors))
    if not found:
        raise MatrixInvalid(
            "the matrix has no combination left; give a list at least one value, or skip the job by `if`"
        )
    if len(found) > MOST_LEGS:
        raise MatrixInvalid(f"the matrix makes {len(found)} jobs; GitHub allows at most {MOST_LEGS}")
    return found


def _vector(key: str, value: Value) -> list[Value]:
    if not isinstance(value, list):
        raise MatrixInvalid(f"matrix.{key} is a list of values, not {text(value)!r}")
    if not value:
        raise MatrixInvalid(f"matrix.{key} has no values")
    return value


def _entries(key: str, value: Value) -> list[Leg]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise MatrixInvalid(f"matrix.{key} is a list of mappings, not {text(value)!r}")
    return value


def _product(vectors: Mapping[str, list[Value]]) -> list[Leg]:
    if not vectors:
        return []
    found: list[Leg] = [{}]
    for key, values in vectors.items():
        if len(found) * len(values) > MOST_LEGS * MOST_LEGS:
            raise MatrixInvalid(f"the matrix makes far more than the {MOST_LEGS} jobs that GitHub allows")
        found = [{**leg, key: value} for leg in found for value in values]
    return found


def _matches(pattern: Mapping[str, Value], leg: Mapping[str, Value]) -> bool:
    return all(key in leg and _same(value, leg[key]) for key, value in pattern.items())


def _same(pattern: Value, value: Value) -> bool:
    if isinstance(pattern, dict) and isinstance(value, dict):
        return _matches(pattern, value)
    if isinstance(pattern, list) and isinstance(value, list):
        return len(pattern) == len(value) and all(map(_same, pattern, value))
    return equal(pattern, value)


def _included(base: list[Leg], entries: list[Leg], keys: set[str]) -> list[Leg]:
    """Add each entry to the legs whose own values it leaves alone; an entry that fits nowhere is a leg of its own."""
    grown = [dict(leg) for leg in base]
    more: list[Leg] = []
    for entry in entries:
        own = {key: value for key, value in entry.items() if key in keys}
        fitting = [leg for leg in grown if _matches(own, leg)]
        for leg in fitting:
            leg.update(entry)
        if not fitting:
            more.append(dict(entry))
    return [*grown, *more]


def suffix(leg: Mapping[str, Any]) -> str:
    """Name a leg: ``(3, gpu)``, and nothing for a leg without values."""
    words = [text(each) for each in _leaves(leg)]
    name = f"({', '.join(words)})" if words else ""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."


def _leaves(value: Value) -> Iterator[Value]:
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        yield value
        return
    for each in value:
        yield from _leaves(each)
