"""docs/simulator.md is played: its command, its scenario, its tables."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from runnerkit.cli.commands import app
from runnerkit.testing.simulation import Report, Scenario, built_in, read
from runnerkit.testing.simulation import judge as judges
from tests.docs.doc_pages import ROOT, blocks, command_lines, typed

if TYPE_CHECKING:
    from tests.docs.doc_pages import Block

PAGE = "docs/simulator.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")


def of(language: str) -> list[Block]:
    """The page's blocks in a language."""
    return [block for block in blocks(language) if block.page == PAGE]


@pytest.mark.slow
def test_the_session_shows_what_the_command_prints() -> None:
    """The same head, the same lines in the same order; figures change with the controller."""
    session = of("console")[0]
    (words,) = command_lines(typed(session))
    done = CliRunner().invoke(app, words)
    assert 0 == done.exit_code, done.output
    shown = session.text.splitlines()[1:]
    printed = done.stdout.splitlines()
    assert shown[0] == printed[0]
    assert [line.split()[:1] for line in shown] == [line.split()[:1] for line in printed]


@pytest.mark.slow
def test_the_scenario_of_the_page_is_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read as it stands, keeps its cap, and ends well."""
    (scenario,) = of("text")
    monkeypatch.chdir(tmp_path)
    (words,) = command_lines(typed(of("console")[1]))
    (tmp_path / words[2]).write_text(scenario.text, encoding="utf-8")
    done = CliRunner().invoke(app, words)
    told = json.loads(done.stdout)
    assert (0, True) == (done.exit_code, told["ok"])
    assert told["most_machines"] <= read(tmp_path / words[2]).policy.max_machines
    assert set(told) == set(re.findall(r"`(\w+)`", TEXT.partition("`--json`:")[2].partition("\n\n")[0]))
    assert set(told) == {field.name for field in fields(Report)} | {"ok"}


def test_every_scenario_is_named() -> None:
    """Those that come along, and no other."""
    listed = TEXT.partition("those that come along: ")[2].partition(". `--scenario")[0]
    assert list(built_in()) == re.findall(r"`([a-z-]+)`", listed)


def test_every_key_is_told() -> None:
    """Each table of a scenario, and each key of each."""
    rows = dict(re.findall(r"^\| (?:`(\w+)`|\(top\))[^|]* \| (.*) \|$", TEXT, re.MULTILINE))
    for name, field in Scenario.model_fields.items():
        inner = getattr(field.annotation, "__args__", (field.annotation,))[0]
        keys = getattr(inner, "model_fields", None)
        if name == "policy":
            continue
        told = set(re.findall(r"`(\w+)`", rows[name if keys else ""]))
        assert (set(keys) if keys else {name}) <= told, name


def test_every_invariant_is_told() -> None:
    """The table has what the judge looks at, and nothing else."""
    source = Path(judges.__file__).read_text(encoding="utf-8")
    watched = set(re.findall(r'\.breach\(\s*"([^"]+)"', source))
    table = TEXT.partition("## Invariants")[2].partition("\n## ")[0]
    assert watched == {line.split(" | ")[0].strip("| ") for line in table.splitlines()[6:] if line.startswith("| ")}
