"""A job's log: lines with times, groups to fold, errors to notice."""

import re
from dataclasses import dataclass, field
from datetime import datetime

from markupsafe import Markup

from runnerkit.sandbox.github.web.ansi import to_html
from runnerkit.sandbox.github.web.times import parsed

STAMPED = re.compile(r"\ufeff?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z ?(.*)", re.DOTALL)
COMMAND = re.compile(r"##\[(group|endgroup|error|warning|notice|debug|command|section)\](.*)", re.DOTALL)
LABELS = {"error": "Error: ", "warning": "Warning: ", "notice": "Notice: "}
MOST_LINES = 5000


@dataclass(frozen=True, slots=True)
class Line:
    """A line; ``place`` counts all of the step's lines from 1, ``number`` those that are shown."""

    place: int
    number: int
    at: datetime | None
    kind: str
    text: str

    @property
    def html(self) -> Markup:
        """The line's text with its colours."""
        return Markup("<b>{}</b>{}").format(LABELS.get(self.kind, ""), to_html(self.text))


@dataclass(slots=True)
class Block:
    """Consecutive lines; with a ``title`` they are a group that folds."""

    title: Line | None = None
    lines: list[Line] = field(default_factory=list)

    @property
    def alarming(self) -> bool:
        """Whether an error hides in it."""
        return any(line.kind == "error" for line in self.lines)


@dataclass(frozen=True, slots=True)
class Fragment:
    """What is new of a block; with ``fold`` it continues the group whose title has that number."""

    block: Block
    fold: int | None = None


def blocks(text: str) -> list[Block]:
    """Cut a step's log into groups and what lies between them."""
    made, inside, number = [Block()], False, 0
    for place, raw in enumerate(text.split("\n")[: _complete(text)], 1):
        at, kind, said = _read(raw)
        if kind == "endgroup":
            made, inside = [*made, Block()] if inside else made, False
            continue
        number += 1
        line = Line(place, number, at, kind, said)
        if kind == "group":
            made, inside = [*made, Block(line)], True
        else:
            made[-1].lines.append(line)
    return [block for block in made if block.title or block.lines]


def _complete(text: str) -> int:
    # The last line has no line feed while a step is writing it; what follows the last line feed is no line.
    return text.count("\n")


def _read(raw: str) -> tuple[datetime | None, str, str]:
    stamped = STAMPED.fullmatch(raw.rstrip("\r"))
    at, said = (parsed(stamped[1]), stamped[2]) if stamped else (None, raw.rstrip("\r"))
    command = COMMAND.match(said)
    kind, said = (command[1], command[2]) if command else ("plain", said)
    # A progress bar writes over itself; the last state is what a terminal would show.
    return at, kind, said.rstrip("\r").rpartition("\r")[2]


def count(text: str) -> int:
    """Count the lines that are complete."""
    return _complete(text)


def since(found: list[Block], place: int) -> list[Fragment]:
    """Leave what came after line ``place``."""
    fresh = [(block, Block(block.title, [line for line in block.lines if line.place > place])) for block in found]
    fragments = []
    for block, rest in fresh:
        if block.title is not None and block.title.place <= place:
            rest.title = None
            fragments.append(Fragment(rest, block.title.number))
        else:
            fragments.append(Fragment(rest))
    return [each for each in fragments if each.block.title or each.block.lines]


def tail(found: list[Block], last: int) -> tuple[list[Block], int]:
    """Leave out the oldest lines of a log too long to show; the number tells how many were left out."""
    first = last - MOST_LINES
    if first <= 0:
        return found, 0
    return [each.block for each in since(found, first)], first
