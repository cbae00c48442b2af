"""Run a command as a process of its own, and know what it took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WATCH = Path(__file__).with_name("watch.py")
KEPT_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Took:
    """What a process took: its seconds from start to exit, and the most memory it held, in MB.

    ``began`` and ``ended`` are times of the monotonic clock, which all processes of a machine share.
    """

    began: float
    ended: float
    megabytes: float

    @property
    def seconds(self) -> float:
        """From its start to its exit."""
        return self.ended - self.began


def took(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    folder: Path | None = None,
    limit: float = 120.0,
) -> Took:
    """Run a command to its end.

    Linux counts what the starting process holds into the peak of the one it starts, so a small process stands between.

    Args:
        command: The program and its arguments.
        environment: All of its variables; by default ours without those of clouds and workflows.
        folder: Where it runs.
        limit: Seconds until it is killed.

    Raises:
        RuntimeError: It failed; the message holds what it said.
    """
    with tempfile.TemporaryDirectory(prefix="runnerkit-bench-") as scratch:
        report = Path(scratch) / "report.json"
        done = subprocess.run(
            [sys.executable, "-S", "-E", str(WATCH), str(report), str(limit), *command],
            env=dict(clean_environment() if environment is None else environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=limit + 10,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stdout[-KEPT_TEXT:]}")
        told = json.loads(report.read_text())
    return Took(told["began"], told["ended"], told["kilobytes"] / 1024)


def runnerkit(*words: str) -> list[str]:
    """One of our commands, by the interpreter that we run in."""
    return [sys.executable, "-m", "runnerkit", *words]


def clean_environment() -> dict[str, str]:
    """Our variables without those that point at an account, a workflow or a configuration."""
    prefixes = ("AWS_", "GITHUB_", "GH_", "RUNNERKIT_")
    # Like everybody else's processes, those measured here keep the bytecode that they compiled.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept
