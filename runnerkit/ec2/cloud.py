"""The port :class:`runnerkit.ports.Cloud` on EC2."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.ec2.cache import Cache
from runnerkit.ec2.catalogue import Catalogue
from runnerkit.ec2.clients import Clients
from runnerkit.ec2.handing import HandOver
from runnerkit.ec2.images import Images
from runnerkit.ec2.launch import Tools, launch_batch, launch_one
from runnerkit.ec2.leftovers import Leftovers
from runnerkit.ec2.machines import Machines
from runnerkit.ec2.network import Network
from runnerkit.ec2.patience import Settling
from runnerkit.ec2.shared_templates import SharedTemplates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from runnerkit.model import Attempt, Instance, Leftover, Offering, Refusal
    from runnerkit.names import Secret
    from runnerkit.ports import Batch, BatchOrder, Clock, Image, Launched, LaunchOrder
    from runnerkit.settings import AwsSettings
    from runnerkit.wishes import RunnerSpec


class Ec2Cloud:
    """EC2 in the configured regions. Making one calls nobody; it may be used from several threads.

    Args:
        settings: Section ``[aws]``; what it leaves out is taken from AWS's own configuration.
        clock: For ages, deadlines and waiting.
        cache_dir: Where answers about types, prices, network and images are kept between processes; None: nowhere.
        on_refusal: Told about each refused pool as soon as it is known.
        spared: How old leftovers must be before they count as such.
    """

    def __init__(
        self,
        settings: AwsSettings,
        *,
        clock: Clock,
        cache_dir: Path | None,
        on_refusal: Callable[[Refusal], None] | None = None,
        spared: timedelta = timedelta(minutes=10),
    ) -> None:
        clients, cache, settling = Clients(settings), Cache(cache_dir, clock), Settling(clock)
        self._clients = clients
        network = Network(settings, clients, cache)
        self._images = Images(settings, clients, cache)
        self._catalogue = Catalogue(clients, cache, network, clock)
        self._machines = Machines(settings.owner, clients, clock, settling)
        self._leftovers = Leftovers(settings.owner, clients, clock, spared)
        self._hand_over = HandOver(settings, clients, clock)
        self._shared = SharedTemplates(settings, clients, network, clock)
        self._tools = Tools(settings, clients, network, self._images, clock, settling, on_refusal)

    def instances(self) -> Sequence[Instance]:
        """Every instance with our owner tag in the configured regions, dead ones included as long as EC2 shows them."""
        return self._machines.instances()

    def find(self, name: str) -> Sequence[Instance]:
        """The instances of ours that carry this runner name; empty when there is none (yet)."""
        return self._machines.find(name)

    def offerings(self, spec: RunnerSpec) -> Sequence[Offering]:
        """What may serve the wish in its regions, or in every configured one; priced where possible."""
        return self._catalogue.offerings(spec)

    def baked(self, spec: RunnerSpec) -> Sequence[Image]:
        """Our own images for the wish in its regions, or in every configured one; none where an image is named."""
        return self._images.baked(spec)

    def image(self, spec: RunnerSpec, region: str, arch: str) -> Image:
        """The image to boot: the wish's, the configured one, our newest baked one, or a stock Ubuntu.

        Raises:
            ImageMissing: Nothing fits; the message says what was looked for.
        """
        return self._images.image(spec, region, arch)

    def prepare(self, region: str) -> None:
        """Make the client that launches, and find subnets and security groups (our own group is made if need be)."""
        self._clients.ec2_once(region)
        self._tools.network.surroundings(region)

    def launch(self, order: LaunchOrder, attempts: Sequence[Attempt]) -> Launched:
        """Start one instance, trying the attempts in order until one is accepted.

        Raises:
            NoCapacity: Every attempt was refused; carries all refusals.
            LaunchRejected: The launch itself is wrong.
            CloudDenied: The credentials or a permission are missing.
            CloudUnavailable: Whether an instance was started is unknown; its tags tell later.
        """
        return launch_one(order, self._tools, attempts)

    def launch_batch(self, order: BatchOrder, attempts: Sequence[Attempt], count: int) -> Batch:
        """Start up to ``count`` equal machines: one CreateFleet for each attempt, from a shared launch template.

        Raises:
            NoCapacity: Every attempt was refused and nothing was started; carries all refusals.
            LaunchRejected: The launch itself is wrong, and nothing was started.
            CloudDenied: The credentials or a permission are missing.
            CloudUnavailable: Whether machines were started is unknown; the batch tag tells later.
        """
        return launch_batch(order, self._tools, self._shared, attempts, count)

    def hand_over(self, region: str, instance_id: str, tags: Mapping[str, str], secret: Secret) -> None:
        """Tag a machine of a burst as the runner that it becomes, then write its document as a SecureString.

        Raises:
            LaunchRejected: The document is larger than Parameter Store takes.
            CloudDenied: The credentials or a permission are missing.
            CloudUnavailable: Whether it was handed over is unknown.
        """
        self._hand_over.give(region, instance_id, tags, secret)

    def tag(self, region: str, instance_id: str, tags: Mapping[str, str | None]) -> None:
        """Set tags, or take them away where the value is None. A vanished instance is not an error."""
        self._machines.tag(region, instance_id, tags)

    def terminate(self, region: str, instance_ids: Iterable[str]) -> None:
        """Start the end of these instances. What is gone counts as done, and one bad id does not save the others."""
        self._machines.terminate(region, instance_ids)

    def console(self, region: str, instance_id: str) -> str:
        """The serial console's output so far; empty when there is none or no such instance."""
        return self._machines.console(region, instance_id)

    def leftovers(self) -> Sequence[Leftover]:
        """Unattached volumes, launch templates and parameters of ours that are older than a launch takes."""
        return self._leftovers.found()

    def remove(self, leftover: Leftover) -> None:
        """Remove it; absence means success."""
        self._leftovers.remove(leftover)
