"""A checkout in a folder of its own, and the command in it, with nothing of this computer's around."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from runnerkit.cli.commands import app

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

THEIRS = ("AWS_", "GITHUB_", "GH_", "RUNNERKIT_", "XDG_", "GIT_")


@dataclass
class Checkout:
    """A git checkout and what a person does in it."""

    top: Path

    def git(self, *words: str) -> str:
        """Run git in it."""
        return subprocess.run(
            ["git", "-C", str(self.top), *words],  # noqa: S607 - whichever git there is
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout

    def put(self, **files: str) -> None:
        """Write several files."""
        for name, text in files.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> Path:
        """Write a file."""
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def read(self, name: str) -> str:
        """What a file holds."""
        return (self.top / name).read_text(encoding="utf-8")

    def init(self, *words: str) -> Result:
        """Run the command in this process."""
        return CliRunner().invoke(app, ["init", *words], catch_exceptions=False)

    def told(self, *words: str) -> dict[str, Any]:
        """What the command tells programs, and its exit code."""
        done = self.init("--json", *words)
        document: dict[str, Any] = json.loads(done.stdout)
        return document | {"code": done.exit_code}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """A checkout of acme/widgets, with the process in it."""
    for name in list(os.environ):
        if name.startswith(THEIRS):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    top = tmp_path / "widgets"
    top.mkdir()
    made = Checkout(top)
    made.git("init", "--quiet", "--initial-branch", "main")
    made.git("remote", "add", "origin", "git@github.com:acme/widgets.git")
    monkeypatch.chdir(top)
    return made
