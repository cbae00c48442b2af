"""EC2 as the core sees it, and what is handed to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from runnerkit.errors import RunnerkitError
    from runnerkit.model import Attempt, Instance, Leftover, Market, Offering, Refusal
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
        """Every instance that was launched under our owner tag, dead ones included as long as EC2 shows them.

        What bears that tag alone, as AWS Batch's instances do, is somebody else's to end, and is left out.
        """

    def find(self, name: str) -> Sequence[Instance]:
        """The instances of ours that carry this runner name; empty when there is none (yet)."""

    def offerings(self, spec: RunnerSpec) -> Sequence[Offering]:
        """What could serve the wish, priced where possible, both markets, in the wish's regions (or the default one).

        May return more than what matches; :mod:`runnerkit.offerings` decides.
        """

    def baked(self, spec: RunnerSpec) -> Sequence[Image]:
        """Our own images that suit the wish in its regions, the newest for each region and architecture.

        None where the wish or the configuration names an image: then :meth:`image` alone knows it.
        """

    def image(self, spec: RunnerSpec, region: str, arch: str) -> Image:
        """The image to boot there.

        Raises:
            ImageMissing: Nothing fits; the message says what was looked for.
        """

    def prepare(self, region: str) -> None:
        """Get ready to launch there, for example find the network. Called beside something else that takes time.

        May do nothing; what fails here fails again in the launch.
        """

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
