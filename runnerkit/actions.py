"""What the plan decides: actions, refusals and reasons to wait. Each action is one step that may fail on its own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from runnerkit.breakers import Pause
    from runnerkit.errors import RunnerkitError
    from runnerkit.model import Job
    from runnerkit.names import RunnerName
    from runnerkit.wishes import RunnerSpec


@dataclass(frozen=True, slots=True)
class Launch:
    """Register a runner under this name, then start an instance for it.

    ``spot_paused`` tells that and how long the wish is bought on demand, because AWS took spot back too often.
    """

    name: RunnerName
    repo: str
    labels: tuple[str, ...]
    spec: RunnerSpec
    run_id: int | None = None
    job_id: int | None = None
    spot_paused: Pause | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """Write down on the instance since when something is so; ``since`` None takes the mark away."""

    name: str
    instance_id: str
    region: str
    key: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Deregister:
    """Delete a runner record that has no machine.

    ``confirm`` asks the cloud by name once more first: the machine's absence was only seen in a list. With ``failed``
    it counts as a failed launch for its label set (``digest``).
    """

    name: str
    repo: str
    runner_id: int
    reason: str
    confirm: bool = False
    digest: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Retire:
    """Delete the runner record and, only if GitHub accepts that, terminate its instance: the ordinary road.

    With ``failed`` it counts as a failed launch for its label set (``digest``).
    """

    name: str
    repo: str
    runner_id: int
    instance_id: str
    region: str
    reason: str
    digest: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Terminate:
    """Terminate an instance.

    With ``confirm`` the runner's absence is the reason: GitHub is asked for it once more (by id where it is known), and
    if it is there after all, nothing is terminated. Without, nobody is asked: the maximum lifetime is over. ``unnamed``
    is a machine of a burst that was never handed its name: EC2 is asked once more whether it has one by now.
    """

    name: str
    repo: str
    instance_id: str
    region: str
    reason: str
    confirm: bool = False
    runner_id: int | None = None
    unnamed: bool = False


@dataclass(frozen=True, slots=True)
class Rerun:
    """Run the failed jobs of a completed run again: AWS took back the machine (``name``) of one of them.

    With ``job_id`` only that job and those that need it. ``launches`` come first: their jobs had a machine by
    ``launch``, and nobody else would start another.
    """

    name: str
    repo: str
    run_id: int
    run_attempt: int
    reason: str
    job_id: int | None = None
    launches: tuple[Launch, ...] = ()


Action = Launch | Mark | Deregister | Retire | Terminate | Rerun


@dataclass(frozen=True, slots=True)
class Demand:
    """A queued job whose label was understood and allowed, the wish as resolved, and where runners for it register."""

    job: Job
    spec: RunnerSpec
    place: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A queued job that asks for us but gets nothing, and why."""

    job: Job
    error: RunnerkitError


class Holds(StrEnum):
    """What holds a job back: a machine is coming, a pause after trouble, its tries are spent, a bound of policy."""

    MACHINE = "machine"
    PAUSE = "pause"
    TRIES = "tries"
    BOUND = "bound"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued job for which nothing is launched just now, and why."""

    job: Job
    why: str
    until: datetime | None = None
    holds: Holds = Holds.BOUND


@dataclass(frozen=True, slots=True)
class Plan:
    """All that one pass decided, in the order in which it is carried out."""

    actions: tuple[Action, ...] = ()
    waiting: tuple[Waiting, ...] = ()
