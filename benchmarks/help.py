"""How soon `--help` answers, as a whole process.

Help is what people ask for most, and completion in shells waits for it. The smallest of several runs counts, because a
busy machine can only make a process slower; an empty Python process stands beside it.
"""

from __future__ import annotations

import sys

from figures import Figure, Spread
from processes import runnerkit, took

ROUNDS = 15
LIMIT = 0.3


def measure() -> list[Figure]:
    """Ask for help several times, the commands in turn."""
    commands = {
        "runnerkit --help": runnerkit("--help"),
        "runnerkit launch --help": runnerkit("launch", "--help"),
        "an empty Python process": [sys.executable, "-c", ""],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            seconds[name].append(took(command).seconds)
    spreads = {name: Spread.of(values) for name, values in seconds.items()}
    return [
        Figure(name, spread.least, "s", LIMIT if "runnerkit" in name else None, spread=spread)
        for name, spread in spreads.items()
    ]
