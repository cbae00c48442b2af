"""``completion``: the script that makes a shell complete commands, options and values."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

PROGRAM = "runnerkit"


class Shell(StrEnum):
    """Those that are known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(help="Whose script is wanted.")],
) -> None:
    """Print the script that makes a shell complete commands, options and values.

    The option --install-completion puts it where the shell you are in looks for it.
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # it has no other door

    script = get_completion_script(prog_name=PROGRAM, complete_var=f"_{PROGRAM.upper()}_COMPLETE", shell=shell.value)
    sys.stdout.write(f"{script}\n")
