"""What the tests of documents share: the pages, the blocks in them, and the command lines in those."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer.main

from runnerkit import labels
from runnerkit.cli.commands import app
from runnerkit.cli.launch import _label
from runnerkit.labels.keys import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]
RUN_ID = "17291"

_FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_OPERATORS = frozenset("|&;()<>")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; its text without the indentation of the fence."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def files() -> list[Path]:
    """Every file under version control, or about to be."""
    git = shutil.which("git")
    assert git is not None
    listed = subprocess.run(
        [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return sorted({path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()})


def pages() -> list[Path]:
    """Every Markdown page."""
    return [path for path in files() if path.suffix == ".md"]


def workflows() -> list[Path]:
    """Every workflow: the examples' and our own."""
    return [path for path in files() if path.suffix == ".yml" and path.parent.name in {"examples", "workflows"}]


def name(path: Path) -> str:
    """A path as it is shown."""
    return path.relative_to(ROOT).as_posix()


def blocks(*languages: str) -> list[Block]:
    """The fenced blocks of all pages in these languages."""
    found: list[Block] = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            if match[2] in languages:
                line = text.count("\n", 0, match.start()) + 1
                bare = "".join(row.removeprefix(match[1]) for row in match[3].splitlines(keepends=True))
                found.append(Block(name(page), line, match[2], bare))
    return found


def typed(block: Block) -> str:
    """What a person types of a block: in a console that is what stands behind a dollar sign."""
    if block.language != "console":
        return block.text
    rows, more = [], False
    for row in block.text.splitlines():
        if more or row.startswith("$ "):
            rows.append(row.removeprefix("$ "))
            more = row.endswith("\\")
    return "\n".join(rows)


def command_lines(script: str) -> Iterator[list[str]]:
    """The words behind ``runnerkit`` of each of our commands in a script."""
    for row in re.sub(r"\\\n\s*", " ", script).splitlines():
        if "runnerkit" not in row:
            continue
        lexer = shlex.shlex(row, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        for is_operator, words in groupby(lexer, key=lambda word: bool(word) and set(word) <= _OPERATORS):
            told = [] if is_operator else list(words)
            while told and _ASSIGNMENT.match(told[0]):
                told.pop(0)
            if told[1:3] == ["-m", "runnerkit"]:
                told = told[2:]
            if told and Path(told[0]).name == "runnerkit":
                yield told[1:]


def understood(words: Sequence[str], *, named: bool = False) -> dict[str, Any]:
    """Read a command line as the command would, without running it, and return its parameters.

    ``named`` is a command of which prose speaks: without any word behind it, nothing is missing.

    Raises:
        Exception: The command would refuse it, or does not exist.
    """
    command: Any = typer.main.get_command(app)
    left = list(words)
    while hasattr(command, "commands") and left and not left[0].startswith("-"):
        known, default = command.commands, getattr(command, "default", "")
        command = known[left.pop(0) if left[0] in known or not default else default]
    if not left and (named or getattr(command, "no_args_is_help", False)):
        return {}
    try:
        told: dict[str, Any] = command.make_context("runnerkit", left).params
    except typer.Exit:
        return {}
    if "runs_on" in told:
        told["label"] = _label_of(told)
    if told.get("wish"):
        labels.parse(f"{labels.WORD}/{told['wish']}" if not labels.is_ours(told["wish"]) else told["wish"])
    return told


def _label_of(told: dict[str, Any]) -> str:
    keys = {key: told["type_" if key == "type" else key] for key in KEYS}
    given = {key: evaluated(value) for key, value in keys.items() if value is not None}
    whole = evaluated(told["runs_on"]) if told["runs_on"] else None
    return _label(whole, told["scope"], given, {"GITHUB_RUN_ID": RUN_ID})


def evaluated(text: str) -> str:
    """A text as GitHub would hand it on: expressions in it have values."""
    return re.sub(r"\$\{\{.*?\}\}|\$\{?GITHUB_RUN_ID\}?", RUN_ID, text)
