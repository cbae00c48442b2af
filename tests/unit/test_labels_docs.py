"""The reference of the label grammar says what the grammar does: every example in it is executed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runnerkit.errors import LabelError
from runnerkit.labels import format_label, parse, read
from runnerkit.labels.keys import KEYS

PAGE = (Path(__file__).parents[2] / "docs" / "labels.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its first two lines."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def bare(cell: str) -> str:
    """A cell without its backticks."""
    return cell.strip("`")


def test_every_key_is_explained_and_no_other() -> None:
    """The table of keys is complete, in the order of the canonical spelling."""
    assert [bare(row[0]) for row in rows("Keys")] == list(KEYS)


@pytest.mark.parametrize("row", rows("Keys"), ids=lambda row: bare(row[0]))
def test_every_example_of_a_key_is_understood(row: list[str]) -> None:
    """Each example is a valid part of a label and sets that key."""
    examples = re.findall(r"`([^`]+)`", row[2])
    assert examples
    for example in examples:
        canonical = format_label(parse(f"runnerkit=1/{example}"))
        assert canonical.startswith(f"runnerkit=1/{bare(row[0])}=")


@pytest.mark.parametrize("row", rows("Canonical spelling"), ids=lambda row: bare(row[0]))
def test_canonical_spellings_are_as_shown(row: list[str]) -> None:
    """The right column is what is written for the left one."""
    assert format_label(parse(bare(row[0]))) == bare(row[1])


@pytest.mark.parametrize("row", rows("What is refused"), ids=lambda row: bare(row[0]))
def test_refusals_say_what_is_shown(row: list[str]) -> None:
    """Each bad example is refused for the key and with the words shown."""
    with pytest.raises(LabelError) as refused:
        parse(bare(row[0]))
    assert refused.value.key == bare(row[1])
    assert row[2] in f"{refused.value.message}: {refused.value.hint}"


@pytest.mark.parametrize("row", rows("Other labels beside ours"), ids=lambda row: bare(row[0]))
def test_arrays_mean_what_is_shown(row: list[str]) -> None:
    """Allowed arrays read as the label shown; without the permission they are refused."""
    array = [label.strip() for label in bare(row[0]).strip("[]").split(",")]
    assert read(array, arrays=True) == parse(bare(row[1]))
    with pytest.raises(LabelError):
        read(array)
