"""What pages of prose name exists: keys, options, verdicts, checks, laws."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import typer.main
from pydantic import BaseModel

from runnerkit.cli.commands import app
from runnerkit.config import Config
from runnerkit.doctor.registry import CHECKS
from tests.docs.doc_pages import ROOT, blocks, command_lines, typed

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = ROOT / "docs"
# Pages whose tables put something of runnerkit's beside what somebody knows or sees.
BESIDE = sorted(path.name for path in (*DOCS.glob("migrating-*.md"), DOCS / "troubleshooting.md"))


def _cells(page: str) -> Iterator[str]:
    """The last cells of all rows of a page's tables: what is ours."""
    for line in (DOCS / page).read_text(encoding="utf-8").splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            yield re.split(r"(?<!\\)\|", line)[-2]


def _keys(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield name
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _keys(kind)


def _options(command: Any) -> Iterator[str]:  # noqa: ANN401 - typer keeps its click to itself
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)
    for below in getattr(command, "commands", {}).values():
        yield from _options(below)


@pytest.mark.parametrize("page", BESIDE)
def test_every_key_and_option_of_ours_exists(page: str) -> None:
    """A setting or an option that is renamed is renamed in the tables for newcomers, too."""
    keys, options = set(_keys(Config)), set(_options(typer.main.get_command(app)))
    named = [word for cell in _cells(page) for word in re.findall(r"`([^`]+)`", cell)]
    told = [word for word in named if re.fullmatch(r"[a-z]+(_[a-z]+)+", word)]
    said = [option for word in named for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", word)]
    assert told or said
    assert [] == [word for word in told if word not in keys]
    assert [] == [option for option in said if option not in options]


def test_what_the_sandbox_corrects_has_tests_that_exist() -> None:
    """Each row names some, by file and name; a name that ends in dots is the beginning of one."""
    text = (DOCS / "sandbox.md").read_text(encoding="utf-8")
    part = text[text.index("### What is corrected") : text.index("### Permissions")]
    rows = [line.split("|")[-2] for line in part.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 40
    for row in rows:
        named = [
            (file, name)
            for file, names in re.findall(r"(\w+): ((?:`\w+(?:\.{3})?`(?:, )?)+)", row)
            for name in re.findall(r"`([^`]+)`", names)
        ]
        assert len(named) == row.count("`") / 2 > 0, row
        for file, name in named:
            code = (ROOT / "tests" / "sandbox" / f"test_ec2_{file}.py").read_text(encoding="utf-8")
            assert f"\ndef test_{name}(".replace("...(", "") in code, (file, name)


def test_troubleshooting_speaks_of_verdicts_that_why_gives() -> None:
    """The words in its tables of verdicts are those of the page about `why`."""
    given = set(re.findall(r"`([a-z-]+)`", " ".join(re.findall(r"^\| (`.+?) \|", _text("why.md"), re.MULTILINE))))
    parts = _text("troubleshooting.md").split("| verdict |")[1:]
    told = {word for part in parts for row in _first_cells(part) for word in re.findall(r"`([a-z-]+)`", row)}
    assert {"unseen", "interrupted", "waits"} <= told
    assert set() == told - given


def test_troubleshooting_begins_each_symptom_with_something_to_run() -> None:
    """Whoever comes with a symptom gets a command, a table, or both; nobody gets prose alone."""
    sections = _text("troubleshooting.md").split("\n## ")[1:]
    assert len(sections) >= 10
    signs = ("`runnerkit ", "\n$ runnerkit ", "\n| --- |")
    assert [] == [part.splitlines()[0] for part in sections if not any(sign in part for sign in signs)]


def test_pages_name_checks_of_doctor_that_exist() -> None:
    """What stands behind --only is a check or a group of them."""
    known = {check.name for check in CHECKS} | {str(check.group) for check in CHECKS}
    texts = [typed(block) for block in blocks("console", "sh")]
    texts += [
        span for page in DOCS.glob("*.md") for span in re.findall(r"`(runnerkit doctor[^`\n]*)`", _text(page.name))
    ]
    told = [
        word
        for text in texts
        for words in command_lines(text)
        for before, word in pairwise(words)
        if words[0] == "doctor" and before == "--only"
    ]
    assert told
    assert [] == [word for word in told if word not in known]


def test_the_laws_are_twelve_and_have_one_order() -> None:
    """Each law says what fails without it; incidents count them in the same way."""
    laws = _text("laws.md").split("\n## ")[1:]
    counted = _text("incidents.md").split("## Laws")[1].split("\n## ")[0]
    assert [str(number) for number in range(1, 13)] == [law.partition(".")[0] for law in laws]
    assert [] == [law.splitlines()[0] for law in laws if "*Without it:*" not in law]
    assert 12 == len(re.findall(r"^\d+\. ", counted, re.MULTILINE))


def _text(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def _first_cells(part: str) -> Iterator[str]:
    for line in part.splitlines()[1:]:
        if not line.startswith("|"):
            return
        yield line.split("|")[1]
