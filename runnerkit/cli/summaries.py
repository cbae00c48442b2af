"""GitHub's step summary, to which commands inside a job add what they have to tell."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from runnerkit.plain import annotation

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST = 2_000  # bytes: a title and a link, even where others have filled the summary


def append_to_summary(text: str | Callable[[int], str], limit: int = 0) -> None:
    """Add to GitHub's step summary, where there is one.

    Args:
        text: What to add; or what makes it within so many bytes.
        limit: What GitHub takes of one step, in bytes, with all that is there already.
    """
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - the runner names a file to append to
            left = max(limit - file.tell() - 1, LEAST)
            file.write((text if isinstance(text, str) else text(left)) + "\n")
    except OSError as error:
        sys.stderr.write(annotation(f"::warning::runnerkit: the step summary could not be written: {error}") + "\n")
