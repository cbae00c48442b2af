"""AWS's announcement that it takes the machine, and how the time that is left is used."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

USUAL = 120.0  # what AWS gives between notice and end
STOP_BEFORE = 60.0
LISTENER_BEFORE = 25.0  # the agent then ends the runner, and the job with it
PUSH_MARGIN = 1.25
ANNOTATION = "runnerkit: spot interruption"


def machine_folder(environ: Mapping[str, str]) -> Path:
    """Where the agent leaves word for the job."""
    return Path(environ.get("RUNNERKIT_ROOT") or "/") / "run/runnerkit"


def machine_facts(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the agent knows of this machine; empty on a machine that has none."""
    return _read(machine_folder(environ) / "machine.json") or {}


@dataclass(frozen=True, slots=True)
class Notice:
    """The machine goes at ``at``; it was known at ``seen`` (both seconds since the epoch)."""

    at: float
    seen: float
    action: str = "terminate"

    @classmethod
    def read(cls, environ: Mapping[str, str], now: float) -> Notice | None:
        """The notice, if there is one; one that cannot be understood counts as the usual two minutes from now."""
        file = machine_folder(environ) / "notice.json"
        if not file.exists():
            return None
        said = _read(file) or {}
        at = _number(said.get("at"), now + USUAL)
        return cls(at, min(_number(said.get("seen_at"), now), at), str(said.get("action") or "terminate"))

    def stop_at(self, push: float) -> float:
        """When the pipeline is interrupted, so that a push of so many seconds ends before the listener does.

        That is a minute before the end. Where less than the usual time is given, every part shrinks alike.
        """
        scale = min(1.0, max(self.at - self.seen, 0.0) / USUAL)
        return self.at - max(STOP_BEFORE * scale, LISTENER_BEFORE * scale + PUSH_MARGIN * push)

    def push_until(self) -> float:
        """When the last push must have ended: then the agent ends the runner."""
        return self.at - LISTENER_BEFORE * min(1.0, max(self.at - self.seen, 0.0) / USUAL)


def _read(file: Path) -> dict[str, Any] | None:
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) else None


def _number(value: object, otherwise: float) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else otherwise
