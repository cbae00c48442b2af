"""Functions of the expression language that need nothing but their arguments."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from runnerkit.sandbox.workflows.errors import ExpressionError
from runnerkit.sandbox.workflows.values import Value, equal, folded, text, truth, whole

if TYPE_CHECKING:
    from collections.abc import Callable

_MANY = 255
# What only the state of a job can tell, and what only the runner can.
STATUS = frozenset({"always", "cancelled", "failure", "success"})
RUNNER = frozenset({"hashfiles"})
_PLACES = re.compile(r"\{\{|\}\}|\{(\d+)\}|[{}]")


def _is_plain(value: Value) -> bool:
    return not isinstance(value, (list, dict))


def _contains(where: Value, what: Value) -> bool:
    if isinstance(where, list):
        return any(equal(each, what) for each in where)
    return _is_plain(where) and _is_plain(what) and folded(text(what)) in folded(text(where))


def _starts_with(where: Value, what: Value) -> bool:
    return _is_plain(where) and _is_plain(what) and folded(text(where)).startswith(folded(text(what)))


def _ends_with(where: Value, what: Value) -> bool:
    return _is_plain(where) and _is_plain(what) and folded(text(where)).endswith(folded(text(what)))


def _format(pattern: Value, *values: Value) -> str:
    def fill(match: re.Match[str]) -> str:
        if match.group() in {"{{", "}}"}:
            return match.group()[0]
        if match.group(1) is None or int(match.group(1)) >= len(values):
            raise ExpressionError(
                f"format() has no value for {match.group()!r} in {text(pattern)!r}; a brace is doubled"
            )
        return text(values[int(match.group(1))])

    return _PLACES.sub(fill, text(pattern))


def _join(values: Value, separator: Value = ",") -> str:
    if isinstance(values, list):
        return text(separator).join(map(text, values))
    return text(values) if _is_plain(values) else ""


def _to_json(value: Value) -> str:
    return json.dumps(_numbers_whole(value), indent=2, ensure_ascii=False)


def _numbers_whole(value: Value) -> Value:
    if isinstance(value, dict):
        return {key: _numbers_whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_numbers_whole(each) for each in value]
    return whole(value) if isinstance(value, float) else value


def _from_json(value: Value) -> Value:
    try:
        return _numbers_whole(json.loads(text(value), parse_constant=_no_constant))
    except (ValueError, RecursionError) as error:
        raise ExpressionError(f"fromJSON() cannot read {text(value)[:80]!r}: {error}") from error


def _no_constant(word: str) -> Value:
    raise ValueError(f"{word} is no JSON")


def _case(*arguments: Value) -> Value:
    for place in range(0, len(arguments) - 1, 2):
        if truth(arguments[place]):
            return arguments[place + 1]
    return arguments[-1]


PURE: dict[str, Callable[..., Value]] = {
    "case": _case,
    "contains": _contains,
    "endswith": _ends_with,
    "format": _format,
    "fromjson": _from_json,
    "join": _join,
    "startswith": _starts_with,
    "tojson": _to_json,
}

# How many arguments each function takes, at least and at most.
ARITY: dict[str, tuple[int, int]] = {
    "always": (0, 0),
    "cancelled": (0, 0),
    "case": (3, _MANY),
    "contains": (2, 2),
    "endswith": (2, 2),
    "failure": (0, 0),
    "format": (1, _MANY),
    "fromjson": (1, 1),
    "hashfiles": (1, _MANY),
    "join": (1, 2),
    "startswith": (2, 2),
    "success": (0, 0),
    "tojson": (1, 1),
}
