"""Fakes of the baker's ports: builders and images in memory, and a shell that runs steps without a machine."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

from runnerkit import tags as words
from runnerkit.baking import boot as remote
from runnerkit.baking.errors import BakeError, ConnectionLost, HostKeyMismatch
from runnerkit.baking.ports import BakedImage, Builder, Outcome
from runnerkit.errors import ImageMissing, LaunchRejected
from runnerkit.model import State
from runnerkit.names import Secret
from runnerkit.ports import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from runnerkit.baking.ports import BuilderOrder, KeptKey
    from runnerkit.baking.recipe import Base
    from runnerkit.ports import Clock

HOST_KEY = ("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIIR4avLkPmVu4XSHHRZICFnXLzfI7ZVWZspsrketQHFa")
BOOT_SECONDS = 20
IMAGE_SECONDS = 60
_ADDRESS = "203.0.113.9"


class FakeBuilders:
    """Keeps the Builders contract in memory. ``prints_keys`` False: the console stays silent."""

    def __init__(self, clock: Clock, region: str = "eu-west-1") -> None:
        self.prints_keys = True
        self.groups: set[str] = set()
        self.base_image = "ami-0ba5e0000000000aa"
        self.orders: list[BuilderOrder] = []
        self.known: dict[str, Builder] = {}
        self._clock = clock
        self._region = region
        self._numbers = count(1)

    def regions(self) -> Sequence[str]:
        """One region."""
        return (self._region,)

    def base(self, source: Base, region: str, arch: str) -> Image:
        """Always the same image, or the one that is named."""
        if source.recipe is not None:
            raise ImageMissing(f"recipe {source.recipe} has no image in {region} to build on")
        return Image(
            source.ami or self.base_image, "base", region, arch, baked=False, root_device="/dev/sda1", root_gb=8
        )

    def own_network(self) -> str:
        """An address of the documentation's."""
        return "203.0.113.7/32"

    def price(self, type_name: str, region: str) -> float | None:  # noqa: ARG002 - the same for each
        """Ten cents."""
        return 0.1

    def launch(self, order: BuilderOrder) -> Builder:
        """A builder that runs after a while."""
        self.orders.append(order)
        self.groups.add(order.name)
        now = self._clock.now()
        builder = Builder(
            id=f"i-{next(self._numbers):017x}",
            name=order.name,
            recipe=order.tags[words.BUILDER],
            region=order.region,
            type=order.types[0],
            state=State.PENDING,
            launched_at=now,
            expires_at=words.moment(order.tags[words.EXPIRES_AT]),
            price=0.1,
            spot=order.spot,
        )
        self.known[builder.id] = builder
        return builder

    def live(self, recipe: str, region: str) -> Sequence[Builder]:
        """Those that are not over."""
        found = [self.look(region, id_) for id_ in list(self.known)]
        return [each for each in found if each is not None and each.is_live and each.recipe == recipe]

    def look(self, region: str, instance_id: str) -> Builder | None:  # noqa: ARG002 - there is one region
        """One builder, as far as it has come by now."""
        found = self.known.get(instance_id)
        if found is not None and found.state is State.PENDING and self._booted(found):
            found = replace(found, state=State.RUNNING, public_address=_ADDRESS, private_address="10.0.0.9")
            self.known[instance_id] = found
        return found

    def _booted(self, builder: Builder) -> bool:
        return self._clock.now() - builder.launched_at >= timedelta(seconds=BOOT_SECONDS)

    def console(self, region: str, instance_id: str) -> str:
        """The block that cloud-init prints, once it has booted."""
        found = self.look(region, instance_id)
        if found is None or not self._booted(found) or not self.prints_keys:
            return "Linux\n"
        return f"Linux\n{remote.BEGIN}\n{' '.join(HOST_KEY)} root@builder\n{remote.END}\n"

    def keep(self, builder: Builder, until: datetime | None) -> None:
        """Note it."""
        self.known[builder.id] = replace(self.known[builder.id], kept_until=until)

    def stop(self, builder: Builder) -> None:
        """It stops at once."""
        if not builder.spot:
            self.known[builder.id] = replace(self.known[builder.id], state=State.STOPPED)

    def end(self, builder: Builder) -> None:
        """It ends at once."""
        if builder.id in self.known:
            self.known[builder.id] = replace(self.known[builder.id], state=State.TERMINATED)

    def clear(self, region: str, name: str) -> bool:  # noqa: ARG002 - there is one region
        """Remove the group unless a live builder has it."""
        if any(each.name == name and each.is_live for each in self.known.values()):
            return False
        self.groups.discard(name)
        return True


class FakeImages:
    """Keeps the Images contract in memory."""

    def __init__(self, clock: Clock) -> None:
        self.tags: dict[str, Mapping[str, str]] = {}
        self.instances: dict[str, int] = {}
        self.takes = IMAGE_SECONDS
        self.fails = False
        self._known: dict[str, BakedImage] = {}
        self._clock = clock
        self._numbers = count(1)

    def images(self, region: str) -> Sequence[BakedImage]:
        """Newest first."""
        found = [self.image(region, id_) for id_ in list(self._known)]
        ours = [image for image in found if image is not None and image.region == region]
        return sorted(ours, key=lambda image: image.created_at, reverse=True)

    def create(self, builder: Builder, name: str, tags: Mapping[str, str]) -> str:
        """An image that is available after a while."""
        if any(image.name == name for image in self._known.values()):
            raise LaunchRejected(f"an image named {name} exists in {builder.region}")
        number = next(self._numbers)
        image = BakedImage(
            id=f"ami-{number:017x}",
            name=name,
            region=builder.region,
            recipe=tags.get(words.RECIPE, ""),
            state="pending",
            created_at=self._clock.now(),
            digest=tags.get(words.DIGEST, ""),
            content=tags.get(words.CONTENT, ""),
            runner_version=tags.get(words.RUNNER_VERSION, ""),
            base=tags.get(words.BASE, ""),
            base_source=tags.get(words.BASE_SOURCE, ""),
            gigabytes=8,
            snapshots=(f"snap-{number:017x}",),
        )
        self._known[image.id] = image
        self.tags[image.id] = dict(tags)
        return image.id

    def image(self, region: str, image_id: str) -> BakedImage | None:  # noqa: ARG002 - ids are unique
        """One image, as far as it has come by now."""
        found = self._known.get(image_id)
        if (
            found is not None
            and found.state == "pending"
            and self._clock.now() - found.created_at >= timedelta(seconds=self.takes)
        ):
            found = replace(found, state="failed" if self.fails else "available")
            self._known[image_id] = found
        return found

    def users(self, region: str) -> Mapping[str, int]:  # noqa: ARG002 - ids are unique
        """What was set."""
        return self.instances

    def delete(self, image: BakedImage) -> Sequence[str]:
        """Forget it."""
        self._known.pop(image.id, None)
        return []


@dataclass
class FakeDisk:
    """What is on a builder: the steps that ran, how each script ends (0 unless said otherwise), in ``took`` seconds."""

    ends: Callable[[str], tuple[int, str]] = lambda _: (0, "")
    steps: dict[str, tuple[int, str]] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    cleaned: bool = False
    took: int = 1


class FakeShells:
    """Makes shells on builders in memory; one disk for all of them.

    ``refuse`` is raised by the next connections, ``cuts`` breaks that many commands after they were done.
    """

    def __init__(self) -> None:
        self.disk = FakeDisk()
        self.refuse: list[BakeError] = []
        self.cuts = 0
        self.made = 0

    def __call__(self, address: str, port: int, key: Secret, host_keys: Sequence[tuple[str, str]]) -> FakeShell:
        """Connect, or not."""
        if self.refuse:
            raise self.refuse.pop(0)
        if HOST_KEY not in host_keys:
            raise HostKeyMismatch(f"{address} port {port} shows another key than {host_keys}")
        if not key.reveal():
            raise ConnectionLost("the key is not accepted")
        self.made += 1
        return FakeShell(self)


class FakeShell:
    """Understands the commands of :mod:`runnerkit.baking.boot`, and no others."""

    def __init__(self, shells: FakeShells) -> None:
        self._shells = shells

    def run(self, command: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Outcome:  # noqa: ARG002 - at once
        """Do what the command would do."""
        outcome = Outcome(0, self._done(command, stdin).encode())
        if self._shells.cuts:
            self._shells.cuts -= 1
            raise ConnectionLost("cut")
        return outcome

    def close(self) -> None:
        """Nothing to end."""

    def _done(self, command: str, stdin: bytes) -> str:
        disk = self._shells.disk
        found = re.search(r"/steps/([\w-]+)", command)
        chain = found[1] if found else ""
        if command == remote.CLEAN:
            disk.cleaned = True
            return "cleaned\n"
        if command == remote.finished():
            return "\n".join(chain for chain, (code, _) in disk.steps.items() if code == 0)
        if command == remote.forget(chain):
            disk.steps.pop(chain, None)
        elif command == remote.receive(chain, "script"):
            disk.scripts[chain] = stdin.decode()
        elif command == remote.failed(chain):
            disk.steps[chain] = (1, disk.steps[chain][1])
        elif "run.sh" in command and "setsid" in command and chain not in disk.steps:
            disk.ran.append(disk.scripts[chain])
            disk.steps[chain] = disk.ends(disk.scripts[chain])
        elif "tail -c" in command:
            return self._watched(chain, command)
        return ""

    def _watched(self, chain: str, command: str) -> str:
        if chain not in self._shells.disk.steps:
            return "absent\n0\n"
        code, log = self._shells.disk.steps[chain]
        begins = re.search(r"from=(\d+)", command)
        offset = int(begins[1]) if begins else 0
        return f"exit {code} {self._shells.disk.took}\n{offset}\n{log[offset:]}"


class FakeKeys:
    """Keys in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, KeptKey] = {}

    def new(self) -> tuple[Secret, str]:
        """The same one each time."""
        return Secret("private"), "ssh-ed25519 AAAA public"

    def save(self, builder_id: str, kept: KeptKey) -> None:
        """Keep it."""
        self.kept[builder_id] = kept

    def take(self, builder_id: str) -> KeptKey | None:
        """What was kept, once."""
        return self.kept.pop(builder_id, None)

    def drop(self, builder_id: str) -> None:
        """Forget it."""
        self.kept.pop(builder_id, None)
