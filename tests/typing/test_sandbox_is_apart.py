"""The sandbox replaces endpoints, not code: what runs in production does not know that it exists."""

from __future__ import annotations

import ast
from importlib.resources import files
from pathlib import Path

import runnerkit

PACKAGE = Path(str(files(runnerkit)))
# The commands that are about one, the fixtures that hand one out, and its own code.
COMMANDS = ("cli/demo.py", "cli/interrupt.py", "cli/sandbox.py", "cli/stage.py")
MAY_KNOW = (*COMMANDS, "pytest_plugin.py", "sandbox/", "testing/contracts/")


def imported(file: Path) -> set[str]:
    """Every module that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def conditions(file: Path) -> list[str]:
    """Everything in a file that decides which way the code goes."""
    found: list[ast.expr] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) | ast.Assert(test=test):
                found.append(test)
            case ast.BoolOp() | ast.Compare():
                found.append(node)
            case ast.Match(subject=subject):
                found.append(subject)
            case ast.comprehension(ifs=tests):
                found += tests
            case _:
                pass
    return [ast.unparse(test) for test in found]


def apart() -> dict[str, Path]:
    """The files that must know nothing of it."""
    files = {str(file.relative_to(PACKAGE)): file for file in PACKAGE.rglob("*.py")}
    return {name: file for name, file in sorted(files.items()) if not name.startswith(MAY_KNOW)}


def test_only_commands_and_fixtures_of_the_sandbox_import_it() -> None:
    """No adapter and no rule can use anything of it."""
    knowing = [name for name, file in apart().items() if any(map(_of_the_sandbox, imported(file)))]
    assert knowing == []
    assert any(map(_of_the_sandbox, imported(PACKAGE / "cli/demo.py"))), "an import is seen"


def _of_the_sandbox(module: str) -> bool:
    return module.startswith("runnerkit.sandbox")


def test_nothing_depends_on_being_in_the_sandbox(tmp_path: Path) -> None:
    """No adapter and no rule asks where it runs, whatever the question looks like."""
    asking = {name: asked for name, file in apart().items() for asked in conditions(file) if "sandbox" in asked.lower()}
    assert asking == {}
    (tmp_path / "asks.py").write_text('seconds = 1 if os.environ.get("RUNNERKIT_SANDBOX") else 60\n', encoding="utf-8")
    assert conditions(tmp_path / "asks.py") == ["os.environ.get('RUNNERKIT_SANDBOX')"], "a question is seen"
