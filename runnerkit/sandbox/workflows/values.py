"""Values of GitHub's expression language: truth, text, numbers and comparison between different kinds.

A value is None, a boolean, a number, a string, a list or a dict, as JSON knows them. Numbers are doubles.
"""

from __future__ import annotations

import math
import re
from typing import Any, TypeAlias

Value: TypeAlias = Any

_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_BASES = {"0x": 16, "0o": 8}
_DIGITS = 15


class Filtered(list[Value]):
    """What ``.*`` gives: an array on which a further index is applied to every element."""


def truth(value: Value) -> bool:
    """Tell whether a value counts as true; NaN, 0, the empty string and null do not."""
    if isinstance(value, (list, dict)):
        return True
    return bool(value) and value == value  # noqa: PLR0124 - NaN is the one value that differs from itself


def text(value: Value) -> str:
    """Write a value as interpolation does."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return number_text(value)
    if isinstance(value, str):
        return value
    return "Array" if isinstance(value, list) else "Object"


def number_text(value: float) -> str:
    """Write a number with at most 15 digits, as .NET's G15 does."""
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value:.{_DIGITS - 1}e}".partition("e")
    if -5 <= int(exponent) < _DIGITS:  # noqa: PLR2004 - where G15 changes to scientific notation
        plain = f"{value:.{max(_DIGITS - 1 - int(exponent), 0)}f}"
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    return f"{mantissa.rstrip('0').rstrip('.')}E{int(exponent):+03d}"


def number(value: Value) -> float:
    """Coerce to a number; what is none becomes NaN."""
    if value is None:
        return 0.0
    if isinstance(value, (bool, int, float)):
        return float(value)
    return _parsed(value.strip()) if isinstance(value, str) else math.nan


def _parsed(word: str) -> float:
    if not word:
        return 0.0
    if _DECIMAL.fullmatch(word):
        return float(word)
    if word in {"Infinity", "-Infinity"}:
        return float(word)
    try:
        return float(int(word[2:], _BASES[word[:2]]))
    except (KeyError, ValueError):
        return math.nan


def whole(value: float) -> int | float:
    """Give a number without a fraction as an int, so that JSON shows 3 and not 3.0."""
    return int(value) if math.isfinite(value) and value == int(value) else value


def folded(word: str) -> str:
    """Fold case as ordinal comparison does: each character by itself, and none into ASCII."""
    return word.upper() if word.isascii() else "".join(map(_upper, word))


def _upper(character: str) -> str:
    upper = character.upper()
    return upper if len(upper) == 1 and upper.isascii() == character.isascii() else character


def equal(left: Value, right: Value) -> bool:
    """Compare as ``==`` does: strings without case, different kinds as numbers, arrays and objects by identity."""
    left, right = _same_kind(left, right)
    if isinstance(left, str):
        return folded(left) == folded(right)
    if isinstance(left, (list, dict)):
        return left is right
    return bool(left == right)


def greater(left: Value, right: Value) -> bool:
    """Compare as ``>`` does; null, arrays and objects are never greater."""
    left, right = _same_kind(left, right)
    if isinstance(left, str):
        return folded(left) > folded(right)
    if left is None or isinstance(left, (list, dict)):
        return False
    return bool(left > right)


def _same_kind(left: Value, right: Value) -> tuple[Value, Value]:
    if _kind(left) == _kind(right):
        return left, right
    return number(left), number(right)


def _kind(value: Value) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "number"
    return "array" if isinstance(value, list) else type(value).__name__


def item(target: Value, key: Value) -> Value:
    """Look ``key`` up in ``target``; null where there is nothing."""
    if isinstance(target, Filtered):
        return Filtered(found for each in target for found in _found(each, key))
    return next(iter(_found(target, key)), None)


def _found(target: Value, key: Value) -> list[Value]:
    if isinstance(target, dict) and not isinstance(key, (list, dict)):
        name = folded(text(key))
        return [target[each] for each in target if folded(each) == name][:1]
    if isinstance(target, list):
        place = number(key)
        if place >= 0 and place < len(target):
            return [target[math.floor(place)]]
    return []


def spread(target: Value) -> Filtered:
    """Give what ``target.*`` gives: the values of an object, the elements of an array."""
    if isinstance(target, Filtered):
        return Filtered(inner for each in target for inner in spread(_plain(each)))
    if isinstance(target, dict):
        return Filtered(target.values())
    return Filtered(target if isinstance(target, list) else ())


def _plain(value: Value) -> Value:
    return list(value) if isinstance(value, Filtered) else value
