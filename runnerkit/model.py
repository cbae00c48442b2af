"""The words of runnerkit for what is observed: offerings, instances, runners, jobs.

What the world tells is a frozen dataclass; what a person writes is a pydantic model in :mod:`runnerkit.wishes`.
Times are aware UTC datetimes, durations are seconds, memory is GiB, disks are GB, prices are US dollars an hour.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from runnerkit.names import Birth, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from runnerkit.history import Interruption


class Market(StrEnum):
    """How an instance is bought."""

    SPOT = "spot"
    ON_DEMAND = "on-demand"


# --- what the hardware market offers ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gpu:
    """The GPUs of an instance type; ``memory`` is GiB for each."""

    model: str
    count: int
    memory: float


@dataclass(frozen=True, slots=True)
class InstanceType:
    """What an EC2 instance type is; ``ram`` in GiB, ``on_demand`` in dollars an hour where known."""

    name: str
    arch: str
    cpu: int
    ram: float
    gpu: Gpu | None = None

    @property
    def family(self) -> str:
        """``g5`` of ``g5.xlarge``."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Offering:
    """An instance type in a zone at a market: one pool of capacity. ``price`` is None when nobody could tell it."""

    type: InstanceType
    region: str
    zone: str
    market: Market
    price: float | None = None

    def __str__(self) -> str:
        return f"{self.type.name} in {self.zone} ({self.market})"


class Breadth(StrEnum):
    """How much of the market one refusal speaks for."""

    POOL = "pool"  # this type in this zone at this market
    TYPE_IN_ZONE = "type-in-zone"  # at either market: the zone does not offer it
    ZONE = "zone"  # every type there: the subnet is full
    QUOTA = "quota"  # every type of the same quota class in the region, at this market
    MARKET = "market"  # the whole market in the region
    REGION = "region"  # everything in the region


@dataclass(frozen=True, slots=True)
class Refusal:
    """AWS said no to an offering, and with which code."""

    code: str
    breadth: Breadth
    type: str
    region: str
    zone: str
    market: Market
    at: datetime
    message: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The refusal as programs get it."""
        return {
            "type": self.type,
            "zone": self.zone,
            "market": str(self.market),
            "code": self.code,
            "message": self.message,
            "at": self.at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Attempt:
    """One launch call: one market of one region, and every offering it may choose from."""

    market: Market
    region: str
    offerings: tuple[Offering, ...]


# --- what is observed -------------------------------------------------------------------------------------------------


# Source: EC2's state reasons: Server.SpotInstanceTermination, formerly Server.SpotInstanceShutdown.
SPOT_TAKEN_BACK = "Server.SpotInstance"


class State(StrEnum):
    """EC2's word for where an instance is."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"


ENDING = (State.SHUTTING_DOWN, State.TERMINATED)


@dataclass(frozen=True, slots=True)
class Instance:
    """An EC2 instance that carries our owner tag.

    ``runner_id`` ties it to one registration: a name alone may be registered again. The leases (``online_by``,
    ``idle_until``, ``expires_at``) were fixed at launch and travel in its tags, so any controller can hold it to them.
    ``batch`` is the burst that started it, ``hand_over_by`` until when it must have got its name then.
    """

    id: str
    name: str
    repo: str
    region: str
    zone: str
    type: str
    market: Market
    state: State
    launched_at: datetime
    digest: str = ""
    runner_id: int | None = None
    run_id: int | None = None
    job_id: int | None = None
    state_reason: str = ""
    online_by: datetime | None = None
    idle_until: datetime | None = None
    expires_at: datetime | None = None
    gone_since: datetime | None = None
    lost_since: datetime | None = None
    price: float | None = None
    spec: str = ""
    wish: str = ""
    ended_at: datetime | None = None
    batch: str = ""
    hand_over_by: datetime | None = None

    @property
    def unnamed(self) -> bool:
        """Whether it was started by a burst and is no runner's machine yet: its name comes after its launch."""
        return bool(self.batch) and not self.name

    @property
    def live(self) -> bool:
        """Whether it can still run something (or be billed)."""
        return self.state not in ENDING

    @property
    def taken_back(self) -> bool:
        """Whether AWS itself ended it because the spot capacity was needed elsewhere."""
        return not self.live and self.state_reason.startswith(SPOT_TAKEN_BACK)


@dataclass(frozen=True, slots=True)
class Runner:
    """GitHub's record of a runner. ``connected`` is whether it was ever online (GitHub knows its version then).

    ``place`` is the level it is registered at, whose jobs it can take: a repository, or an organisation's group.
    """

    id: int
    name: str
    repo: str
    online: bool
    busy: bool
    labels: tuple[str, ...] = ()
    connected: bool = False
    place: str = ""

    @property
    def birth(self) -> Birth | None:
        """When it was registered and for whom; None when it is not one of ours."""
        return Birth.find(self.labels)


@dataclass(frozen=True, slots=True)
class Job:
    """One job of a workflow run, as GitHub tells it; ``private`` and ``fork`` are None when unknown."""

    id: int
    run_id: int
    run_attempt: int
    repo: str
    name: str
    status: str
    labels: tuple[str, ...]
    created_at: datetime
    conclusion: str | None = None
    runner_name: str | None = None
    event: str = ""
    head_sha: str = ""
    private: bool | None = None
    fork: bool | None = None
    url: str = ""
    started_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A launch for a label set that came to nothing; the breaker counts them."""

    at: datetime
    digest: str
    code: str
    runner: str = ""


@dataclass(frozen=True, slots=True)
class LaunchNote:
    """A machine that was started, or may have been: under which name, for which repository, when."""

    name: str
    repo: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Observed:
    """The world as one pass sees it.

    ``repos`` are the repositories (lower case) whose runners were listed: nothing is concluded about others' machines.
    ``launches`` are those of the last day: EC2 may not show the newest yet, and has forgotten the oldest.
    ``spent`` are the dollars of this day (UTC) by repository, in lower case.
    """

    at: datetime
    repos: frozenset[str]
    instances: tuple[Instance, ...] = ()
    runners: tuple[Runner, ...] = ()
    failures: tuple[Failure, ...] = ()
    launches: tuple[LaunchNote, ...] = ()
    interruptions: tuple[Interruption, ...] = ()
    spent: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Registration:
    """A fresh runner record and the secret that lets one machine be it."""

    runner: Runner
    jit_config: Secret = field(repr=False)


@dataclass(frozen=True, slots=True)
class Release:
    """A release of GitHub's runner application, and when it came out (aware UTC; None when nobody tells)."""

    version: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on an issue or pull request."""

    id: int
    body: str
    author: str
    url: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something a launch or a bake made that outlived it.

    ``kind`` is volume, launch-template, parameter, builder or security-group.
    """

    kind: str
    id: str
    region: str
    name: str
    created_at: datetime
