"""What others wrote, as it may be printed: it moves no cursor, begins no line, and orders nothing of GitHub's runner.

The runner reads each line of a step's log. One that begins with two colons is an order to it, as is ``##[`` anywhere:
to hide a word, to set an output. Source: https://github.com/actions/runner, ``ActionCommand.cs``.
"""

from __future__ import annotations

import re

_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor, screen
    r"|\x9b[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c|(?=\n)|$)"  # titles, links, strings
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)
_ORDER = re.compile(r"^(\s*):(?=:)", re.MULTILINE)


def lines(text: str) -> str:
    """A text of several lines, none of which is an order."""
    clean = _CONTROL.sub("", re.sub(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", "\n", text))
    return _ORDER.sub(r"\1: ", clean.replace("##[", "## ["))


def one_line(text: str) -> str:
    """A text on one line."""
    return " ".join(lines(text).split())


def annotation(line: str) -> str:
    """An order of our own to the runner, such as ``::warning::``: all that follows stays part of its message."""
    return line.replace("\r", "%0D").replace("\n", "%0A").replace("##[", "## [")


def in_json(text: str) -> str:
    """A JSON document that says the same and holds no order."""
    return text.replace("##[", "#\\u0023[")
