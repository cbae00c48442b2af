"""AWS's announcement that it takes the machine, and how the time that is left is used.

With T the moment at which AWS takes the machine, and the usual two minutes of warning::

    T-120  the agent learns of it (it asks every 5 s) and leaves word here; we look five times a second
           what is finished is pushed at once, while the stage under way goes on
    T-60   SIGINT to the pipeline; earlier when pushes have taken long: the last one must fit in
    T-52   SIGTERM, T-48 SIGKILL, for those that do not listen
    ...    the last push; it is given up at T-35
    T-35   what is left is for the steps after us: the report, the mark of the failure
    T-25   the agent ends GitHub's listener, and with it the job, so that it fails in seconds and can run again

The agent tells when that last line is: it can be set for each machine. It stands still however short the warning is.
When less than 35 s are left until then, the pipeline is interrupted at once and everything before that line shrinks
alike: with 45 s of warning there are 20 s for all of it, so SIGTERM after 4.6 s, SIGKILL after 6.9 s, 5.7 s for the
steps after us. With less than 5 s until then we use what there is until the listener's signal arrives.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

USUAL = 120.0  # what AWS gives between notice and end
LISTENER_BEFORE = 25.0  # the agent then ends the runner, and the job with it, unless it says otherwise
HURRY = 5.0  # with less than this until then the listener ends nearly at once
STOP = 35.0  # from the interrupt to the end of the listener
AFTER = 10.0  # of it for the steps after us
ENDING = 12.0  # and for a pipeline that does not want to end
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
    """The machine goes at ``at``; we learnt of it at ``seen`` (both seconds since the epoch).

    The agent ends the listener so many seconds ``before`` that.
    """

    at: float
    seen: float
    action: str = "terminate"
    before: float = LISTENER_BEFORE

    @classmethod
    def read(cls, environ: Mapping[str, str], now: float) -> Notice | None:
        """The notice, if there is one; one that cannot be understood counts as the usual two minutes from now."""
        file = machine_folder(environ) / "notice.json"
        if not file.exists():
            return None
        said = _read(file) or {}
        at = _number(said.get("at"), now + USUAL)
        before = at - _number(said.get("listener_stops_at"), at - LISTENER_BEFORE)
        return cls(at, min(now, at), str(said.get("action") or "terminate"), max(before, 0.0))

    @property
    def end(self) -> float:
        """When the job ends, whatever we do."""
        left = self.at - self.seen
        return self.at - (self.before if left >= self.before + HURRY else left / 6)

    @property
    def scale(self) -> float:
        """How much of the usual time there is between our hearing of it and the end of the job."""
        return min(1.0, max(self.end - self.seen, 0.0) / STOP)

    def stop_at(self, push: float) -> float:
        """When the pipeline is interrupted, so that a push of so many seconds ends in time for the steps after us."""
        return self.end - max(STOP, ENDING + PUSH_MARGIN * push + AFTER)

    def push_until(self) -> float:
        """When the last push is given up, to leave time for the report."""
        return self.end - AFTER * self.scale


def _read(file: Path) -> dict[str, Any] | None:
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) else None


def _number(value: object, otherwise: float) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else otherwise
