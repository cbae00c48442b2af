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

LAWS = set(range(1, 13))
CAPS = "tests/unit/test_plan.py::test_caps"
# What the script itself must not take for a guard that works.
USELESS = (
    Guard(0, "a passage that is not there", "runnerkit/plan.py", "no such passage", "", CAPS),
    Guard(0, "a passage that is there twice", "runnerkit/plan.py", "timedelta(seconds=", "", CAPS),
    Guard(0, "a file that is not there", "runnerkit/nothing.py", "x", "", CAPS),
    Guard(
        0,
        "a change without consequences",
        "runnerkit/starting.py",
        '"""Count one more machine."""',
        '"""Count."""',
        CAPS,
    ),
    Guard(0, "a change that breaks everything", "runnerkit/plan.py", "def plan(", "def plan((", CAPS),
)
RUN = """
import sys
sys.path.insert(0, {scripts!r})
from guards_table import GUARDS, Guard
from remove_guards import main
sys.exit(main(["--json"], (*GUARDS, *{useless!r})))
"""
# One worker runs all of them: they share one start of everything that is loaded only once.
pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="session")
def verdicts() -> Mapping[str, Any]:
    """What the script says about every guard, by what the guard does."""
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(scripts=str(SCRIPTS), useless=USELESS)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    found = {verdict["what"]: verdict for verdict in map(json.loads, done.stdout.splitlines())}
    assert "nothing removed" not in found, found["nothing removed"]["output"]
    assert done.returncode == 1, f"the useless ones are a failure\n{done.stderr}"
    return found


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: f"{guard.law}: {guard.what}")
def test_a_test_fails_without_the_guard(guard: Guard, verdicts: Mapping[str, Any]) -> None:
    """The passage is in the code, and without it the named test fails."""
    verdict = verdicts[guard.what]
    assert not verdict["problem"], f"{verdict['problem']}\n{verdict['output']}"


PROBLEMS = ("exactly once", "exactly once", "exactly once", "passes without it", "did not run")


@pytest.mark.parametrize(
    ("guard", "problem"), list(zip(USELESS, PROBLEMS, strict=True)), ids=[guard.what for guard in USELESS]
)
def test_a_guard_that_guards_nothing_is_found_out(guard: Guard, problem: str, verdicts: Mapping[str, Any]) -> None:
    """A text that moved, a change that changes nothing and one that merely breaks the code all count as failures."""
    assert problem in verdicts[guard.what]["problem"]


def test_every_law_has_a_guard() -> None:
    """A law without a guard that can be removed is only a wish."""
    assert {guard.law for guard in GUARDS} == LAWS
    assert len({guard.what for guard in (*GUARDS, *USELESS)}) == len(GUARDS) + len(USELESS)
