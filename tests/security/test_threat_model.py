"""The threat model names what exists: tests, actors with their attacks, and pages that lead to it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
ACTORS = (
    "fork PR author", "repository writer", "job on the machine", "neighbour in the account", "network attacker",
    "malicious webhook sender", "compromised dependency", "finder of a laptop",
)  # fmt: skip


def rows() -> list[list[str]]:
    table = PAGE.split("## Attack, defence, test")[1].split("## What is left")[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\|.*\|$", table, re.MULTILINE)
    ][2:]


def test_every_attack_has_a_defence_and_a_test_that_exists() -> None:
    """No row is a wish: what is said to prove it is there."""
    assert len(rows()) > 25
    for _who, attack, defence, tests in rows():
        assert attack
        assert defence
        named = re.findall(r"`([\w/]+\.py)`", tests)
        assert named, attack
        assert not [each for each in named if not (ROOT / "tests" / each).is_file()], attack


def test_every_actor_attacks() -> None:
    """Each of those that must be thought of has at least two rows."""
    assert list(ACTORS) == [who for who, *_ in rows() if who]


def test_who_sets_things_up_finds_it() -> None:
    """The page about security and the policy lead there."""
    assert "threat-model.md" in (ROOT / "docs" / "security.md").read_text()
    assert "docs/threat-model.md" in (ROOT / "SECURITY.md").read_text()
