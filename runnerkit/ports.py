"""The outside as runnerkit sees it: one Protocol per system, each with the contract its adapters and fakes must keep.

The contracts are executable: ``runnerkit.testing`` holds one suite per port, run over the fakes and the real adapters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from runnerkit.errors import RunnerkitError
    from runnerkit.events import Event
    from runnerkit.history import Note, Run
    from runnerkit.model import (
        Attempt,
        Comment,
        Failure,
        Instance,
        Job,
        LaunchNote,
        Leftover,
        Market,
        Offering,
        Refusal,
        Registration,
        Release,
        Runner,
    )
    from runnerkit.names import Secret
    from runnerkit.wishes import Disk, RunnerSpec


@dataclass(frozen=True, slots=True)
class Image:
    """A machine image. ``baked`` means that runner and agent are already in it, so it boots fast.

    ``root_device`` and ``root_gb`` describe its root disk; ``arch`` is x64 or arm64.
    """

    id: str
    name: str
    region: str
    arch: str
    baked: bool
    root_device: str
    root_gb: int
    created_at: datetime | None = None
    runner_version: str = ""


@dataclass(frozen=True, slots=True)
class LaunchOrder:
    """Everything one launch needs besides the offerings: what boots, under which name, with which leases as tags.

    ``tags`` are complete (owner, runner, leases ...) and travel in the launch call itself. ``images`` has one entry for
    each region and architecture that the attempts name, under the key ``(region, arch)``.
    """

    name: str
    user_data: bytes = field(repr=False)
    tags: Mapping[str, str]
    images: Mapping[tuple[str, str], Image]
    disk: Disk | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class Launched:
    """An instance that AWS promised, and the refusals met on the way to it."""

    instance_id: str
    type: str
    region: str
    zone: str
    market: Market
    price: float | None
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """What equal machines of one burst share. ``user_data`` holds neither a name nor a secret.

    ``tags`` travel in the launch call: owner, batch, repository, label digest and leases, but no runner. ``name`` is
    the value of the batch tag. ``images`` are as in :class:`LaunchOrder`. The role of ``profile`` must let the machine
    read its own parameter; ``profile_for_job`` tells that the job may use that role, too.
    """

    name: str
    user_data: bytes = field(repr=False)
    tags: Mapping[str, str]
    images: Mapping[tuple[str, str], Image]
    profile: str
    profile_for_job: bool = False
    disk: Disk | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """The machines of one burst that AWS promised, and the refusals met on the way.

    ``error`` is what ended the burst before all of them were there: no capacity, or something worse.
    """

    launched: tuple[Launched, ...]
    refusals: tuple[Refusal, ...] = ()
    error: RunnerkitError | None = None


class Cloud(Protocol):
    """EC2, or what stands for it. Every method may raise the CloudError family.

    Listings may lag behind: an instance can be missing for some seconds after its launch.
    """

    def instances(self) -> Sequence[Instance]:
        """Every instance with our owner tag in the configured regions, dead ones included as long as EC2 shows them."""

    def find(self, name: str) -> Sequence[Instance]:
        """The instances of ours that carry this runner name; empty when there is none (yet)."""

    def offerings(self, spec: RunnerSpec) -> Sequence[Offering]:
        """What could serve the wish, priced where possible, both markets, in the wish's regions (or the default one).

        May return more than what matches; :mod:`runnerkit.offerings` decides.
        """

    def image(self, spec: RunnerSpec, region: str, arch: str) -> Image:
        """The image to boot there.

        Raises:
            ImageMissing: Nothing fits; the message says what was looked for.
        """

    def prepare(self, region: str) -> None:
        """Get ready to launch there. Called beside something else that takes time; may do nothing, asks nobody."""

    def launch(self, order: LaunchOrder, attempts: Sequence[Attempt]) -> Launched:
        """Start one instance, trying the attempts in order until one is accepted.

        Only a refusal for capacity or quota leads on to the next attempt. Nothing is left behind on failure.

        Raises:
            NoCapacity: Every attempt was refused; carries all refusals.
            LaunchRejected: The launch itself is wrong.
            CloudUnavailable: Whether an instance was started is unknown; its tags tell later.
        """

    def launch_batch(self, order: BatchOrder, attempts: Sequence[Attempt], count: int) -> Batch:
        """Start up to ``count`` equal machines: one call for each attempt, each for as many as are still missing.

        The machines bear no runner's name yet: :meth:`hand_over` gives it to each.

        Raises:
            NoCapacity: Every attempt was refused and nothing was started; carries all refusals.
            LaunchRejected: The launch itself is wrong, and nothing was started.
            CloudUnavailable: Whether machines were started is unknown; the batch tag tells later.
        """

    def hand_over(self, region: str, instance_id: str, tags: Mapping[str, str], secret: Secret) -> None:
        """Make a machine of a burst the runner that ``tags`` name, then put its document where only it can read it.

        Tags first: a machine without a runner's tag is terminated after a while, and one that has read its document
        may have begun to work.

        Raises:
            LaunchRejected: The document is larger than AWS takes; it was not handed over.
            CloudUnavailable: Whether it was handed over is unknown.
        """

    def tag(self, region: str, instance_id: str, tags: Mapping[str, str | None]) -> None:
        """Set tags, or take them away where the value is None. A vanished instance is not an error."""

    def terminate(self, region: str, instance_ids: Iterable[str]) -> None:
        """Start the end of these instances. What is gone counts as done, and one bad id does not save the others."""

    def console(self, region: str, instance_id: str) -> str:
        """The serial console's output so far."""

    def leftovers(self) -> Sequence[Leftover]:
        """What launches of ours left behind: unattached volumes, launch templates, parameters."""

    def remove(self, leftover: Leftover) -> None:
        """Remove it; absence means success."""


@dataclass(frozen=True, slots=True)
class RunnerPackage:
    """One download of GitHub's runner application; ``arch`` is x64 or arm64, ``os`` linux for ours."""

    os: str
    arch: str
    url: str
    sha256: str


class Forge(Protocol):
    """GitHub, or what stands for it. Every method may raise the ForgeError family; every reading may be stale."""

    def place(self, repo: str) -> str:
        """The level at which runners for the repository are registered, named without asking GitHub."""

    def downloads(self, repo: str) -> Sequence[RunnerPackage]:
        """The runner applications that GitHub offers just now."""

    def releases(self, repo: str) -> Sequence[Release]:
        """The last releases of the runner application; what was read is remembered for hours, also that it failed.

        Where dates cannot be read it is the newest release alone, without one. Empty where GitHub does not care how
        old a runner is.
        """

    def runners(self, repo: str) -> Sequence[Runner]:
        """Every runner of the level that serves the repository (its own, or its organisation's group)."""

    def runner(self, repo: str, runner_id: int) -> Runner | None:
        """One runner by id; None when GitHub says there is none."""

    def runner_named(self, repo: str, name: str) -> Runner | None:
        """One runner by name; None when there is none."""

    def register(self, repo: str, name: str, labels: Sequence[str]) -> Registration:
        """Register a just-in-time runner with exactly these labels. Never repeated behind the caller's back.

        Raises:
            NameTaken: The name is registered.
            ForgeUnavailable: Whether it happened is unknown; :meth:`runner_named` tells.
        """

    def deregister(self, repo: str, runner_id: int) -> bool:
        """Delete a runner record: True when GitHub deleted it, False when it knows none.

        Raises:
            RunnerBusy: GitHub thinks that a job is running there.
        """

    def queued(self, repo: str) -> Sequence[Job]:
        """Every job of the repository that waits for a runner."""

    def active(self, repo: str) -> Sequence[Job]:
        """Every job, in whatever state, of the repository's runs that are not over; oldest first."""

    def run(self, repo: str, run_id: int) -> Run | None:
        """A run at its latest attempt, read fresh; None when there is none."""

    def jobs(self, repo: str, run_id: int) -> Sequence[Job]:
        """The jobs of a run's latest attempt."""

    def annotations(self, repo: str, job_id: int) -> Sequence[str]:
        """What the job's steps said by workflow commands (warnings and errors); empty when it said nothing."""

    def gates(self, repo: str, job: Job) -> frozenset[str] | None:
        """The environments whose protection let this job through, in lower case; None when that cannot be told."""

    def repositories(self, owner: str) -> Sequence[str]:
        """The repositories of an organisation or a user that we may serve (``owner/name``), no archived ones."""

    def file(self, repo: str, path: str) -> str | None:
        """A text file on the repository's default branch; None when there is none."""

    def job(self, repo: str, job_id: int) -> Job | None:
        """One job by id, read fresh; None when there is none."""

    def rerun_failed(self, repo: str, run_id: int) -> None:
        """Run a completed run's failed jobs again.

        Raises:
            ForgeRejected: GitHub refuses, for example while the run is still going.
        """

    def rerun_job(self, repo: str, job_id: int) -> None:
        """Run one job of a completed run again, and those that depend on it.

        Raises:
            ForgeRejected: As for :meth:`rerun_failed`.
        """

    def cancel(self, repo: str, run_id: int) -> None:
        """Cancel a run; one that is over already is not an error."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook that GitHub sent, or tried to; ``guid`` stays the same when it is sent again."""

    id: int
    hook_id: int
    guid: str
    event: str
    action: str
    at: datetime
    status: int
    again: bool = False


class Hooks(Protocol):
    """The webhooks that point at us. Every method may raise the ForgeError family."""

    def deliveries(self, since: datetime) -> Sequence[Delivery]:
        """What GitHub sent to our address since then, newest first."""

    def redeliver(self, delivery: Delivery) -> None:
        """Ask GitHub to send it once more."""


class Reports(Protocol):
    """Where results and reasons are written for people. Every method may raise the ForgeError family."""

    def comments(self, repo: str, number: int) -> Sequence[Comment]:
        """Every comment on an issue or pull request, oldest first."""

    def comment(self, repo: str, number: int, body: str, *, replace: int | None = None) -> Comment:
        """Write a comment, or replace the text of an existing one by its id."""

    def status(self, repo: str, sha: str, state: str, context: str, description: str = "", url: str = "") -> None:
        """Set a commit status: error, failure, pending or success; descriptions end at 140 characters."""

    def check(self, repo: str, sha: str, name: str, conclusion: str, title: str, summary: str) -> int:
        """Create a completed check run and return its id. Only a GitHub App may do that (ForgeDenied otherwise)."""


class Clock(Protocol):
    """Time, so that tests own it."""

    def now(self) -> datetime:
        """The time, aware UTC."""

    def wait(self, seconds: float) -> bool:
        """Sleep; returns early and True when somebody called :meth:`wake`."""

    def wake(self) -> None:
        """End a :meth:`wait` that is under way, or the next one."""


class Events(Protocol):
    """The only outward voice of the core. Must neither fail nor block."""

    def emit(self, event: Event) -> None:
        """Tell what happened."""


class Journal(Protocol):
    """Append-only memory of what neither AWS nor GitHub keeps.

    Losing it endangers nothing: the breaker starts anew, and what EC2 and GitHub still show bounds the launches.
    """

    def failed(self, failure: Failure) -> None:
        """Note a launch that came to nothing."""

    def failures(self, since: datetime) -> Sequence[Failure]:
        """The failures noted since then."""

    def launched(self, launch: LaunchNote) -> None:
        """Note a machine that was started, or may have been."""

    def launches(self, since: datetime) -> Sequence[LaunchNote]:
        """The launches noted since then."""

    def refused(self, refusal: Refusal) -> None:
        """Note a refusal of AWS."""

    def refusals(self, since: datetime) -> Sequence[Refusal]:
        """The refusals noted since then."""

    def note(self, note: Note) -> None:
        """Note something that happened, for cost, budgets and `why`."""

    def notes(self, since: datetime, kinds: Collection[str] = ()) -> Sequence[Note]:
        """The notes made since then, of these kinds or of all; oldest first."""

    def flush(self) -> None:
        """Write down what was only gathered so far. Called after each pass; may do nothing."""


class Boots(Protocol):
    """Renders what the machine boots from; :mod:`runnerkit.boot` is the one in use."""

    def __call__(self, machine: Machine, jit_config: Secret) -> bytes:
        """User data as sent to EC2.

        Raises:
            LaunchRejected: It would be larger than EC2 takes.
        """


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine must know about itself. Durations are seconds; epochs are absolute.

    ``imds_for_job`` opens the metadata service to the job's user (``profile=``), ``baked`` says that runner and agent
    are in the image already, ``facts`` go to ``/run/runnerkit/machine.json`` for reports. ``prices`` (dollars an hour
    by "TYPE ZONE MARKET") are those of the offerings that the launch may choose from; the machine knows its own.
    """

    name: str
    repo: str
    labels: tuple[str, ...]
    online_within: int
    idle: int
    life: int
    baked: bool
    imds_for_job: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)
    runner_url: str = ""
    runner_sha256: str = ""
    startup: str = ""
