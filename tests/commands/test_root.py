"""The root of the command line: every command is there, and none is read but the one that is called."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import typer.main
from typer.testing import CliRunner

from runnerkit.cli import common
from runnerkit.cli.commands import COMMANDS, app

if TYPE_CHECKING:
    import pytest

LOADED = """
import sys
from runnerkit.cli.commands import app
try:
    app(sys.argv[1:], prog_name="runnerkit")
except SystemExit:
    print("loaded:", *sorted(sys.modules))
"""


def loaded(*words: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", LOADED, *words], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("loaded:")[2].split())


def test_every_command_is_read_under_its_name_and_shown_with_its_help() -> None:
    """What typer makes of each command agrees with the line that `--help` has for it without reading it."""
    group, shown = typer.main.get_command(app), CliRunner().invoke(app, ["--help"]).stdout
    commands = group.commands  # type: ignore[attr-defined]
    assert list(COMMANDS) == list(commands)
    for name, command in commands.items():
        assert name == command.name
        assert f"\n  {name} " in shown
        assert " ".join(command.help.split(".")[0].split())[:20] in shown


def test_help_is_soon_there() -> None:
    """No library that takes long is imported for a page of help, and no module of a command that was not asked for."""
    heavy = {"pydantic", "boto3", "github", "rich", "ssl", "urllib.request", "http.client", "dvc", "moto"}
    assert set() == loaded("--help") & heavy
    modules = {f"runnerkit.cli.{module}" for module in COMMANDS.values()}
    assert {"runnerkit.cli.completion"} == loaded("completion", "--help") & modules
    assert set() == loaded("launch", "--help") & (heavy | modules) - {"runnerkit.cli.launch"}


def test_what_others_wrote_gives_no_order(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a name with control sequences nor a second line reaches the terminal or GitHub's runner as it is."""
    common.order("::notice::runnerkit: left\n::set-output name=x::y\x1b[2J")
    common.order("fine\n::error::no")
    common.echo("\x1b]0;title\x07a\n##[error]b")
    assert (
        "::notice::runnerkit: left : :set-output name=x::y\nfine\n: :error::no\na\n## [error]b\n"
        == capsys.readouterr().out
    )
