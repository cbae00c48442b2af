"""What a step wrote into its command files: a line that GitHub's runner cannot read fails the step.

Source: the runner's ``src/Runner.Worker/FileCommandManager.cs``. act goes on after such a line.
"""

from __future__ import annotations

import os
from pathlib import Path

# The variables that name the files, and GitHub's names for them; a path and a summary are taken as they are.
PAIRS = {"GITHUB_ENV": "env", "GITHUB_OUTPUT": "output", "GITHUB_STATE": "state"}


def mend(environ: dict[str, str]) -> list[str]:
    """Cut the files off at their first unreadable line, as what stands before it counts; what GitHub says of it."""
    said: list[str] = []
    for variable, name in PAIRS.items():
        path = Path(environ.get(variable) or os.devnull)
        if not path.is_file():
            continue
        data = path.read_bytes()
        good, wrong = readable(data.decode(errors="surrogateescape"))
        if wrong:
            said += [f"Unable to process file command '{name}' successfully.", wrong]
            path.write_bytes(good.encode(errors="surrogateescape"))
    return said


def readable(text: str) -> tuple[str, str]:
    r"""The part of a command file before its first line that cannot be read, and what is wrong with that line.

    >>> readable("a=1\nnonsense\n")
    ('a=1\n', "Invalid format 'nonsense'")
    >>> readable("a<<END\n1\n2\nEND\n")[1]
    ''
    """
    whole = [line + "\n" for line in text.split("\n")]
    lines = [line.rstrip("\r\n") for line in whole]
    at = 0
    while at < len(lines):
        taken, wrong = _entry(lines, at)
        if wrong:
            return "".join(whole[:at]), wrong
        at += taken
    return text, ""


def _entry(lines: list[str], at: int) -> tuple[int, str]:
    """How many lines the entry here takes, or why it is none."""
    line = lines[at]
    name, mark, delimiter = line.partition("<<")
    # Whichever of "=" and "<<" comes first decides.
    if not line or "=" in name or ("=" in line and not mark):
        return 1, f"Invalid format '{line}'. Name must not be empty" if line.startswith("=") else ""
    if not mark:
        return 1, f"Invalid format '{line}'"
    if not name or not delimiter:
        return 1, f"Invalid format '{line}'. Name must not be empty and delimiter must not be empty"
    end = next((number for number in range(at + 1, len(lines)) if lines[number] == delimiter), 0)
    return (end - at + 1, "") if end else (1, f"Invalid value. Matching delimiter not found '{delimiter}'")
