"""Markdown that comes from files nobody vouches for, within a limit of bytes. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COMMENT_LIMIT = 65_536
CHECK_LIMIT = 65_535
SUMMARY_LIMIT = 1_048_576
SLACK_LIMIT = 3_000
CELL = 200
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
_LINKS = re.compile(r"@(?=[A-Za-z0-9])|#(?=[0-9])|\bGH-(?=[0-9])|\bhttps?:|\bftp:|\bwww(?=\.)", re.IGNORECASE)
NOTE = "\n\n> Shortened to what GitHub takes: {left} left out.\n"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report that is kept or left out as a whole."""

    title: str
    text: str
    folded: bool = False
    opened: bool = False

    def __str__(self) -> str:
        if self.folded:
            return (
                f"<details{' open' * self.opened}><summary>{tagless(self.title)}</summary>\n\n{self.text}\n\n</details>"
            )
        return f"#### {escaped(self.title)}\n\n{self.text}" if self.title else self.text


def fitted(head: str, sections: Iterable[Section], limit: int) -> str:
    """The head and as many sections as fit, in bytes, cut at their borders; says which are left out.

    A section that does not fit is left out and later, smaller ones may still come.
    """
    room = limit - len(NOTE.encode()) - 400
    text, left = cut(head, room), []
    for section in sections:
        longer = f"{text}\n\n{section}"
        if len(longer.encode("utf-8", "replace")) <= room:
            text = longer
        else:
            left.append(section.title or "a part")
    if not left:
        return text
    return text + NOTE.format(left=cut(escaped(", ".join(left)), 300))


def cut(text: str, limit: int) -> str:
    """At most so many bytes, never half a character."""
    raw = text.encode("utf-8", "replace")
    return text if len(raw) <= limit else raw[: limit - 3].decode("utf-8", "ignore") + "…"


def escaped(text: object) -> str:
    """A text as one cell or phrase: it can start no tag, link, mention, column or line."""
    return re.sub(r"([\\`*_\[\]|~#!])", r"\\\1", tagless(text))


def tagless(text: object) -> str:
    """A text as one phrase inside a tag, where GitHub reads no Markdown but would still link names and numbers.

    A space without width stands behind what begins a mention, an issue's number, or an address.
    """
    one = " ".join(_CONTROL.sub("", str(text)).encode("utf-8", "replace").decode().split())
    one = one if len(one) <= CELL else f"{one[: CELL - 1]}…"
    one = one.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _LINKS.sub("\\g<0>\u200b", one)


def fenced(text: str) -> str:
    """A text as it is, in a fence that it cannot end."""
    text = text.encode("utf-8", "replace").decode()
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def quoted(text: object) -> str:
    """A text as the value of an attribute."""
    return tagless(text).replace('"', "&quot;")


def table(titles: Sequence[str], rows: Iterable[Sequence[object]], right: frozenset[int] = frozenset()) -> str:
    """A table; cells are escaped."""
    rule = " | ".join("---:" if index in right else "---" for index in range(len(titles)))
    lines = [" | ".join(titles), rule, *(" | ".join(escaped(cell) for cell in row) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines)
