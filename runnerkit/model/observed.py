"""What is seen of machines, runners and jobs, and what one pass sees of the world."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from runnerkit.names import Birth

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from runnerkit.history import Interruption
    from runnerkit.model.market import Market


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
    ``spent`` are the dollars of this day (UTC) by repository, in lower case. ``taken`` says when runners were seen to
    take a job a moment ago, by their names in lower case.
    """

    at: datetime
    repos: frozenset[str]
    instances: tuple[Instance, ...] = ()
    runners: tuple[Runner, ...] = ()
    failures: tuple[Failure, ...] = ()
    launches: tuple[LaunchNote, ...] = ()
    interruptions: tuple[Interruption, ...] = ()
    spent: Mapping[str, float] = field(default_factory=dict)
    taken: Mapping[str, datetime] = field(default_factory=dict)
