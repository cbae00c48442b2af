"""Generated pages are what the code says, and pages written by hand keep up with it."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

from runnerkit.cli.commands import EXIT_CODES as EXIT_CODES_HELP
from runnerkit.cli.commands import app
from runnerkit.cli.say import SENTENCES
from runnerkit.errors import EXIT_CODES
from runnerkit.phases import Phase
from tests.docs.doc_pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SCRIPTS = ROOT / "scripts"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """What a script of ours defines, without running it."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return lambda name: runpy.run_path(str(SCRIPTS / name))


@pytest.mark.parametrize("name", ["draw_phases.py", "write_python.py", "write_reference.py"])
def test_generated_pages_are_current(name: str) -> None:
    """Nobody changed the code without writing the pages anew, nor a page by hand."""
    checked = subprocess.run(
        [sys.executable, str(SCRIPTS / name), "--check"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (0, "") == (checked.returncode, checked.stdout + checked.stderr)


def test_a_stale_page_is_noticed_and_left_alone(script: Callable[[str], dict[str, Any]], tmp_path: Path) -> None:
    """With --check a page that differs, or is missing, is a failure, and nothing is written."""
    publish = script("draw_phases.py")["publish"]
    stale, missing = tmp_path / "stale.md", tmp_path / "missing.md"
    stale.write_text("old\n", encoding="utf-8")
    pages = {stale: "new\n", missing: "new\n"}
    assert 1 == publish(pages, ["--check"], "usage")
    assert ("old\n", False) == (stale.read_text(encoding="utf-8"), missing.exists())
    assert 0 == publish(pages, [], "usage")
    assert 0 == publish(pages, ["--check"], "usage")


def test_the_reference_has_every_event_that_is_told(script: Callable[[str], dict[str, Any]]) -> None:
    """Each kind of event is on the page and has a sentence for people."""
    told = {f"`{object.__new__(kind).name}`" for kind in SENTENCES}
    rows = re.findall(r"^\| (`[a-z-]+`) \|", (ROOT / "docs/events.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert told == set(rows)
    assert len(rows) == len(script("write_reference.py")["all_events"]())


def test_the_diagram_draws_every_phase(script: Callable[[str], dict[str, Any]]) -> None:
    """No phase is missing from the diagram, each has its box, and every step its reason; forbidden ones are refused."""
    drawing = script("draw_phases.py")
    drawn = drawing["diagram"]()
    named = re.findall(r'<text class="phase"[^>]*>(\w+)<', drawn)
    assert {str(phase) for phase in Phase} == set(named)
    assert len(named) == len(Phase) + len(drawing["STEPS"]) - len(drawing["USUAL"]) + 1
    assert sorted(drawing["STEPS"].values()) == sorted(re.findall(r'<text class="why"[^>]*>([^<]*)<', drawn))
    drawing["STEPS"][Phase.ENDED, Phase.BUSY] = "never"
    with pytest.raises(ValueError, match="ended -> busy"):
        drawing["diagram"]()


def test_the_help_page_tells_every_exit_code() -> None:
    """What stands under --help is the whole list."""
    numbers = re.findall(r"(?:^|[-:]\s)(\d+) [a-zA-Z]", EXIT_CODES_HELP)
    assert list(EXIT_CODES) == [int(number) for number in numbers]


def test_every_command_explains_itself_and_its_options() -> None:
    """No command, option or argument is without a help text, and each command has its section in the reference."""
    headings = re.findall(r"^## runnerkit (.+)$", (ROOT / "docs/commands.md").read_text(encoding="utf-8"), re.MULTILINE)
    found = dict(_commands(typer.main.get_command(app), ""))
    assert sorted(headings) == sorted(found)
    mute = [
        f"{path} {parameter.name}"
        for path, command in found.items()
        for parameter in command.params
        if not getattr(parameter, "help", None)
    ]
    assert mute == []
    assert [] == [path for path, command in found.items() if not command.help]


def _commands(command: Any, above: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - typer keeps its click to itself
    for name, inner in getattr(command, "commands", {}).items():
        path = f"{above} {name}".strip()
        yield path, inner
        yield from _commands(inner, path)


def test_the_architecture_names_every_module() -> None:
    """A new module has a floor and a place on the page, a deleted one has none."""
    package = ROOT / "runnerkit"
    there = {path.stem for path in package.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))} - {"__init__"}
    floors = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").split("## Floors")[1].split("\n## ")[0]
    named = [cells.split("|")[2] for cells in floors.splitlines() if cells.startswith("| ")]
    assert there == set(re.findall(r"`([a-z0-9_]+)`", " ".join(named)))


def test_the_page_about_permissions_lists_every_call_of_ec2s_adapter() -> None:
    """By the source's own words, whether a test reaches the call or not; the security page leads there."""
    source = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "runnerkit/ec2").glob("*.py")))
    verbs = "describe|create|delete|get|run|terminate|put|modify|stop|deregister|authorize"
    methods = set(re.findall(rf"\.((?:{verbs})_[a-z_]+)\(", source)) - {"get_paginator", "get_credentials"}
    methods |= set(re.findall(r'get_paginator\("([a-z_]+)"\)', source))
    page = (ROOT / "docs/iam.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"`(?:ec2|ssm):([A-Z][A-Za-z]+)`", page))
    assert set() == {method.title().replace("_", "") for method in methods} - listed
    assert "(iam.md)" in (ROOT / "docs/security.md").read_text(encoding="utf-8").split("## AWS permissions")[1]
