"""The sandbox replaces endpoints, not code: what runs in production does not know that it exists."""

from __future__ import annotations

import ast
from importlib.resources import files
from pathlib import Path

import runnerkit

PACKAGE = Path(str(files(runnerkit)))
# The command that starts one, the fixtures that hand one out, and its own code.
MAY_KNOW = ("cli/demo.py", "pytest_plugin.py", "sandbox/", "testing/contracts/")


def imported(file: Path) -> set[str]:
    """Every module that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_nothing_but_demo_and_fixtures_imports_the_sandbox() -> None:
    """No adapter and no rule can behave otherwise there."""
    knowing = {
        str(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("*.py")
        if any(name.startswith("runnerkit.sandbox") for name in imported(file))
    }
    assert {"cli/demo.py", "pytest_plugin.py"} <= knowing
    assert not [name for name in sorted(knowing) if not name.startswith(MAY_KNOW)]
