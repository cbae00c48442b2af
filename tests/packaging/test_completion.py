"""Shells complete commands, options and values that are few."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from runnerkit.cli.commands import app
from runnerkit.labels.values import GPUS

ROOT = Path(__file__).parents[2]


def offered(line: str, *, word: str = "") -> list[str]:
    """What bash is offered for the next word of a line."""
    words = line.split()
    environment = {
        "_RUNNERKIT_COMPLETE": "complete_bash",
        "COMP_WORDS": f"{line} {word}",
        "COMP_CWORD": str(len(words)),
    }
    return CliRunner().invoke(app, [], prog_name="runnerkit", env=environment).stdout.split()


@pytest.mark.parametrize(
    ("line", "word", "some"),
    [
        ("runnerkit", "la", ["launch"]),
        ("runnerkit sandbox", "", ["up", "down", "status"]),
        ("runnerkit launch", "--dr", ["--dry-run"]),
        ("runnerkit launch --gpu", "a10", ["a10g", "a100"]),
        ("runnerkit launch --gpu", "", list(GPUS)),
        ("runnerkit launch --spot", "", ["prefer", "only", "never"]),
        ("runnerkit launch --arch", "", ["x64", "arm64"]),
        ("runnerkit launch --retry", "", ["interrupted", "never"]),
        ("runnerkit ami bake", "gpu", ["gpu-ubuntu-24.04"]),
        ("runnerkit simulate", "cr", ["crashes"]),
        ("runnerkit sandbox up --machines", "", ["process", "nspawn", "hollow"]),
        ("runnerkit completion", "", ["bash", "zsh", "fish"]),
    ],
)
def test_the_next_word_is_offered(line: str, word: str, some: list[str]) -> None:
    """Commands, options, and values that need nobody to be asked."""
    found = offered(line, word=word)
    assert set(some) <= set(found)
    assert all(each.startswith(word) for each in found)


def test_a_file_of_a_checkout_cannot_speak_to_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that a shell would read as more than a word are not offered."""
    (tmp_path / "ami").mkdir()
    for name in ("$(id)", "`id`", "a;id", "a b", "-rf", "'", '"', "x\ny"):
        (tmp_path / "ami" / f"{name}.toml").touch()
    (tmp_path / "ami" / "mine.toml").touch()
    monkeypatch.chdir(tmp_path)
    assert ["mine", "cpu-ubuntu-24.04", "gpu-ubuntu-24.04"] == offered("runnerkit ami bake")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_takes(shell: str) -> None:
    """Each shell's script is printed, wherever one is; where the shell is installed, it reads it."""
    done = CliRunner().invoke(app, ["completion", shell])
    assert (0, "") == (done.exit_code, done.stderr)
    assert "_RUNNERKIT_COMPLETE=complete_" + shell in done.stdout
    if found := shutil.which(shell):
        subprocess.run([found, "-n"], input=done.stdout, text=True, check=True, timeout=60)


def test_an_unknown_shell_is_refused() -> None:
    """With those that are known."""
    done = CliRunner().invoke(app, ["completion", "ksh"])
    assert 2 == done.exit_code
    assert "bash" in done.stderr
