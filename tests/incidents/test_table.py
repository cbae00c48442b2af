"""docs/incidents.md and the tests of this folder say the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/incidents.md"
FIRST, LAST = 1, 12
LEAST = 30


def rows(chapter: str, columns: int) -> list[list[str]]:
    """The cells of a chapter's table."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {chapter}\n")[2].partition("\n## ")[0]
    found = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if line[:1] == "|"]
    assert {columns} == {len(row) for row in found[2:]}, found
    return found[2:]


def written() -> dict[str, str]:
    """Every test of an incident, and its docstring."""
    found: dict[str, str] = {}
    for file in sorted(HERE.glob("test_*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body if file.name != Path(__file__).name else ():
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                assert node.name not in found, f"two tests are called {node.name}"
                found[node.name] = ast.get_docstring(node) or ""
    return found


TABLE = rows("What happened, and what keeps it from happening here", 5)
TESTS = written()
NAMED = {test: row for row in TABLE for test in re.findall(r"`(test_\w+)`", row[4])}


def test_every_row_has_tests_and_every_test_a_row() -> None:
    """Nothing is promised that is not tested, and no test is without its incident."""
    assert set(TESTS) == set(NAMED)
    assert all(re.search(r"`test_\w+`", row[4]) for row in TABLE)
    assert len(TABLE) >= LEAST


@pytest.mark.parametrize("test", TESTS)
def test_a_test_names_its_source(test: str) -> None:
    """The docstring says whose incident it was, and its row says the same."""
    said, told = set(sources(TESTS[test])), set(sources(NAMED[test][0]))
    assert said
    assert said <= told


def test_every_source_is_told_by_a_test() -> None:
    """A number that stands in a row stands in a docstring of its tests, and nowhere twice."""
    for row in TABLE:
        tests = re.findall(r"`(test_\w+)`", row[4])
        said = {source for test in tests for source in sources(TESTS[test])}
        assert set(sources(row[0])) == said, row[0]
    everything = [source for row in (*TABLE, *rows("What does not apply", 3)) for source in sources(row[0])]
    assert len(everything) == len(set(everything))


def test_every_law_is_one_of_the_twelve() -> None:
    """The numbers are those of the list above the table."""
    laws = re.findall(r"^(\d+)\. ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [str(number) for number in range(FIRST, LAST + 1)] == laws
    assert {law for row in TABLE for law in row[2].split(", ")} <= set(laws)


def sources(text: str) -> list[str]:
    """Projects and numbers; "TAGR #1, #2" names two."""
    found: list[str] = []
    project = ""
    for name, pull, number in re.findall(r"(gitlab(?=#)|[A-Za-z]+(?:[/-][\w/-]+)?)?( PR)? ?(#\d+)", text):
        project = name if name and name != "PR" else project
        found.append(f"{project}{' PR' if pull or name == 'PR' else ''} {number}")
    return found
