"""What a story tells, and what is known when it is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2 import InstanceView

# EC2 bills by the second, a minute at least. Source: EC2's pricing pages, on-demand and spot.
LEAST_BILLED = 60.0


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened: seconds since the pull request, a stable word for programs, a sentence for people."""

    at: float
    what: str
    text: str


@dataclass(slots=True)
class Machine:
    """What is remembered of an instance after it is gone; times are seconds since the pull request."""

    view: InstanceView
    runner: str
    price: float | None
    launched: float
    ended: float | None = None

    @property
    def cost(self) -> float:
        """Dollars for as long as it lived (so far)."""
        return 0.0 if self.price is None or self.ended is None else billed(self.price, self.ended - self.launched)


@dataclass(slots=True)
class Ending:
    """What became of it all."""

    conclusion: str = ""
    runner: str = ""
    seconds: float = 0.0
    job_seconds: float = 0.0
    attempts: int = 0
    machines: list[Machine] = field(default_factory=list)
    timeline: list[Moment] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    report: str = ""
    left: dict[str, int] = field(default_factory=dict)
    page: str = ""
    trouble: str = ""

    @property
    def ok(self) -> bool:
        """Whether the job succeeded and nothing is left."""
        return self.conclusion == "success" and not any(self.left.values()) and not self.trouble

    @property
    def cost(self) -> float:
        """Dollars for all machines."""
        return sum(machine.cost for machine in self.machines)


def billed(price: float, seconds: float) -> float:
    """What EC2 asks for a machine, in dollars, at a price an hour."""
    return price * max(seconds, LEAST_BILLED) / 3600
