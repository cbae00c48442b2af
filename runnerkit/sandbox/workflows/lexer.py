"""Words of an expression."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerkit.sandbox.workflows.errors import ExpressionError

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORDS = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<string>'(?:[^']|'')*')
  | (?P<number>[+-]?(?:0x[0-9a-fA-F]+|0o[0-7]+|(?:\d+\.?\d*|(?<![\w)\]*])\.\d+)(?:[eE][+-]?\d+)?|Infinity)
        (?![A-Za-z0-9_]))
  | (?P<name>[A-Za-z_][A-Za-z0-9_-]*)
  | (?P<sign>&&|\|\||==|!=|<=|>=|[!<>()\[\],.*])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Word:
    """A word: its kind (string, number, name, sign, end), its text and where it stands."""

    kind: str
    text: str
    position: int


def words(source: str) -> Iterator[Word]:
    """Split an expression into words, with one of kind ``end`` after the last.

    Raises:
        ExpressionError: a character that begins no word.
    """
    position = 0
    while position < len(source):
        match = _WORDS.match(source, position)
        if match is None:
            raise ExpressionError(_unreadable(source, position), position)
        if match.lastgroup and match.lastgroup != "space":
            yield Word(match.lastgroup, match.group(), position)
        position = match.end()
    yield Word("end", "", position)


def _unreadable(source: str, position: int) -> str:
    character = source[position]
    if character == "'":
        return "the string is not closed; a quote inside a string is written twice: 'it''s'"
    if character == '"':
        return "strings stand in single quotes: write 'main', not \"main\""
    if character in "&|=":
        return f"{character!r} alone is no operator; there are ==, !=, <, <=, >, >=, !, && and ||"
    return f"{character!r} cannot stand in an expression"
