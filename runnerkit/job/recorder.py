"""Which commands DVC really started, when they ended, and with which exit code.

DVC tells in words what it does, a stage may print the same words, and a stage's own exit code is in an error text at
best. But DVC runs every command through the shell that ``SHELL`` names, with the stage in ``DVC_STAGE``. So ours is
named there: it notes the start, runs the command in the shell of before, and notes the end. It also marks both in the
output itself, since only there is certain which words came before and which after.

A command that catches our interrupt, saves what it has, and ends with 0 has not done its work: DVC would keep a model
half trained as the stage's result and never train it again. So an interrupted command never ends with 0.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The options that DVC itself would give to these shells.
OPTIONS = {"zsh": "--no-rcs", "bash": "--noprofile --norc"}

SCRIPT = """#!/bin/sh
# Written by runnerkit: runs a stage's command as DVC would have, and notes when.
note() {{
  printf '%s\\t%s\\t%s\\t%s\\n' "$1" "$(date +%s.%N)" "$2" "$DVC_STAGE" >>{record}
  printf '\\036{mark}:%s\\036\\n' "$1"
}}
SHELL={shell}
export SHELL
stopped=
trap 'stopped=130' INT
trap 'stopped=143' TERM
# A stage that keeps checkpoints waits until its own is here.
if grep -qxF -e "${{DVC_STAGE%%@*}}" {folder}/held 2>/dev/null; then
  printf '%s\n' "$DVC_STAGE" >{folder}/ask.new && mv {folder}/ask.new {folder}/ask
  while [ -e {folder}/ask ] && [ -z "$stopped" ]; do sleep 0.05; done
  if [ -n "$stopped" ]; then exit "$stopped"; fi
fi
note start 0
{shell} {options} "$@"
code=$?
if [ "$code" -eq 0 ] && [ -n "$stopped" ]; then code=$stopped; fi
note end "$code"
exit "$code"
"""


@dataclass(slots=True)
class Command:
    """One command of a stage; ``ended`` and ``code`` are None while it runs."""

    stage: str
    started: float
    ended: float | None = None
    code: int | None = None


class Recorder:
    """The shell that keeps the record.

    Args:
        folder: Where shell and record are put; both are made anew.
        environ: Says which shell runs the commands otherwise.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._record = folder / "commands.tsv"
        self._mark = f"runnerkit-{secrets.token_hex(8)}"
        self.shell = folder / "shell"
        real = environ.get("SHELL") or "/bin/sh"
        options = OPTIONS.get(os.path.basename(real).lower(), "")  # noqa: PTH119 - a name from the environment
        self._record.write_text("", encoding="utf-8")
        (folder / "held").unlink(missing_ok=True)
        self.shell.write_text(
            SCRIPT.format(
                record=shlex.quote(str(self._record)),
                folder=shlex.quote(str(folder)),
                shell=shlex.quote(real),
                options=options,
                mark=self._mark,
            ),
            encoding="utf-8",
        )
        self.shell.chmod(0o755)

    def boundary(self, line: str) -> tuple[str, str]:
        """A line without our mark, and what the mark says: start, end, or nothing."""
        text, mark, kind = line.partition(f"\x1e{self._mark}:")
        return (text, kind.removesuffix("\x1e")) if mark else (line, "")

    def commands(self) -> list[Command]:
        """Every command so far, in order; none when a stage has removed our folder."""
        try:
            record = self._record.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        found: list[Command] = []
        for line in record.splitlines():
            kind, at, code, stage = (*line.split("\t", 3), "", "", "")[:4]
            if kind == "start":
                found.append(Command(stage, _number(at)))
            elif found and found[-1].stage == stage:
                found[-1].ended, found[-1].code = _number(at), int(_number(code))
        return found

    def began(self) -> float:
        """When the first command started: what is older than that was not made here. 0 when nobody knows."""
        commands = self.commands()
        return commands[0].started if commands else 0.0


def _number(text: str) -> float:
    try:
        return float(json.loads(text.lstrip("0") or "0"))
    except ValueError:
        return 0.0
