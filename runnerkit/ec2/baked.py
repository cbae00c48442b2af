"""The port :class:`runnerkit.baking.ports.Images` on EC2."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from runnerkit import tags as words
from runnerkit.baking.ports import BakedImage
from runnerkit.ec2.answers import code_of, told
from runnerkit.ec2.cache import Cache
from runnerkit.ec2.clients import Clients
from runnerkit.ec2.images import parse_image
from runnerkit.ec2.requests import as_tags
from runnerkit.errors import LaunchRejected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mypy_boto3_ec2.type_defs import FilterTypeDef, ImageTypeDef

    from runnerkit.baking.ports import Builder
    from runnerkit.ports import Clock
    from runnerkit.settings import AwsSettings

_LIVE = ["pending", "running", "stopping", "stopped"]
_AVAILABLE = "available"
_NO_IMAGE = ("InvalidAMIID.NotFound", "InvalidAMIID.Unavailable")
_NO_SNAPSHOT = "InvalidSnapshot.NotFound"
_IN_USE = "InvalidSnapshot.InUse"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Ec2Images:
    """The images that carry our owner tag and a recipe's name.

    Args:
        settings: Account, regions and owner.
        clock: Tells the age of what launches keep.
        cache_dir: Where launches keep which image is ours; what is kept there ends when an image comes or goes.
    """

    def __init__(self, settings: AwsSettings, *, clock: Clock, cache_dir: Path | None = None) -> None:
        self._owner = settings.owner
        self._clients = Clients(settings)
        self._cache = Cache(cache_dir, clock)

    def images(self, region: str) -> Sequence[BakedImage]:
        """Every image of ours there, pending ones included, newest first."""
        wanted: list[FilterTypeDef] = [
            {"Name": f"tag:{words.OWNER}", "Values": [self._owner]},
            {"Name": "tag-key", "Values": [words.RECIPE]},
        ]
        with told(f"listing our images in {region}"):
            found = self._clients.ec2(region).describe_images(Owners=["self"], Filters=wanted)["Images"]
        return sorted((_parsed(each, region) for each in found), key=lambda image: image.created_at, reverse=True)

    def create(self, builder: Builder, name: str, tags: Mapping[str, str]) -> str:
        """Begin to make an image of a builder's disks. A spot builder is restarted for it: it cannot be stopped.

        Raises:
            LaunchRejected: An image of that name exists.
        """
        with told(f"making the image {name} of {builder.id} in {builder.region}"):
            try:
                made = self._clients.ec2_once(builder.region).create_image(
                    InstanceId=builder.id,
                    Name=name,
                    Description=f"{builder.recipe}, baked by runnerkit",
                    TagSpecifications=[
                        {"ResourceType": "image", "Tags": as_tags(tags)},
                        {"ResourceType": "snapshot", "Tags": as_tags(tags)},
                    ],
                )
            except ClientError as fault:
                if code_of(fault) != "InvalidAMIName.Duplicate":
                    raise
                raise LaunchRejected(
                    f"an image named {name} exists in {builder.region}", hint="`runnerkit ami list` shows it"
                ) from fault
        return made["ImageId"]

    def image(self, region: str, image_id: str) -> BakedImage | None:
        """One image; None when there is none (yet)."""
        wanted: list[FilterTypeDef] = [{"Name": "image-id", "Values": [image_id]}]
        with told(f"looking at image {image_id} in {region}"):
            found = self._clients.ec2(region).describe_images(Owners=["self"], Filters=wanted)["Images"]
        image = next((_parsed(each, region) for each in found), None)
        if image is not None and image.state == _AVAILABLE:
            self._cache.forget("own")
        return image

    def users(self, region: str) -> Mapping[str, int]:
        """How many live instances run from each image id, anybody's in the account."""
        live: list[FilterTypeDef] = [{"Name": "instance-state-name", "Values": _LIVE}]
        with told(f"listing instances in {region}"):
            pages = self._clients.ec2(region).get_paginator("describe_instances").paginate(Filters=live)
            return Counter(
                each.get("ImageId", "")
                for page in pages
                for some in page["Reservations"]
                for each in some.get("Instances", [])
            )

    def delete(self, image: BakedImage) -> Sequence[str]:
        """Deregister an image with its snapshots, and look whether those are gone; absence is success."""
        client = self._clients.ec2(image.region)
        with told(f"deregistering image {image.id} in {image.region}"):
            try:
                client.deregister_image(ImageId=image.id, DeleteAssociatedSnapshots=True)
            except ClientError as fault:
                if code_of(fault) not in _NO_IMAGE:
                    raise
        self._cache.forget("own")
        return [snapshot for snapshot in image.snapshots if not self._is_gone(image.region, snapshot)]

    def _is_gone(self, region: str, snapshot: str) -> bool:
        """Delete a snapshot that stayed, unless another image uses it."""
        with told(f"deleting snapshot {snapshot} in {region}"):
            try:
                self._clients.ec2(region).delete_snapshot(SnapshotId=snapshot)
            except ClientError as fault:
                if code_of(fault) == _IN_USE:
                    return False
                if code_of(fault) != _NO_SNAPSHOT:
                    raise
        return True


def _parsed(found: ImageTypeDef, region: str) -> BakedImage:
    image = parse_image(found, region)
    marks = {tag.get("Key", ""): tag.get("Value", "") for tag in found.get("Tags", [])}
    disks = [disk.get("Ebs", {}) for disk in found.get("BlockDeviceMappings", [])]
    return BakedImage(
        id=image.id,
        name=image.name,
        region=region,
        recipe=marks.get(words.RECIPE, ""),
        state=str(found.get("State", "")),
        created_at=_aware(image.created_at),
        arch=image.arch,
        digest=marks.get(words.DIGEST, ""),
        content=marks.get(words.CONTENT, ""),
        runner_version=image.runner_version,
        base=marks.get(words.BASE, ""),
        base_source=marks.get(words.BASE_SOURCE, ""),
        gigabytes=sum(disk.get("VolumeSize", 0) for disk in disks),
        snapshots=tuple(disk["SnapshotId"] for disk in disks if disk.get("SnapshotId")),
        state_reason=found.get("StateReason", {}).get("Message", ""),
    )


def _aware(moment: datetime | None) -> datetime:
    if moment is None:
        return _LONG_AGO
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
