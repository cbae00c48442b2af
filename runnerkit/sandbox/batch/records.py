"""What the sandbox's Batch keeps: under AWS's own names where it is told again, with our own beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.sandbox.batch.containers import Container
    from runnerkit.sandbox.ec2.capacity import Stock
    from runnerkit.sandbox.ec2.model import Params, Tags

OVER = ("SUCCEEDED", "FAILED")
ON_MACHINE = ("STARTING", "RUNNING")


@dataclass(slots=True)
class Compute:
    """A compute environment."""

    name: str
    arn: str
    told: Params
    status: str = "CREATING"
    reason: str = ""
    state: str = "ENABLED"

    @property
    def resources(self) -> Params:
        """Its ``computeResources``."""
        return dict(self.told.get("computeResources", {}))

    @property
    def usable(self) -> bool:
        """Whether jobs may be placed there."""
        return self.status == "VALID" and self.state == "ENABLED"


@dataclass(slots=True)
class Queue:
    """A job queue."""

    name: str
    arn: str
    told: Params
    status: str = "CREATING"
    state: str = "ENABLED"

    @property
    def computes(self) -> list[str]:
        """The ARNs of its compute environments, in order."""
        order = sorted(self.told.get("computeEnvironmentOrder", ()), key=lambda each: int(each["order"]))
        return [str(each["computeEnvironment"]) for each in order]


@dataclass(slots=True)
class Definition:
    """A revision of a job definition."""

    name: str
    revision: int
    arn: str
    told: Params
    status: str = "ACTIVE"


@dataclass(slots=True)
class Job:
    """A job with what it is placed on and what runs in its name."""

    id: str
    name: str
    arn: str
    queue: Queue
    definition: Definition
    container: Params
    retry: Params
    timeout: float | None
    tags: Tags
    number: int
    created: float
    status: str = "SUBMITTED"
    reason: str = ""
    attempts: list[Params] = field(default_factory=list)
    started: float | None = None
    stopped: float | None = None
    compute: Compute | None = None
    stock: Stock | None = None
    instance: str = ""
    instance_type: str = ""
    stream: str = ""
    exit_code: int | None = None
    container_reason: str = ""
    cancelled: bool = False
    terminated: bool = False
    ending: str = ""
    running: Container | None = None
    wake: Callable[[], None] | None = None

    def wants(self, kind: str) -> float:
        """How much of VCPU, MEMORY (MiB) or GPU it asks for."""
        for each in self.container.get("resourceRequirements", ()):
            if each["type"] == kind:
                return float(each["value"])
        old = {"VCPU": "vcpus", "MEMORY": "memory"}.get(kind, "")
        return float(self.container.get(old) or 0)

    @property
    def most_attempts(self) -> int:
        """How often it may be tried."""
        return int(self.retry.get("attempts", 1))
