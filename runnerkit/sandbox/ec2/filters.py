"""EC2's filters (``*`` and ``?`` match, tags by key and value) and its pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from runnerkit.sandbox.ec2.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runnerkit.sandbox.ec2.model import Params

T = TypeVar("T")
WILD = re.compile(r"[*?\\]")


def matching(views: Iterable[Params], params: Params, fields: Callable[[Params], dict[str, Any]]) -> list[Params]:
    """The views that pass every filter of a request; ``fields`` names what can be filtered besides tags.

    Raises:
        AwsError: A filter that the call does not know.
    """
    asked = {f.get("Name", ""): Wanted.of([str(v) for v in f.get("Values", [])]) for f in params.get("Filters", [])}
    if not asked:
        return list(views)
    return [view for view in views if _passes(view, asked, fields(view))]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The values of one filter. Plain ones are looked up: callers name hundreds of types at once."""

    plain: frozenset[str]
    patterns: tuple[re.Pattern[str], ...]

    @classmethod
    def of(cls, values: Sequence[str]) -> Wanted:
        """Sort plain values and patterns apart."""
        wild = [value for value in values if WILD.search(value)]
        return cls(frozenset(values) - set(wild), tuple(_pattern(value) for value in wild))

    def fits(self, value: str) -> bool:
        """Whether a value is one of them."""
        return value in self.plain or any(pattern.fullmatch(value) for pattern in self.patterns)


def _passes(view: Params, asked: dict[str, Wanted], fields: dict[str, Any]) -> bool:
    tags = {tag["Key"]: tag["Value"] for tag in view.get("Tags") or []}
    return all(any(map(wanted.fits, _value(name, tags, fields))) for name, wanted in asked.items())


def _value(name: str, tags: dict[str, str], fields: dict[str, Any]) -> list[str]:
    if name.startswith("tag:"):
        key = name.removeprefix("tag:")
        return [tags[key]] if key in tags else []
    if name == "tag-key":
        return list(tags)
    if name not in fields:
        raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
    found = fields[name]
    many = found if isinstance(found, list | tuple | set) else [found]
    return [_text(value) for value in many if value is not None]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@lru_cache(maxsize=1024)
def _pattern(wanted: str) -> re.Pattern[str]:
    pieces = re.split(r"(\\.|[*?])", wanted)
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(p) or re.escape(p.removeprefix("\\")) for p in pieces), re.DOTALL)


def page(items: Sequence[T], params: Params, default: int) -> tuple[list[T], str | None]:
    """One page of a list and the token of the next page.

    Raises:
        AwsError: A token that no earlier page gave.
    """
    token = str(params.get("NextToken") or "0")
    if not token.isdigit():
        raise AwsError("InvalidNextToken", "The token is invalid.")
    start, size = int(token), int(params.get("MaxResults") or default)
    following = start + size
    return list(items[start:following]), str(following) if following < len(items) else None
