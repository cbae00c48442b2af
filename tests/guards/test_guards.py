"""Each law's guard is removed in turn, and the test that is named for it must notice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.append(str(SCRIPTS))

from guards_table import GUARDS, Guard  # noqa: E402 - the folder has to be known first

if TYPE_CHECKING:
    from collections.abc import Mapping

LAWS = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12}
# One worker runs all of them: they share one start of everything that is loaded only once.
pytestmark = [pytest.mark.xdist_group("guards"), pytest.mark.slow]


@pytest.fixture(scope="session")
def verdicts() -> Mapping[str, Any]:
    """What the script says about every guard, by what the guard does."""
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "remove_guards.py"), "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    found = {verdict["what"]: verdict for verdict in map(json.loads, done.stdout.splitlines())}
    assert "nothing removed" not in found, found["nothing removed"]["output"]
    assert found, done.stderr
    assert done.returncode == (1 if any(verdict["problem"] for verdict in found.values()) else 0), done.stderr
    return found


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: f"{guard.law}: {guard.what}")
def test_a_test_fails_without_the_guard(guard: Guard, verdicts: Mapping[str, Any]) -> None:
    """The passage is in the code, and without it the named test fails."""
    verdict = verdicts[guard.what]
    assert not verdict["problem"], f"{verdict['problem']}\n{verdict['output']}"


def test_every_law_has_a_guard() -> None:
    """A law without a guard that can be removed is only a wish."""
    assert {guard.law for guard in GUARDS} == LAWS
    assert len({guard.what for guard in GUARDS}) == len(GUARDS)
