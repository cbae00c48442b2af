"""The README is executed: its Python against a sandbox, its TOML by the loader, its commands as written."""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from typing import TYPE_CHECKING

import pytest

from runnerkit import labels
from runnerkit.cli import stage
from runnerkit.config import load
from runnerkit.sandbox.together import Sandbox
from tests.docs.doc_pages import ROOT
from tests.docs.shells import environment, python, shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

README = ROOT / "README.md"
MOMENT = re.compile(r"^ +\d+\.\d s . ([a-z]+(?: [a-z]+)*) ", re.MULTILINE)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def sessions() -> dict[str, str]:
    """The shell blocks by what they are about: make, use, sandbox."""
    kinds = {"make": "make demo", "sandbox": "sandbox up", "use": "runnerkit offerings"}
    return {kind: text for text in blocks("sh") for kind, sign in kinds.items() if sign in text}


def test_every_command_is_of_a_kind_that_is_run() -> None:
    """No block of commands escapes the tests below."""
    assert len(sessions()) == len(blocks("sh")) == 3


def test_the_two_commands_exist_and_do_what_they_say() -> None:
    """`make demo` runs the demo, `make test` runs pytest; nothing else is asked of a newcomer."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    told = [line.partition("#")[0].split() for line in sessions()["make"].splitlines()]
    assert told == [["make", "demo"], ["make", "test"]]
    recipes = {target: re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE) for _, target in told}
    assert [recipe and recipe[1].split()[-1] for recipe in recipes.values()] == ["demo", "$(PYTEST_ARGS)"]


def test_the_transcript_has_the_moments_of_the_demo() -> None:
    """What the README shows of `make demo` is what the demo tells, from the pull request to nothing left."""
    (shown,) = blocks("console")
    moments = [moment.replace(" ", "-") for moment in MOMENT.findall(shown)]
    known = {*stage.LOOKS, *stage.NEXT, *(name for span in stage.SPANS for name in span[1:])}
    assert set(moments) <= known
    assert (moments[0], moments[-1]) == ("pull-request-opened", "nothing-left")


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    """A sandbox whose machines only keep their leases."""
    with Sandbox("acme/ml", boot=0.2, machines="hollow") as sandbox:
        yield sandbox


def test_every_command_works_in_the_order_shown(tmp_path: Path, world: Sandbox) -> None:
    """The commands of the README run one after another and leave nothing behind."""
    lines = [line.partition("#")[0] for line in sessions()["use"].splitlines()]
    assert len(lines) >= 5
    for line in lines:
        done = python(["-m", *shlex.split(line)], tmp_path, {**os.environ, **world.environment()})
        assert done.returncode == 0, f"{line}: {done.stderr}"
    assert not any(world.left().values())


def test_the_python_example_launches_a_machine(tmp_path: Path, world: Sandbox) -> None:
    """The example of the API runs as written and prints a runner and its instance."""
    (code,) = [block for block in blocks("python") if "connect(" in block]
    done = python(["-c", code], tmp_path, {**os.environ, **world.environment()})
    assert done.returncode == 0, done.stderr
    assert [instance.id for instance in world.ec2.instances("pending", "running")] == [done.stdout.split()[1]]


def test_the_sandbox_comes_and_goes(tmp_path: Path) -> None:
    """The session that starts a sandbox for other programs is typed as shown and leaves nothing up."""
    environ = environment(tmp_path)
    try:
        done = shell(sessions()["sandbox"], tmp_path, environ)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "up as process" in done.stdout
    finally:
        left = python(["-m", "runnerkit", "sandbox", "down"], tmp_path, environ)
    assert left.stdout == "no sandbox was up\n"


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
