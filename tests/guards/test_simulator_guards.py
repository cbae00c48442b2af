"""The simulator notices when a rule of the plan is broken: each is removed in turn, and a scenario must break."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.append(str(SCRIPTS))

from guards_table import Guard  # noqa: E402 - the folder has to be known first

if TYPE_CHECKING:
    from collections.abc import Mapping

PLAN, STARTING = "runnerkit/plan.py", "runnerkit/starting.py"
TEST = "tests/unit/test_simulator.py::test_"
RULES = (
    Guard(5, "who works is not ended", PLAN, "Phase.BUSY: _alive", "Phase.BUSY: _stopped", f"{TEST}a_calm_hour"),
    Guard(
        2, "who never comes is ended", PLAN, "Phase.BOOTING: _booting", "Phase.BOOTING: _nothing", f"{TEST}bad_boots"
    ),
    Guard(4, "runners do not stay", PLAN, "Phase.DANGLING: _dangling", "Phase.DANGLING: _nothing", f"{TEST}bad_boots"),
    Guard(
        2,
        "what is on its way is counted",
        STARTING,
        "self.capacity[pair.digest] += 1",
        "self.capacity[pair.digest] += 0",
        f"{TEST}a_calm_hour",
    ),
    Guard(
        7,
        "tries are counted",
        STARTING,
        "if serial <= policy.max_tries:",
        "if serial <= 1000:",
        f"{TEST}nothing_boots",
    ),
    Guard(
        7,
        "the cap is kept",
        STARTING,
        "if cap.machines is not None and running >= cap.machines:",
        "if False:",
        f"{TEST}a_full_house",
    ),
    Guard(
        10,
        "only interruptions are repeated",
        "runnerkit/recovery.py",
        'hit = [job for job in bad if (job.runner_name or "").lower() in names or job.id in annotated]',
        "hit = list(bad)",
        f"{TEST}failures_are_final",
    ),
)
RUN = """
import sys
sys.path.insert(0, {scripts!r})
from guards_table import Guard
from remove_guards import main
sys.exit(main(["--json"], {rules!r}))
"""
pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="session")
def verdicts() -> Mapping[str, Any]:
    """What the script says about every rule, by what the rule is for."""
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(scripts=str(SCRIPTS), rules=RULES)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    found = {verdict["what"]: verdict for verdict in map(json.loads, done.stdout.splitlines())}
    assert "nothing removed" not in found, found["nothing removed"]["output"]
    assert found, done.stderr
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.what)
def test_the_simulator_notices(rule: Guard, verdicts: Mapping[str, Any]) -> None:
    """The passage is in the code, and without it an invariant breaks in the named scenario."""
    verdict = verdicts[rule.what]
    assert not verdict["problem"], f"{verdict['problem']}\n{verdict['output']}"
