"""The root of the command line: every command is there, and none is read but the one that is called."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
import typer
import typer.main
from typer.testing import CliRunner

from runnerkit.cli import common
from runnerkit.cli.actions import write_values
from runnerkit.cli.commands import COMMANDS, app
from runnerkit.cli.tables import Column, print_table
from runnerkit.errors import ConfigError

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
    commands = group.commands  # type: ignore[attr-defined]  # typer's group
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


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["launch", "--count", "0", "--json"], "--count"),
        (["launch", "--json", "--runs-on"], "--runs-on"),
        (["status", "--jason", "--json"], "--jason"),
        (["config", "chekc", "--json"], "chekc"),
        (["launhc", "--json"], "launhc"),
    ],
)
def test_programs_are_told_of_wrong_words_as_of_any_error(words: list[str], named: str) -> None:
    """One JSON document with a code of its own and nothing on standard error; without --json it is the usage."""
    done = CliRunner().invoke(app, words)
    assert (2, "") == (done.exit_code, done.stderr)
    error = json.loads(done.stdout)["error"]
    assert ("usage", True) == (error["code"], named in error["message"])
    assert "-h` shows how" in error["hint"]
    done = CliRunner().invoke(app, [word for word in words if word != "--json"])
    assert (2, "") == (done.exit_code, done.stdout)
    assert "Error: " in done.stderr


def test_streams_that_are_closed_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the tables nor the JSON nor a word beside them need somebody who listens, and the exit code stays."""
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    common.print_json({"a": 1})
    print_table([Column("A")], [["b"]])
    write_values({"label": "runnerkit"}, {"GITHUB_OUTPUT": "/nowhere/at/all"})
    with pytest.raises(typer.Exit) as ended:
        common.fail(ConfigError("no"), as_json=False)
    assert ended.value.exit_code == 2


class Terminal(StringIO):
    """A standard output that people look at."""

    def isatty(self) -> bool:
        """They do."""
        return True


@pytest.mark.parametrize(("columns", "shown"), [("80", "NAME ZONE AGE"), ("20", "NAME ZONE"), ("13", "NAME")])
def test_a_narrow_terminal_leaves_out_what_can_be_spared(
    monkeypatch: pytest.MonkeyPatch, columns: str, shown: str
) -> None:
    """What can best be spared goes first, whole, and what cannot never does; a file gets everything."""
    screen, file = Terminal(), StringIO()
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "dumb")
    for stream in (screen, file):
        monkeypatch.setattr("sys.stdout", stream)
        print_table([Column("NAME"), Column("ZONE", spare=1), Column("AGE", spare=2)], [["rk-17291-1", "1a", "5m20s"]])
    assert shown.split() == screen.getvalue().splitlines()[0].split()
    assert "rk-17291-1" in screen.getvalue()
    assert "rk-17291-1  1a    5m20s" in file.getvalue()


def test_a_value_writes_no_output_of_its_own(tmp_path: Path) -> None:
    """GitHub reads a value to the line that its first line names; nobody can guess that, and none is used twice."""
    written, value = tmp_path / "output", "one\nother<<EOF\nrunnerkit_\nEOF"
    for _ in range(2):
        write_values({"label": value}, {"GITHUB_OUTPUT": str(written)})
    first, second = re.findall(r"label<<(\S+)\n(.*?)\n\1\n", written.read_text(), re.DOTALL)
    assert first[1] == second[1] == value
    assert first[0] != second[0]


def test_a_full_disk_is_told_without_a_traceback() -> None:
    """What was to be printed cannot be written: a sentence and exit code 1."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        words = [sys.executable, "-m", "runnerkit", "--version"]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (1, "error: the output cannot be written: No space left on device\n") == (done.returncode, done.stderr)


def test_what_others_wrote_gives_no_order(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a name with control sequences nor a second line reaches the terminal or GitHub's runner as it is."""
    common.order("::notice::runnerkit: left\n::set-output name=x::y\x1b[2J")
    common.order("fine\n::error::no")
    common.echo("\x1b]0;title\x07a\n##[error]b")
    assert (
        "::notice::runnerkit: left : :set-output name=x::y\nfine\n: :error::no\na\n## [error]b\n"
        == capsys.readouterr().out
    )
