"""The outside as the baker sees it: builders and images at AWS, a shell on a builder. As binding as runnerkit.ports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from runnerkit.baking.recipe import Base
    from runnerkit.model import State
    from runnerkit.names import Secret
    from runnerkit.ports import Clock, Events, Image, RunnerPackage


@dataclass(frozen=True, slots=True)
class BuilderOrder:
    """A builder to launch. ``tags`` are complete; ``ssh_from`` is the one network (CIDR) that may reach its port 22."""

    name: str
    region: str
    image: Image
    types: tuple[str, ...]
    disk: int
    spot: bool
    ssh_from: str
    ssh_port: int
    user_data: bytes = field(repr=False)
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Builder:
    """An instance that builds an image; ``price`` is dollars an hour where known.

    ``kept_until`` is set while it waits for somebody to resume a bake that stopped at a failed step.
    """

    id: str
    name: str
    recipe: str
    region: str
    type: str
    state: State
    launched_at: datetime
    expires_at: datetime | None = None
    kept_until: datetime | None = None
    public_address: str = ""
    private_address: str = ""
    price: float | None = None
    spot: bool = False
    state_reason: str = ""

    @property
    def is_live(self) -> bool:
        """Whether it still costs money."""
        return self.state not in {"shutting-down", "terminated"}


@dataclass(frozen=True, slots=True)
class BakedImage:
    """An image of ours. ``state`` is pending, available or failed; ``gigabytes`` is the size of its disks."""

    id: str
    name: str
    region: str
    recipe: str
    state: str
    created_at: datetime
    arch: str = "x64"
    digest: str = ""
    content: str = ""
    runner_version: str = ""
    base: str = ""
    base_source: str = ""
    gigabytes: int = 0
    snapshots: tuple[str, ...] = ()
    state_reason: str = ""


class Builders(Protocol):
    """Where builders run. Every method may raise the CloudError family."""

    def regions(self) -> Sequence[str]:
        """The configured regions, the first of which is where images are baked unless somebody says otherwise."""

    def base(self, source: Base, region: str, arch: str) -> Image:
        """The image that a base means just now.

        Raises:
            ImageMissing: There is none.
        """

    def own_network(self) -> str:
        """This machine's public address as AWS sees it, as a network of one address (CIDR).

        Raises:
            ConfigError: It cannot be found out; the hint names the option that tells it.
        """

    def price(self, type_name: str, region: str) -> float | None:
        """Dollars an hour of an instance type on demand, where known; asks nobody."""

    def launch(self, order: BuilderOrder) -> Builder:
        """Start a builder with a security group of its own. Whatever it made is gone again when it fails."""

    def live(self, recipe: str, region: str) -> Sequence[Builder]:
        """The builders of a recipe that are not over."""

    def look(self, region: str, instance_id: str) -> Builder | None:
        """One builder; None when EC2 does not know it (yet)."""

    def console(self, region: str, instance_id: str) -> str:
        """Its serial console so far."""

    def keep(self, builder: Builder, until: datetime | None) -> None:
        """Note that it waits to be resumed, or that it no longer does."""

    def stop(self, builder: Builder) -> None:
        """Begin to stop it, disks kept, so that its image is whole. A spot builder cannot be stopped: nothing then."""

    def end(self, builder: Builder) -> None:
        """Begin its end; absence is success."""

    def clear(self, region: str, name: str) -> bool:
        """Remove the security group and template of a builder; False while EC2 still uses the group."""


class Images(Protocol):
    """The images that were baked. Every method may raise the CloudError family."""

    def images(self, region: str) -> Sequence[BakedImage]:
        """Every image of ours there, pending ones included, newest first."""

    def create(self, builder: Builder, name: str, tags: Mapping[str, str]) -> str:
        """Begin to make an image of a builder's disks; the tags go on image and snapshots in the same call.

        Raises:
            LaunchRejected: An image of that name exists.
        """

    def image(self, region: str, image_id: str) -> BakedImage | None:
        """One image; None when there is none (yet)."""

    def users(self, region: str) -> Mapping[str, int]:
        """How many live instances run from each image id."""

    def delete(self, image: BakedImage) -> Sequence[str]:
        """Deregister an image and delete its snapshots; absence is success. Returns the snapshots that stayed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command on the builder ended with; ``out`` is everything that it wrote."""

    code: int
    out: bytes = b""


class Shell(Protocol):
    """A connection to a builder as root."""

    def run(self, command: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Outcome:
        """Run a command of sh and wait for it.

        Raises:
            ConnectionLost: Whether it ran, and to which end, is unknown.
        """

    def close(self) -> None:
        """End the connection; what was started on the builder goes on."""


class Connects(Protocol):
    """Makes shells; :func:`runnerkit.ssh.connect` is the one in use."""

    def __call__(self, address: str, port: int, key: Secret, host_keys: Sequence[tuple[str, str]]) -> Shell:
        """Connect once.

        Args:
            address: Host name or address.
            port: TCP port.
            key: The private key, OpenSSH's format.
            host_keys: Type and base64 of each key that the machine printed on its console.

        Raises:
            HostKeyMismatch: Somebody else answers.
            ConnectionLost: Nobody answers, or not yet.
        """


@dataclass(frozen=True, slots=True)
class KeptKey:
    """What is needed to go on with a builder that was kept: the key to log in, and the keys it must show."""

    key: Secret
    host_keys: tuple[tuple[str, str], ...]


class Keys(Protocol):
    """Where the keys of kept builders are. Nothing else is ever written there."""

    def new(self) -> tuple[Secret, str]:
        """A new key: the private half, and the public half as one line."""

    def save(self, builder_id: str, kept: KeptKey) -> None:
        """Keep a key for this user alone."""

    def take(self, builder_id: str) -> KeptKey | None:
        """A kept key, which is gone from there; None when there is none, or another process took it."""

    def drop(self, builder_id: str) -> None:
        """Forget it; absence is success."""


@dataclass(frozen=True, slots=True)
class Bakery:
    """What the baker works with."""

    builders: Builders
    images: Images
    connects: Connects
    keys: Keys
    clock: Clock
    events: Events
    offered: Callable[[], Sequence[RunnerPackage]]
