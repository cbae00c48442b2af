"""What people and programs read of the doctor."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from runnerkit.cli.commands import app
from runnerkit.cli.doctor import lines
from runnerkit.doctor.examining import examine
from runnerkit.doctor.registry import CHECKS
from runnerkit.doctor.words import Group
from tests.doctor.rows import limits, well

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_fits_eighty_columns() -> None:
    """Every line fits, save an address that cannot be broken; the worst of a group is first, and no colour is used."""
    text = list(lines(examine(CHECKS, well(limits=limits(0, 0), leftovers=None)), 80))
    assert [] == [line for line in text if len(line) > 80 and "https://" not in line]
    assert not any("\x1b" in line for line in text)
    assert text[1].startswith("  FAILURE  aws-spot-quota")
    assert any(line.startswith("           next: aws service-quotas request-service-quota-increase") for line in text)
    assert text[-1].startswith("2 failures, 1 unknown, ")


def test_the_list_names_every_check() -> None:
    """For people a line each, for programs with levels; nothing is looked at."""
    told = CliRunner().invoke(app, ["doctor", "--list"]).stdout.splitlines()
    assert [check.name for check in CHECKS] == [line.split()[0] for line in told]
    asked = json.loads(CliRunner().invoke(app, ["doctor", "--list", "--json", "--only", "network, data"]).stdout)
    assert {"network", "data"} == {each["group"] for each in asked}
    assert {"check", "group", "asks", "levels", "todo"} == set(asked[0])


def test_a_check_that_is_none_is_refused() -> None:
    """With the nearest name, and the code of bad usage."""
    done = CliRunner().invoke(app, ["doctor", "--only", "netwrk"])
    assert 2 == done.exit_code
    assert "did you mean network?" in done.stderr


def test_the_page_names_every_check_and_group() -> None:
    """The page is written from the registry."""
    page = (DOCS / "doctor.md").read_text(encoding="utf-8")
    assert [] == [check.name for check in CHECKS if f"`{check.name}`" not in page or check.todo not in page]
    assert [] == [group for group in Group if f"`{group}`" not in page]
