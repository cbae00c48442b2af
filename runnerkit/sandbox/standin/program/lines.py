"""A job's log: GitHub's line format, masks, and the workflow commands that steps print."""

from __future__ import annotations

import re
from datetime import datetime, timezone

COMMAND = re.compile(r"^\s*::(?P<name>[A-Za-z-]+)(?:\s(?P<given>[^:]*(?::(?!:)[^:]*)*))?::(?P<text>.*)$")
MARK = re.compile(r"^##\[(?P<name>[A-Za-z-]+)(?P<given>[^\]]*)\](?P<text>.*)$")
LEVELS = ("error", "warning", "notice")
# GitHub keeps ten annotations of a level for each step.
MOST_OF_A_LEVEL = 10
SHORTEST_SECRET = 1
# Of a line; what goes on is shown as the next one.
LONGEST = 1 << 20


def stamp(now: datetime) -> str:
    """Write a time as GitHub's raw logs do, with seven digits of the second."""
    return now.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"


def second(now: datetime) -> str:
    """Write a time as GitHub's API does."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def utc() -> datetime:
    """Tell the time."""
    return datetime.now(timezone.utc)  # noqa: UP017 - the machine's Python may be older than ours


class Masks:
    """Replaces secrets by ``***``."""

    def __init__(self, secrets: list[str]) -> None:
        self._values: set[str] = set()
        self._longest_first: list[str] = []
        for each in secrets:
            self.add(each)

    def add(self, value: str) -> None:
        """Hide a value, and each line of it."""
        self._values |= {part for part in (value, *value.splitlines()) if len(part.strip()) >= SHORTEST_SECRET}
        self._longest_first = sorted(self._values, key=len, reverse=True)

    def hide(self, text: str) -> str:
        """Replace what is hidden, longest first."""
        for each in self._longest_first:
            text = text.replace(each, "***")
        return text

    @property
    def longest(self) -> int:
        """How long the longest of them is."""
        return len(self._longest_first[0]) if self._longest_first else 0

    def hides(self, text: str) -> bool:
        """Tell whether a text holds a secret."""
        return any(each in text for each in self._values)


class Lines:
    """One step's output, turned into log lines; ``annotations`` holds what it annotated."""

    def __init__(self, masks: Masks) -> None:
        self.annotations: list[str] = []
        self._masks = masks
        self._rest = ""
        self._counts = dict.fromkeys(LEVELS, 0)
        self._resume = ""

    def feed(self, text: str, *, last: bool = False) -> str:
        """Take more output; give the log of the lines that are complete (of all, when it is the last)."""
        lines = (self._rest + text).split("\n")
        self._rest = "" if last else lines.pop()
        if last and lines[-1] == "":
            lines.pop()
        if len(self._rest) > LONGEST:
            lines.append(self._cut())
        now = stamp(utc())
        return "".join(f"{now} {shown}\n" for line in lines if (shown := self._line(line)) is not None)

    def _cut(self) -> str:
        """The most of a line without end; a secret of which only a part has come stays behind as a whole."""
        hidden = self._masks.hide(self._rest)
        at = len(hidden) - self._masks.longest
        self._rest = hidden[at:]
        return hidden[:at]

    def _line(self, line: str) -> str | None:
        line = line.rstrip("\r")
        found = (COMMAND.match(line) if "::" in line else None) or MARK.match(line)
        if found is None or (self._resume and found["name"] != self._resume):
            return self._masks.hide(line)
        return self._command(found["name"], found["text"], line)

    def _command(self, name: str, text: str, line: str) -> str | None:
        text = _unescaped(text)
        if name == self._resume:
            self._resume = ""
            return line
        if name in LEVELS:
            return self._annotate(name, text)
        if name == "stop-commands":
            self._resume = text
        elif name == "add-mask":
            self._masks.add(text)
            return None
        elif name in {"group", "endgroup", "debug", "command"}:
            return f"##[{name}]{self._masks.hide(text)}"
        elif name in {"set-output", "save-state"}:
            return None
        return self._masks.hide(line)

    def _annotate(self, level: str, text: str) -> str:
        hidden = self._masks.hide(text)
        self._counts[level] += 1
        if self._counts[level] <= MOST_OF_A_LEVEL:
            self.annotations.append(hidden)
        return f"##[{level}]{hidden}"


def _unescaped(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
