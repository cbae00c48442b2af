"""What pages tell people to type, write or import would work."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from typer.testing import CliRunner

from runnerkit import labels
from runnerkit.cli.commands import COMMANDS, app
from runnerkit.config import Config
from tests.docs.doc_pages import (
    ROOT,
    Block,
    blocks,
    command_lines,
    evaluated,
    files,
    name,
    pages,
    typed,
    understood,
    workflows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHELL = {
    f"{block}: {' '.join(words)}": words
    for block in blocks("console", "sh", "bash")
    for words in command_lines(typed(block))
}
INLINE = {
    f"{name(page)}: {' '.join(words)}": words
    for page in pages()
    for span in re.findall(r"(?<!`)`(runnerkit [a-z-][^`\n]*)`(?!`)", page.read_text(encoding="utf-8"))
    for words in command_lines(span)
}
# Commands still to come of which messages of ours speak already.
NOT_THERE_YET: set[str] = set()


def test_there_are_commands_to_check() -> None:
    """The search for command lines finds some; otherwise the next test would check nothing."""
    assert "docs/configuration.md: config check" in INLINE
    script = "A=1 runnerkit once --json | tee log && .venv/bin/runnerkit launch \\\n  --gpu t4 > out # runnerkit no"
    assert [["once", "--json"], ["launch", "--gpu", "t4"]] == list(command_lines(script))


# Many pages show the same lines; each is read once, and told by the first place where it stands.
LINES = {tuple(words): where for where, words in reversed({**SHELL, **INLINE}.items())}
TYPED = set(map(tuple, SHELL.values()))


@pytest.mark.parametrize("words", [pytest.param(words, id=where) for words, where in LINES.items()])
def test_every_command_line_is_understood(words: tuple[str, ...]) -> None:
    """Each documented command exists and takes these options with these values; prose may name one without them."""
    understood(words, named=words not in TYPED)


@pytest.mark.parametrize("words", [["nonsense"], ["once", "--nonsense"], ["launch", "--gpu", "t44"], ["run", "x"]])
def test_a_wrong_command_line_is_noticed(words: list[str]) -> None:
    """Unknown commands, options and label values do not pass the test above."""
    with pytest.raises(Exception, match=r"nonsense|t44|unexpected|x"):
        understood(words)


def test_messages_speak_of_commands_that_exist() -> None:
    """What a hint tells people to run can be run."""
    named = {
        word
        for path in files()
        if path.suffix == ".py" and path.is_relative_to(ROOT / "runnerkit")
        for word in re.findall(r"`runnerkit ([a-z]+)", path.read_text(encoding="utf-8"))
    }
    assert "status" in named
    assert named - set(COMMANDS) == NOT_THERE_YET


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_configurations_in_pages_can_be_used(block: Block, tmp_path: Path) -> None:
    """Each example of a configuration passes `config check`, and `config show` tells where its values come from."""
    said = tomllib.loads(block.text)
    if not ("tool" in said or set(said) <= set(Config.model_fields)):
        return
    file = tmp_path / ("pyproject.toml" if "tool" in said else "runnerkit.toml")
    file.write_text(block.text, encoding="utf-8")
    clean = {"GITHUB_TOKEN": None, "GH_TOKEN": None, "GITHUB_REPOSITORY": None, "RUNNERKIT_CONFIG": None}
    checked = CliRunner().invoke(app, ["config", "check", "--config", str(file)], env=clean)
    assert (0, "") == (checked.exit_code, checked.stderr)
    shown = CliRunner().invoke(app, ["config", "show", "--config", str(file)], env=clean)
    assert str(file) in shown.stdout


def test_there_is_a_configuration_to_check() -> None:
    """The page about configuration shows one."""
    assert [block.page for block in blocks("toml") if block.page == "docs/configuration.md"]


YAML = [
    *((str(block), block.text) for block in blocks("yaml", "yml")),
    *((name(path), path.read_text(encoding="utf-8")) for path in workflows()),
]


@pytest.mark.parametrize(("where", "text"), YAML, ids=[where for where, _ in YAML])
def test_yaml_says_what_github_and_runnerkit_understand(where: str, text: str) -> None:
    """It parses, its labels parse, and the commands in its steps are understood."""
    del where
    document = yaml.safe_load(text)
    for wanted in _under("runs-on", document):
        told = [wanted] if isinstance(wanted, str) else wanted
        if any(labels.is_ours(label) for label in told):
            assert labels.read([evaluated(label) for label in told], arrays=len(told) > 1) is not None
    for script in _under("run", document):
        for words in command_lines(script):
            understood(words)


def _under(key: str, value: Any) -> Iterator[Any]:  # noqa: ANN401 - YAML is anything
    """Everything that stands under a key, however deep."""
    if isinstance(value, dict):
        for name_, below in value.items():
            if name_ == key and isinstance(below, str | list):
                yield below
            else:
                yield from _under(key, below)
    elif isinstance(value, list):
        for below in value:
            yield from _under(key, below)


@pytest.mark.parametrize("block", blocks("python", "py"), ids=str)
def test_python_in_pages_compiles_and_imports_what_exists(block: Block) -> None:
    """Each snippet is Python, and the names it takes from runnerkit are there."""
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "runnerkit":
            module = importlib.import_module(node.module or "")
            assert [] == [alias.name for alias in node.names if not hasattr(module, alias.name)]
