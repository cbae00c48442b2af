"""What is wrong with a workflow, told to the one who wrote it."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class WorkflowInvalid(ValueError):
    """GitHub would refuse this workflow file, or cannot run it.

    Args:
        path: The workflow's file.
        line: Where in the file, counted from 1; None when the file as a whole is meant.
        message: What is wrong and what would be right.
    """

    def __init__(self, path: str, line: int | None, message: str) -> None:
        self.path = path
        self.line = line
        self.message = message
        super().__init__(f"{path}:{line}: {message}" if line else f"{path}: {message}")


class ExpressionError(ValueError):
    """An expression that cannot be read or evaluated; ``position`` counts characters from its beginning."""

    def __init__(self, message: str, position: int = 0) -> None:
        super().__init__(message)
        self.position = position


def nearest(word: object, known: Iterable[str]) -> str:
    """End a sentence about an unknown word: the nearest known one, or all of them.

    Examples:
        >>> nearest("step", ["steps", "name"])
        "; did you mean 'steps'?"
        >>> nearest("x", ["name", "steps"])
        '; known are name, steps'
    """
    names = sorted(known)
    close = get_close_matches(str(word).lower(), names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(names)}"
