"""How a thing differs from what the table says of it, in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# In statements of policies AWS takes one value and a list of one for the same, and keeps no order.
_LISTS = frozenset({"Action", "Resource", "NotAction", "NotResource", "Service", "Federated", "AWS"})
# They say nothing about what is allowed.
_NAMES = frozenset({"Sid", "Effect", "Version", "PolicyName"})
_SHOWN = 6
_LONG = 60


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, ...]:
    """One sentence for each property that is not as wanted; properties that nobody wants are not looked at."""
    return tuple(
        _sentence(key, alike(value), alike(found.get(key)))
        for key, value in wanted.items()
        if alike(value) != alike(found.get(key))
    )


def alike(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can say
    """The same value, written in the one way in which it is compared."""
    if isinstance(value, dict):
        return {key: _listed(key, alike(inner)) for key, inner in sorted(value.items())}
    if isinstance(value, list | tuple):
        return sorted((alike(inner) for inner in value), key=lambda inner: json.dumps(inner, sort_keys=True))
    if isinstance(value, bool) or value is None:
        return value
    return f"{value:g}" if isinstance(value, int | float) else value


def _listed(key: str, value: Any) -> Any:  # noqa: ANN401 - as above
    in_condition = ":" in key
    return [value] if (key in _LISTS or in_condition) and isinstance(value, str) else value


def _sentence(key: str, wanted: Any, found: Any) -> str:  # noqa: ANN401 - as above
    if found is None:
        return f"{key}: missing"
    if not isinstance(wanted, dict | list):
        return f"{key}: {_short(found)} -> {_short(wanted)}"
    more, less = set(_leaves(wanted)), set(_leaves(found))
    parts = [f"{sign} {_some(texts)}" for sign, texts in (("+", more - less), ("-", less - more)) if texts]
    return f"{key}: {'; '.join(parts) or 'arranged otherwise'}"


def _leaves(value: Any) -> Iterator[str]:  # noqa: ANN401 - as above
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in _NAMES:
                yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif value is not None:
        yield str(value)


def _some(texts: set[str]) -> str:
    shown = [_short(text) for text in sorted(texts)]
    more = len(shown) - _SHOWN
    return ", ".join(shown[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONG and "\n" not in text else "another text"
