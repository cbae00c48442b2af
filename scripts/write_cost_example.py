"""Write the transcript of ``docs/cost.md``: a day's morning of the simulator, as ``runnerkit cost`` shows its journal.

The world is made up and the same each time; the notes are those of the real controller.
"""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from datetime import UTC, date, datetime
from pathlib import Path

from runnerkit.cli.cost import show
from runnerkit.spending import By, Sources, bill
from runnerkit.spending.stays import KINDS
from runnerkit.testing.simulation import Simulation, named

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cost.md"
BEGIN, END = "$ runnerkit cost --by spec --since 2026-01-01\n", "```"
FIRST, TABLE_OF = datetime(2026, 1, 1, tzinfo=UTC), date(2025, 12, 1)
MORNING = 0.4


def transcript() -> str:
    """What the command prints."""
    scenario = named("calm")
    policy = scenario.policy.model_copy(update={"dollars_per_day": 25.0})
    machines = scenario.machines.model_copy(update={"interruptions": 0.2})
    play = Simulation(scenario.model_copy(update={"days": MORNING, "policy": policy, "machines": machines}))
    play.play()
    now = play.world.clock.now()
    notes = play.journals[0].notes(FIRST, KINDS)
    found = bill(Sources(notes, play.world.cloud.instances(), now, TABLE_OF), policy, FIRST, now, by=By.SPEC)
    printed = io.StringIO()
    with redirect_stdout(printed):
        show(found)
    return "\n".join(line.rstrip() for line in printed.getvalue().splitlines()) + "\n"


def page(text: str) -> str:
    """The page with the transcript as it is now."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}{transcript()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print("docs/cost.md")
