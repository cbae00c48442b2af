"""The port :class:`runnerkit.baking.ports.Builders` on EC2."""

from __future__ import annotations

import ipaddress
import urllib.request
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from runnerkit import tags as words
from runnerkit.baking.ports import Builder
from runnerkit.ec2.answers import code_of, told
from runnerkit.ec2.cache import Cache
from runnerkit.ec2.catalogue import Catalogue
from runnerkit.ec2.clients import Clients
from runnerkit.ec2.doors import DoorNetwork, Doors
from runnerkit.ec2.images import Images, newest_of_recipe, parse_image
from runnerkit.ec2.launch import Tools, launch_one
from runnerkit.ec2.machines import Machines, parse_instance
from runnerkit.ec2.network import Network
from runnerkit.ec2.patience import Settling
from runnerkit.ec2.prices import price_table
from runnerkit.errors import ConfigError, ImageMissing, RunnerkitError
from runnerkit.model import Market, State
from runnerkit.offerings import attempts, matching
from runnerkit.ports import LaunchOrder
from runnerkit.settings import ImageSource
from runnerkit.wishes import Disk, RunnerSpec, SpotUse

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mypy_boto3_ec2.type_defs import FilterTypeDef, InstanceTypeDef

    from runnerkit.baking.ports import BuilderOrder
    from runnerkit.baking.recipe import Base
    from runnerkit.ports import Clock, Image
    from runnerkit.settings import AwsSettings

CHECK_IP = "https://checkip.amazonaws.com"
_LIVE = ["pending", "running", "stopping", "stopped"]
_SMALLEST_DISK = 8
_LATEST_EPOCH = 10**11


class Ec2Builders:
    """Builders in the configured regions. Making one calls nobody.

    Args:
        settings: Section ``[aws]``.
        clock: For waiting and ages.
        cache_dir: Where answers about types, prices and subnets are kept; None: nowhere.
    """

    def __init__(self, settings: AwsSettings, *, clock: Clock, cache_dir: Path | None) -> None:
        self._settings = settings
        self._clock = clock
        self._clients = Clients(settings)
        self._cache = Cache(cache_dir, clock)
        self._settling = Settling(clock)
        self._images = Images(settings, self._clients, self._cache)
        self._machines = Machines(settings.owner, self._clients, clock, self._settling)
        self._doors = Doors(self._clients)

    def regions(self) -> Sequence[str]:
        """The configured regions."""
        return self._clients.regions

    def base(self, source: Base, region: str, arch: str) -> Image:
        """The image that a base means just now, asked afresh.

        Raises:
            ImageMissing: There is none.
        """
        if source.recipe is not None:
            found = newest_of_recipe(self._clients, region, self._settings.owner, source.recipe)
            if found is None:
                raise ImageMissing(
                    f"recipe {source.recipe} has no image in {region} to build on",
                    hint=f"bake it first: runnerkit ami bake {source.recipe} --region {region}",
                )
            image = parse_image(found, region)
        else:
            image = self._images.from_source("base", ImageSource(ami=source.ami, ssm=source.ssm, arch=arch), region)
        if image.arch != arch:
            raise ImageMissing(f"the base {source} ({image.id}) is for {image.arch} and the recipe for {arch}")
        return image

    def own_network(self) -> str:
        """This machine's public address, as an AWS service sees it.

        Raises:
            ConfigError: It does not answer.
        """
        try:
            with urllib.request.urlopen(CHECK_IP, timeout=10) as answer:
                said = answer.read(64).decode("ascii").strip()
            address = ipaddress.ip_address(said)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"this machine's public address cannot be found out ({CHECK_IP}: {error})",
                hint="say which network may reach the builder: --ssh-from 203.0.113.7/32, or ssh_from in [ami]",
            ) from error
        return f"{address}/{address.max_prefixlen}"

    def price(self, type_name: str, region: str) -> float | None:
        """The shipped price of a type on demand; never worth a call."""
        return price_table().on_demand(type_name, region)

    def launch(self, order: BuilderOrder) -> Builder:
        """Start a builder behind a security group of its own, as any other machine is launched.

        Raises:
            NoCapacity: No zone has any of the types.
            CloudError: AWS refused something.
        """
        network = Network(self._settings, self._clients, self._cache)
        spec = RunnerSpec(
            type=order.types,
            arch=(order.image.arch,),
            region=(order.region,),
            spot=SpotUse.ONLY if order.spot else SpotUse.NEVER,
        )
        catalogue = Catalogue(self._clients, self._cache, network, self._clock)
        tries = attempts(spec, matching(spec, catalogue.offerings(spec)), ())
        vpc = next(iter(network.subnets(order.region).values())).vpc
        group = self._doors.open(order, vpc)
        door = DoorNetwork(self._settings, self._clients, self._cache, group)
        tools = Tools(self._settings, self._clients, door, self._images, self._clock, self._settling)
        try:
            launched = launch_one(_as_launch(order), tools, tries)
        except BaseException:
            # What went wrong first is told; a group that stays is swept.
            with suppress(RunnerkitError):
                self._doors.shut(order.region, order.name)
            raise
        return Builder(
            id=launched.instance_id,
            name=order.name,
            recipe=order.tags[words.BUILDER],
            region=order.region,
            type=launched.type,
            state=State.PENDING,
            launched_at=self._clock.now(),
            expires_at=_time(order.tags.get(words.EXPIRES_AT)),
            price=launched.price,
            spot=order.spot,
        )

    def live(self, recipe: str, region: str) -> Sequence[Builder]:
        """The builders of a recipe that are not over."""
        wanted: list[FilterTypeDef] = [
            {"Name": f"tag:{words.OWNER}", "Values": [self._settings.owner]},
            {"Name": f"tag:{words.BUILDER}", "Values": [recipe]},
            {"Name": "instance-state-name", "Values": _LIVE},
        ]
        with told(f"looking for builders of {recipe} in {region}"):
            found = self._clients.ec2(region).describe_instances(Filters=wanted)["Reservations"]
        return [self._parsed(each, region) for some in found for each in some.get("Instances", [])]

    def look(self, region: str, instance_id: str) -> Builder | None:
        """One builder; None when EC2 does not know it (yet)."""
        with told(f"looking at builder {instance_id} in {region}"):
            try:
                found = self._clients.ec2(region).describe_instances(InstanceIds=[instance_id])["Reservations"]
            except ClientError as fault:
                if code_of(fault) != "InvalidInstanceID.NotFound":
                    raise
                return None
        return next((self._parsed(each, region) for some in found for each in some.get("Instances", [])), None)

    def console(self, region: str, instance_id: str) -> str:
        """Its serial console so far; empty when there is none."""
        return self._machines.console(region, instance_id)

    def keep(self, builder: Builder, until: datetime | None) -> None:
        """Note that it waits to be resumed, or that it no longer does."""
        told_until = None if until is None else str(int(until.timestamp()))
        self._machines.tag(builder.region, builder.id, {words.KEPT_UNTIL: told_until})

    def stop(self, builder: Builder) -> None:
        """Begin to stop it. The shutdown behaviour counts for shutdowns from within, so its disks stay."""
        if builder.spot:
            return
        with told(f"stopping builder {builder.id} in {builder.region}"):
            self._clients.ec2(builder.region).stop_instances(InstanceIds=[builder.id])

    def end(self, builder: Builder) -> None:
        """Begin its end; absence is success."""
        self._machines.terminate(builder.region, [builder.id])

    def clear(self, region: str, name: str) -> bool:
        """Remove its security group, False while EC2 uses it; its template went after the launch, or is swept."""
        return self._doors.shut(region, name)

    def _parsed(self, described: InstanceTypeDef, region: str) -> Builder:
        instance = parse_instance(described, region)
        marks = {tag.get("Key", ""): tag.get("Value", "") for tag in described.get("Tags", [])}
        return Builder(
            id=instance.id,
            name=marks.get(words.NAME, ""),
            recipe=marks.get(words.BUILDER, ""),
            region=region,
            type=instance.type,
            state=instance.state,
            launched_at=instance.launched_at,
            expires_at=instance.expires_at,
            kept_until=_time(marks.get(words.KEPT_UNTIL)),
            public_address=described.get("PublicIpAddress", ""),
            private_address=described.get("PrivateIpAddress", ""),
            price=None if instance.market is Market.SPOT else self.price(instance.type, region),
            spot=instance.market is Market.SPOT,
            state_reason=described.get("StateReason", {}).get("Message", "") or instance.state_reason,
        )


def _as_launch(order: BuilderOrder) -> LaunchOrder:
    return LaunchOrder(
        name=order.name,
        user_data=order.user_data,
        tags=order.tags,
        # Baked or not, the disk is as large as the recipe says.
        images={(order.region, order.image.arch): replace(order.image, baked=True)},
        disk=Disk(gb=max(order.disk, _SMALLEST_DISK)),
    )


def _time(text: str | None) -> datetime | None:
    if not text or not text.isascii() or not text.isdecimal() or int(text) >= _LATEST_EPOCH:
        return None
    return datetime.fromtimestamp(int(text), tz=UTC)
