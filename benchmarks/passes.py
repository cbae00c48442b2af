"""How long a pass takes over many machines, and how long `once` does over none.

The pass is one of the controller's own: it lists, decides, notes and marks, over fakes that answer at once and a
journal on disk that holds a week of an installation this busy. So all of it is our own time. Of the first pass the
journal's reading is a part. The smallest of several counts.

`once` runs as a process of its own against the sandbox, with everything remembered that may be. Beside it stands a
process that imports the same modules and does nothing.
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from figures import Figure, Spread
from processes import took
from world import world

from runnerkit.history import Note
from runnerkit.journals import FileJournal
from runnerkit.names import Birth
from runnerkit.testing import FakeWorld
from runnerkit.wishes import Policy

MACHINES, NOTES, ROUNDS = 1_000, 20_000, 5
REPO = "acme/widgets"
PASS_LIMIT, ONCE_LIMIT = 2.0, 1.5
IMPORTS = "import runnerkit.cli.loop, runnerkit.app, runnerkit.ec2, runnerkit.github, runnerkit.fleet, runnerkit.boot"


def measure() -> list[Figure]:
    """Passes over many machines, then `once`."""
    with tempfile.TemporaryDirectory() as folder:
        first, later = _passes(Path(folder))
    with world() as there:
        once, imports = [], []
        for _ in range(ROUNDS):
            once.append(there.run("once", "--repo", REPO).seconds)
            imports.append(took([sys.executable, "-c", IMPORTS], there.environment).seconds)
    whole, bare = Spread.of(once), Spread.of(imports)
    return [
        Figure(f"a pass over {MACHINES:,} machines", later.least, "s", PASS_LIMIT, spread=later),
        Figure(f"the first pass, with a journal of {NOTES:,} notes", first, "s", PASS_LIMIT),
        Figure("`once` beyond its imports", whole.least - bare.least, "s", ONCE_LIMIT),
        Figure("`once`, the whole process", whole.least, "s", spread=whole),
    ]


def _passes(folder: Path) -> tuple[float, Spread]:
    """The seconds of a controller's first pass, and of those after it."""
    there = _busy_world(folder)
    fleet = there.fleet(workers=1)
    seconds = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        done = fleet.once()
        seconds.append(time.perf_counter() - began)
        there.clock.advance(30)
        assert len(done.observed.instances) == MACHINES, "all machines are seen"
        assert not done.outcomes, "and none of them is touched"
    return seconds[0], Spread.of(seconds[1:])


def _busy_world(folder: Path) -> FakeWorld:
    """Every machine at work on a job of its own, and a journal that knows how the last week was."""
    there = FakeWorld(policy=Policy(max_machines=10 * MACHINES, max_life=86_400))
    there.habits.job = 86_400
    for number in range(MACHINES):
        there.forge.queue(REPO, [f"runnerkit={number % 50}/gpu=t4"])
    for _ in range(20):  # each controller keeps to the pace of registrations
        if len(there.cloud.live()) < MACHINES:
            there.fleet(workers=1).once()
    for _ in range(20):
        there.clock.advance(10)
    journal = FileJournal(folder / "journal.jsonl")
    for number in range(NOTES):
        at = there.clock.now() - timedelta(seconds=7 * 86_400 * (1 - number / NOTES))
        job = 10**6 + number // 3
        facts = {"job": job, "run": number // 3, "repo": REPO, "runner": f"rk-{job}-1", "seconds": 42.0}
        journal.note(Note(at, ("job-seen", "job-taken", "job-over")[number % 3], facts))
    for note in there.journal.notes(Birth(there.clock.now()).at - timedelta(days=1)):
        journal.note(note)
    there.journal = journal  # type: ignore[assignment]  # a journal on disk instead of one in memory
    return there
