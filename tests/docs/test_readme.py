"""The README is executed: its Python against a sandbox, its TOML by the loader, its commands as written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from runnerkit import labels
from runnerkit.config import load
from runnerkit.sandbox.together import Sandbox

README = Path(__file__).parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line.partition("#")[0].split() for block in blocks("sh") for line in block.splitlines()]
    return [words for words in lines if words and words[0] == "runnerkit"]


def test_the_python_example_launches_a_machine(tmp_path: Path) -> None:
    """The example of the API runs as written and prints a runner and its instance."""
    (code,) = blocks("python")
    with Sandbox("acme/ml", boot=0.2) as world:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **world.environment()},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert [instance.id for instance in world.ec2.instances()] == [done.stdout.split()[1]]


def test_every_command_works_in_the_order_shown(tmp_path: Path) -> None:
    """The commands of the README run one after another and leave nothing behind."""
    assert len(commands()) >= 5
    with Sandbox("acme/ml", boot=0.2) as world:
        for words in commands():
            done = subprocess.run(
                [sys.executable, "-m", *words],
                env={**os.environ, **world.environment()},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, f"{words}: {done.stderr}"
        assert not any(world.left().values())


def test_the_configuration_example_can_be_used(tmp_path: Path) -> None:
    """The TOML of the README is accepted, key by key."""
    (text,) = blocks("toml")
    (tmp_path / "runnerkit.toml").write_text(text, encoding="utf-8")
    config, _ = load({}, tmp_path)
    assert tomllib.loads(text)["aws"]["regions"] == list(config.aws.regions)
    assert "train" in config.named()


@pytest.mark.parametrize("label", [line for block in blocks("text") for line in block.splitlines()])
def test_labels_shown_can_be_read(label: str) -> None:
    """Every label in the README is a label, once GitHub has put the run's id into it."""
    assert labels.parse(label.replace("${{ github.run_id }}", "42")).scope == "42"
