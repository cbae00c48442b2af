from __future__ import annotations

import re

import pytest

from runnerkit.sandbox.standin.program.lines import MOST_OF_A_LEVEL, Lines, Masks


def shown(*parts: str, masks: Masks | None = None) -> list[str]:
    """The log without its times; the last part ends it."""
    lines = Lines(masks or Masks([]))
    text = "".join(lines.feed(part) for part in parts) + lines.feed("", last=True)
    return [line.partition(" ")[2] for line in text.splitlines()]


def test_a_line_has_githubs_time() -> None:
    """Seven digits of the second and a Z, as in the raw logs."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z hello\n", Lines(Masks([])).feed("hello\n"))


def test_lines_may_come_in_pieces() -> None:
    """What is read half is not shown half; a last line without an end is shown."""
    assert shown("one\ntw", "o\nth", "ree") == ["one", "two", "three"]
    assert shown("one\r\n\n") == ["one", ""]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("::group::Run it", "##[group]Run it"),
        ("::endgroup::", "##[endgroup]"),
        ("::debug::seen", "##[debug]seen"),
        ("::error file=a.py,line=1,title=x::b::c", "##[error]b::c"),
        ("##[warning]hm", "##[warning]hm"),
        ("::notice title=A%3A B::100%25", "##[notice]100%"),
        ("std::vector::push", "std::vector::push"),
        ("a ::error::b", "a ::error::b"),
        ("::unknown::x", "::unknown::x"),
    ],
)
def test_commands_are_shown_as_github_shows_them(line: str, expected: str) -> None:
    """Commands become marks, everything else stays as it is."""
    assert shown(f"{line}\n") == [expected]


@pytest.mark.parametrize("line", ["::set-output name=a::b", "::save-state name=a::b", "::add-mask::sesame"])
def test_some_commands_are_not_shown(line: str) -> None:
    """They have their effect elsewhere."""
    assert shown(f"{line}\n") == []


def test_masks_hide_the_longest_first_and_every_line() -> None:
    """A secret inside another leaves nothing of it; secrets of several lines are hidden line by line."""
    masks = Masks(["abc", "abcdef", "one\ntwo", ""])
    assert shown("abcdef abc\nis one\n::add-mask::late\nlate two\n", masks=masks) == ["*** ***", "is ***", "*** ***"]


def test_a_step_has_ten_annotations_of_a_level() -> None:
    """More are in the log only, as at GitHub; another level has its own ten."""
    lines = Lines(Masks(["sesame"]))
    lines.feed("".join(f"::error::sesame {number}\n" for number in range(12)) + "::warning::w\n")
    assert lines.annotations == [*(f"*** {number}" for number in range(MOST_OF_A_LEVEL)), "w"]
