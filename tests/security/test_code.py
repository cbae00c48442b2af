"""What the code may not do: reach a shell, run what it reads, unpack what strangers packed."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "runnerkit"
SCRIPTS = [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "scripts").glob("*.py")]
STARTS = {"run", "Popen", "call", "check_call", "check_output"}
NO_SHELL = {"getoutput", "getstatusoutput"}
# What turns data into code or objects, with the reason where one may be used.
UNSAFE = {"eval", "exec", "compile", "__import__"}
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "shelve", "marshal", "jsonpickle", "joblib"}
ALLOWED: dict[tuple[str, str], str] = {
    ("runnerkit/job/pipeline.py", "yaml.load"): "with the safe loader, in C where there is one",
    (
        "runnerkit/sandbox/standin/program/substitutes/artifacts.py",
        "archive.extractall",
    ): "zipfile stays inside",
}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def having(pattern: str) -> list[Path]:
    """The files in which something stands; to parse all of them takes seconds."""
    return [path for path in SCRIPTS if re.search(pattern, path.read_text(encoding="utf-8"))]


def place(path: Path) -> str:
    return path.relative_to(PACKAGE.parent).as_posix()


@cache
def calls(path: Path) -> list[tuple[str, ast.Call]]:
    found = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    return [(ast.unparse(node.func), node) for node in found]


def words_of(path: Path, call: ast.Call) -> ast.expr | None:
    """What is started: the first argument, and what a name of it was last set to in the same file."""
    first = call.args[0] if call.args else next((each.value for each in call.keywords if each.arg == "args"), None)
    if isinstance(first, ast.Name):
        sets = [
            node.value
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Assign | ast.AnnAssign)
            and node.value is not None
            and any(
                isinstance(each, ast.Name) and each.id == first.id
                for each in (node.targets if isinstance(node, ast.Assign) else [node.target])
            )
        ]
        return sets[-1] if sets else first
    return first


def test_programs_are_started_with_words_and_without_a_shell() -> None:
    """Every start of a program takes a list: no text is taken apart by a shell on the way."""
    started = sum(map(_starts_well, having(r"subprocess|os\.(system|popen)|getoutput|getstatusoutput")))
    assert started > 20


def _starts_well(path: Path) -> int:
    started = 0
    for name, call in calls(path):
        if name in {"os.system", "os.popen"} or name.rpartition(".")[2] in NO_SHELL:
            pytest.fail(f"{place(path)}:{call.lineno}: {name} asks a shell")
        if not (name.startswith("subprocess.") and name.rpartition(".")[2] in STARTS):
            continue
        started += 1
        shell = next((each.value for each in call.keywords if each.arg == "shell"), None)
        assert shell is None, f"{place(path)}:{call.lineno}: shell="
        told = words_of(path, call)
        bad = isinstance(told, ast.JoinedStr | ast.BinOp) and not _is_list(told)
        text = isinstance(told, ast.Constant) and isinstance(told.value, str)
        assert not bad, f"{place(path)}:{call.lineno}: a text, not a list"
        assert not text, f"{place(path)}:{call.lineno}: a text, not a list"
    return started


def _is_list(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_list(node.left) or _is_list(node.right)
    return isinstance(node, ast.List | ast.ListComp | ast.Call | ast.Tuple)


def test_data_is_never_code() -> None:
    """No eval, no pickle, no YAML that makes objects, no archive that may write where it likes."""
    words = [*UNSAFE, *UNSAFE_MODULES, r"yaml\.", "extractall", "mktemp", r"hashlib\.md5"]
    for path in having("|".join(words)):
        _keeps_data_data(path)


def _keeps_data_data(path: Path) -> None:
    for node in ast.walk(tree(path)):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {name.partition(".")[0] for name in names} & UNSAFE_MODULES, f"{place(path)}: {names}"
    for name, call in calls(path):
        where = f"{place(path)}:{call.lineno}"
        if (place(path), name) in ALLOWED:
            continue
        assert name not in UNSAFE, f"{where}: {name}"
        assert name not in {"yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"}, f"{where}: {name}"
        if name.endswith(".extractall"):
            assert "filter=" in ast.unparse(call), f"{where}: extractall without a filter"
        if name in {"tempfile.mktemp", "hashlib.md5"} and "usedforsecurity=False" not in ast.unparse(call):
            pytest.fail(f"{where}: {name}")


def test_what_is_allowed_is_there() -> None:
    """An exception that nobody needs any more is removed."""
    for file, name in ALLOWED:
        assert name in {each for each, _ in calls(PACKAGE.parent / file)}


def test_secrets_are_compared_in_constant_time() -> None:
    """Where signatures, passwords and tokens of visitors are checked, the time tells nothing."""
    for file in ("web/receiver.py", "web/door.py"):
        assert {"hmac.compare_digest"} & {name for name, _ in calls(PACKAGE / file)}, file


def test_what_commands_print_is_printed_in_one_place() -> None:
    """`cli.common.echo` takes out what moves a cursor or orders GitHub's runner about; nothing is printed past it."""
    commands = [path for path in (PACKAGE / "cli").glob("*.py") if path.name != "common.py"]
    told = {
        place(path): {name for name, _ in calls(path)} & {"typer.echo", "typer.secho", "print"} for path in commands
    }
    assert {} == {name: found for name, found in told.items() if found}
    assert "typer.echo" in {name for name, _ in calls(PACKAGE / "cli" / "common.py")}
