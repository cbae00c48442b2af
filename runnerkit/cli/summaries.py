"""GitHub's step summary, to which commands inside a job add what they have to tell."""

from __future__ import annotations

import os
import sys


def append_to_summary(text: str) -> None:
    """Add to GitHub's step summary, where there is one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - the runner names a file to append to
            file.write(text + "\n")
    except OSError as error:
        sys.stderr.write(f"::warning::runnerkit: the step summary could not be written: {error}\n")
