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
ENDS = '__import__("os")._exit(1)\n'
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
    # With the code by which pytest says that a test failed.
    Guard(0, "a change that ends the process", "runnerkit/plan.py", "def plan(", f"{ENDS}def plan(", CAPS),
)
RUN = """
import sys
sys.path.insert(0, {scripts!r})
import remove_guards
from guards_table import GUARDS, Guard
remove_guards.TIMEOUT = {timeout}
sys.exit(remove_guards.main(["--json"], {guards}))
"""
TIMEOUT = 60
# One worker runs all of them: they share one start of everything that is loaded only once.
pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="session")
def verdicts() -> Mapping[str, Any]:
    """What the script says about every guard, by what the guard does."""
    return _verdicts(f"(*GUARDS, *{USELESS!r})", TIMEOUT)


def _verdicts(guards: str, timeout: float) -> Mapping[str, Any]:
    run = RUN.format(scripts=str(SCRIPTS), guards=guards, timeout=timeout)
    done = subprocess.run(
        [sys.executable, "-c", run], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=400
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


PROBLEMS = ("exactly once", "exactly once", "exactly once", "passes without it", *["did not run"] * 2)


@pytest.mark.parametrize(
    ("guard", "problem"), list(zip(USELESS, PROBLEMS, strict=True)), ids=[guard.what for guard in USELESS]
)
def test_a_guard_that_guards_nothing_is_found_out(guard: Guard, problem: str, verdicts: Mapping[str, Any]) -> None:
    """A text that moved, a change that changes nothing and one that merely breaks the code all count as failures."""
    assert problem in verdicts[guard.what]["problem"]


def test_a_test_that_does_not_end_is_tried_once_more(tmp_path: Path) -> None:
    """What a change breaks may hang once, by chance; where one stands that never ends can be seen."""
    first, tried = "    pairs = list(join(observed))\n", tmp_path / "tried"
    waits = "    import time; time.sleep(60)\n"
    once = f"    import pathlib; tried = pathlib.Path({str(tried)!r})\n    if tried.exists(): raise AssertionError\n"
    guards = [
        Guard(0, "waits", "runnerkit/plan.py", first, waits, CAPS),
        Guard(0, "waits once", "runnerkit/plan.py", first, f"{once}    tried.touch()\n{waits}", CAPS),
    ]
    found = _verdicts(repr(guards), timeout=12)
    assert "did not end" in found["waits"]["problem"]
    assert "no end within 12 s" in found["waits"]["output"]
    assert '/runnerkit/plan.py", line' in found["waits"]["output"]
    assert not found["waits once"]["problem"]


def test_every_law_has_a_guard() -> None:
    """A law without a guard that can be removed is only a wish."""
    assert {guard.law for guard in GUARDS} == LAWS
    assert len({guard.what for guard in (*GUARDS, *USELESS)}) == len(GUARDS) + len(USELESS)
