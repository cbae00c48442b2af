"""Actions that runnerkit asked for, kept in files for whoever compares them with its policies.

Where ``RUNNERKIT_SANDBOX_RECORD_ACTIONS`` names a folder, each process with a sandbox writes a file there: a line for
each action when it is first asked for, so that nothing is lost however the process ends.
"""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2.calls import Call

VARIABLE = "RUNNERKIT_SANDBOX_RECORD_ACTIONS"
_noted: set[str] = set()
_lock = Lock()


def note(call: Call) -> None:
    """Write down what a client of runnerkit's asked for."""
    folder = os.environ.get(VARIABLE, "")
    if not folder or not call.permission or not call.is_ours or call.permission in _noted:
        return
    with _lock:
        _noted.add(call.permission)
        with Path(folder, f"actions-{os.getpid()}").open("a", encoding="utf-8") as file:
            file.write(f"{call.permission}\n")


def noted(folder: Path) -> frozenset[str]:
    """What all processes wrote down."""
    return frozenset(line for file in folder.glob("actions-*") for line in file.read_text("utf-8").split())
