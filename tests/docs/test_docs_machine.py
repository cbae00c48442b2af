"""The table of faults: every row names a test that exists, and every such test has its row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from runnerkit.machine.runnerkit_agent.rules import Rules
from tests.machine.faults import FAULTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/machine.md").read_text(encoding="utf-8")


def rows(page: str) -> list[list[str]]:
    """The cells of the table of faults."""
    table = page.partition("<!-- faults -->")[2].partition("<!-- end of the faults -->")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_fault_has_a_row_and_every_row_a_test() -> None:
    """Each exactly once."""
    tree = ast.parse((ROOT / "tests/machine/test_faults.py").read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
    tests = sorted(
        [f"`test_fault[{fault.name}]`" for fault in FAULTS] + [f"`{name}`" for name in functions - {"test_fault"}]
    )
    assert sorted(row[3] for row in rows(PAGE)) == tests


def test_every_fault_says_how_it_is_known() -> None:
    """Any end would do for one without a word."""
    assert [fault.name for fault in FAULTS if not fault.reason and not fault.last_line] == []


def test_every_row_says_what_ends_the_machine_and_after_how_long() -> None:
    """No cell is empty."""
    assert [row for row in rows(PAGE) if len(row) != 4 or not all(row)] == []


def test_the_deadlines_are_those_of_the_agent() -> None:
    """With their defaults; those without one come from the launch."""
    table = PAGE.split("\n## Deadlines")[1].split("\n## ")[0]
    shown = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", table, flags=re.MULTILINE))
    defaults = {name: str(Rules._field_defaults.get(name, "from the launch")) for name in Rules._fields}
    assert shown == defaults
