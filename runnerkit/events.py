"""What happened, for people, logs and programs. Events are facts, past tense, and the core's only outward voice."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runnerkit.errors import RunnerkitError
    from runnerkit.model import Refusal


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events. ``name`` is the stable word for programs; the fields are what it is about."""

    @property
    def name(self) -> str:
        """The event's kebab-case name, as in logs and ``--json``."""
        words = "".join(f"-{c.lower()}" if c.isupper() else c for c in type(self).__name__)
        return words.removeprefix("-")

    def as_dict(self) -> dict[str, Any]:
        """Name and fields, ready for JSON."""
        return {"event": self.name} | {f.name: _plain(getattr(self, f.name)) for f in fields(self)}


@dataclass(frozen=True, slots=True)
class OfferingChosen(Event):
    """The cheapest fitting offering is known; the launch may still end up with another."""

    runner: str
    type: str
    zone: str
    market: str
    price: float | None
    candidates: int


@dataclass(frozen=True, slots=True)
class RunnerAging(Event):
    """The runner in an image is getting too old for GitHub, or may be; told once for each image and day."""

    image: str
    version: str
    newest: str
    days_left: float | None
    why: str


@dataclass(frozen=True, slots=True)
class RunnerAgeUnknown(Event):
    """Whether the runner in an image is too old could not be found out; nothing depends on it."""

    image: str
    version: str
    why: str


@dataclass(frozen=True, slots=True)
class BakingAdvised(Event):
    """Machines boot from an image without a runner; an estimate of what a baked one saves each of them, told once."""

    image: str
    recipe: str
    seconds: float
    dollars: float | None


@dataclass(frozen=True, slots=True)
class RunnerRegistered(Event):
    """GitHub accepted a just-in-time registration."""

    runner: str
    repo: str
    runner_id: int


@dataclass(frozen=True, slots=True)
class OfferingRefused(Event):
    """AWS said no to a pool."""

    runner: str
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class InstanceLaunched(Event):
    """AWS promised an instance."""

    runner: str
    instance: str
    type: str
    zone: str
    market: str
    price: float | None
    repo: str = ""
    region: str = ""
    run: int | None = None
    job: int | None = None
    on_demand: float | None = None


@dataclass(frozen=True, slots=True)
class LaunchFailed(Event):
    """A launch came to nothing; its registration was taken back."""

    runner: str
    error: RunnerkitError


@dataclass(frozen=True, slots=True)
class LaunchAdopted(Event):
    """What was asked for exists already, from an earlier try or another controller."""

    runner: str
    instance: str


@dataclass(frozen=True, slots=True)
class LaunchSkipped(Event):
    """A planned launch was not needed any more at the last look."""

    runner: str
    why: str


@dataclass(frozen=True, slots=True)
class RepositorySkipped(Event):
    """GitHub could not be read about a repository, so this pass concludes nothing about it."""

    repo: str
    error: RunnerkitError


@dataclass(frozen=True, slots=True)
class RunnerOnline(Event):
    """The machine's runner is listening; ``seconds`` since the launch."""

    runner: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RunnerDeregistered(Event):
    """A runner record was deleted."""

    runner: str
    reason: str


@dataclass(frozen=True, slots=True)
class InstanceTerminated(Event):
    """The end of an instance was ordered."""

    runner: str
    instance: str
    reason: str


@dataclass(frozen=True, slots=True)
class TerminationSpared(Event):
    """An instance was to be terminated, but a last look forbade it."""

    runner: str
    instance: str
    why: str


@dataclass(frozen=True, slots=True)
class RunRepeated(Event):
    """The failed jobs of a run were asked to run again, because AWS took back the machine of one of them."""

    runner: str
    repo: str
    run: int
    attempt: int


@dataclass(frozen=True, slots=True)
class RepeatRefused(Event):
    """GitHub did not let a run that AWS interrupted be repeated; ``attempt`` is the one that was interrupted."""

    repo: str
    run: int
    attempt: int
    why: str


@dataclass(frozen=True, slots=True)
class JobSeen(Event):
    """A queued job asks for us, seen for the first time; ``labels`` joined by commas."""

    job: int
    run: int
    attempt: int
    repo: str
    title: str
    labels: str
    queued_at: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class JobTaken(Event):
    """A job of ours began on a runner; ``seconds`` it was queued."""

    job: int
    run: int
    repo: str
    runner: str
    seconds: float


@dataclass(frozen=True, slots=True)
class JobOver(Event):
    """A job of ours is over; times are GitHub's, ISO 8601, empty when it does not tell."""

    job: int
    run: int
    repo: str
    runner: str
    conclusion: str
    began_at: str = ""
    ended_at: str = ""


@dataclass(frozen=True, slots=True)
class InstanceEnded(Event):
    """An instance is gone; ``reason`` is EC2's, times are ISO 8601."""

    runner: str
    instance: str
    repo: str
    type: str
    region: str
    zone: str
    market: str
    since: str
    until: str
    reason: str
    run: int | None = None
    job: int | None = None


@dataclass(frozen=True, slots=True)
class InstanceInterrupted(Event):
    """AWS took back a spot instance; ``wish`` stands for what it was launched for."""

    runner: str
    instance: str
    repo: str
    type: str
    zone: str
    wish: str
    run: int | None = None
    job: int | None = None


@dataclass(frozen=True, slots=True)
class SpotPaused(Event):
    """A machine is bought on demand, because spot was taken back too often for the same wish."""

    runner: str
    interruptions: int
    until: str


@dataclass(frozen=True, slots=True)
class RefusalTold(Event):
    """The author can see why a job gets no machine (``how`` is check or status), or that it gets one (withdrawn)."""

    job: int
    repo: str
    how: str


@dataclass(frozen=True, slots=True)
class JobRefused(Event):
    """A job asked for us and gets no machine."""

    job: int
    repo: str
    error: RunnerkitError


@dataclass(frozen=True, slots=True)
class JobWaiting(Event):
    """A job waits, and why."""

    job: int
    repo: str
    why: str


@dataclass(frozen=True, slots=True)
class LeftoverRemoved(Event):
    """Something that outlived its launch was removed."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class ActionFailed(Event):
    """One action of a pass failed; the next pass is the retry."""

    action: str
    runner: str
    error: RunnerkitError


@dataclass(frozen=True, slots=True)
class ServiceStarted(Event):
    """The service listens; ``webhooks`` is on or off, ``pages`` who may see the status page and the metrics."""

    address: str
    webhooks: str
    pages: str


@dataclass(frozen=True, slots=True)
class ServiceStopping(Event):
    """The service was told to end (``why`` is the signal); the pass under way ends what it is doing."""

    why: str


@dataclass(frozen=True, slots=True)
class DeliveryRefused(Event):
    """A webhook was not signed with our secret; told once a minute at most."""

    address: str
    why: str


@dataclass(frozen=True, slots=True)
class DeliveriesRepeated(Event):
    """GitHub was asked to send webhooks again that had not reached us."""

    asked: int


@dataclass(frozen=True, slots=True)
class RedeliveryDenied(Event):
    """GitHub does not let us look at lost webhooks; told once. Polling finds what they would have told."""

    why: str


@dataclass(frozen=True, slots=True)
class JournalFailing(Event):
    """The journal cannot be read or written; entries are kept in memory, and told once until it works again."""

    place: str
    error: RunnerkitError


@dataclass(frozen=True, slots=True)
class MessageDropped(Event):
    """A message of the queue was thrown away: not signed by GitHub, or not to be understood. It is not tried again."""

    message: str
    why: str


@dataclass(frozen=True, slots=True)
class BuilderLaunched(Event):
    """A machine that builds an image was promised, or one that was kept is used again (``resumed``)."""

    recipe: str
    builder: str
    type: str
    zone: str
    price: float | None
    resumed: str


@dataclass(frozen=True, slots=True)
class BakeStageEnded(Event):
    """A stage of a bake is over: boot, a step, a check, clean, stop, image, end. ``outcome`` is ok, kept or failed."""

    recipe: str
    stage: str
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class BakeStageBegan(Event):
    """A stage of a bake has begun."""

    recipe: str
    stage: str


@dataclass(frozen=True, slots=True)
class BakeOutput(Event):
    """What a step printed since the last time."""

    recipe: str
    stage: str
    text: str


@dataclass(frozen=True, slots=True)
class ImageDeleted(Event):
    """An image was deregistered and its snapshots deleted; ``stayed`` names those that are still used elsewhere."""

    image: str
    title: str
    stayed: str


@dataclass(frozen=True, slots=True)
class PassEnded(Event):
    """One pass of the loop is over."""

    queued: int
    machines: int
    actions: int
    failed: int
    seconds: float = field(default=0.0)


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a field holds
    return value.as_dict() if hasattr(value, "as_dict") else value
