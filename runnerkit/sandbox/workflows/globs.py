"""GitHub's patterns for branches, tags and paths."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PIECE = re.compile(r"\*\*/|\*\*|\*|\[[^\]]+\]|\\.|.", re.DOTALL)
_SIGNS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "?", "+": "+"}


@lru_cache(maxsize=1024)
def pattern(glob: str) -> re.Pattern[str]:
    """Translate a pattern: ``*`` stops at a slash, ``**`` does not, ``?`` and ``+`` repeat what stands before them.

    Raises:
        ValueError: it is no pattern.
    """
    pieces = _PIECE.findall(glob)
    regex = "".join(_translated(each, first=not place) for place, each in enumerate(pieces))
    try:
        return re.compile(regex, re.DOTALL)
    except re.error as error:
        raise ValueError(f"{glob!r} is no pattern: {error.msg}") from error


def _translated(piece: str, *, first: bool) -> str:
    if piece in {"?", "+"} and first:
        return re.escape(piece)
    if piece.startswith("[") and len(piece) > 1:
        return piece.replace("\\", "\\\\")
    return _SIGNS.get(piece) or re.escape(piece.removeprefix("\\") or piece)


def selects(globs: Sequence[str], name: str) -> bool:
    """Tell whether patterns select a name: they are read in order, and one with ``!`` takes back what others gave."""
    selected = False
    for each in globs:
        if each.startswith("!"):
            selected = selected and not pattern(each[1:]).fullmatch(name)
        elif pattern(each).fullmatch(name):
            selected = True
    return selected


def any_selected(globs: Sequence[str], names: Iterable[str]) -> bool:
    """Tell whether patterns select at least one of the names."""
    return any(selects(globs, each) for each in names)
