"""Images and their snapshots, in moto's store but with the disks, tags and states that AWS would show."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.ec2.clock import moment
from runnerkit.sandbox.ec2.errors import AwsError, missing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runnerkit.sandbox.ec2.backend import Region
    from runnerkit.sandbox.ec2.core import Core
    from runnerkit.sandbox.ec2.model import Ask, Machine, Params, Raw, Tags

ROOT = "/dev/sda1"
UBUNTU = "/aws/service/canonical/ubuntu/server/{release}/stable/current/{arch}/hvm/ebs-{disk}/ami-id"
DEEP_LEARNING = "/aws/service/deeplearning/ami/{arch}/base-oss-nvidia-driver-gpu-{system}/latest/ami-id"
MOTO_PARAMETERS = (
    "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
    "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
    "/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-x86_64-gp2",
    "/aws/service/ecs/optimized-ami/amazon-linux-2/gpu/recommended/image_id",
)


def stock_parameters() -> dict[str, tuple[str, int]]:
    """Public parameter names of stock images that moto lacks: processor architecture and root size in GB."""
    found = {
        UBUNTU.format(release=release, arch=arch, disk=disk): ("arm64" if arch == "arm64" else "x86_64", 8)
        for release, arch in itertools.product(("22.04", "24.04"), ("amd64", "arm64"))
        for disk in ("gp2", "gp3")
    }
    for arch, system in itertools.product(("x86_64", "arm64"), ("ubuntu-22.04", "ubuntu-24.04", "amazon-linux-2023")):
        found[DEEP_LEARNING.format(arch=arch, system=system)] = (arch, 75)
    return found


def seed(region: Region) -> None:
    """Let the public parameters of stock images resolve to images that exist."""
    from moto.ssm import models

    parameter: Any = models.Parameter
    store = models.ssm_backends[region.account][region.name]._parameters  # noqa: SLF001 - /aws/ is closed to PutParameter
    for name, (arch, gigabytes) in stock_parameters().items():
        image = _register(region, _stock_name(name), arch, _root(gigabytes), owner="amazon")
        dated = moment(0).replace(tzinfo=None)
        store[name].append(parameter(region.account, name, image.id, "String", None, None, None, dated, 1, "text"))


def seed_from_moto(region: Region) -> None:
    """Register the images behind moto's own public parameters; reading those takes a while, so only when asked."""
    from moto.ssm.models import ssm_backends

    store: Any = ssm_backends[region.account][region.name]._parameters  # noqa: SLF001 - asked by ``in``, it loads them
    for name in filter(store.__contains__, MOTO_PARAMETERS):
        for version in store[name]:
            arch = "arm64" if name.endswith("arm64") else "x86_64"
            root = [{"DeviceName": "/dev/xvda", "Ebs": _root(30)[0]["Ebs"]}]
            _register(region, _stock_name(name), arch, root, owner="amazon", image_id=version.value)


def _stock_name(parameter: str) -> str:
    return parameter.removeprefix("/aws/service/").replace("/", "-")


def _root(gigabytes: int) -> list[Params]:
    return [{"DeviceName": ROOT, "Ebs": {"VolumeSize": gigabytes, "VolumeType": "gp3", "DeleteOnTermination": True}}]


def bake(region: Region, name: str, tags: Tags, arch: str, gigabytes: int, *, at: float) -> str:
    """Register an image of one's own, made at a time (seconds since the epoch), and return its id."""
    image = _register(region, name, arch, _root(gigabytes), owner=None, at=at)
    region.add_tags(image.id, tags)
    return str(image.id)


def _register(
    region: Region,
    name: str,
    arch: str,
    disks: list[Params],
    *,
    owner: str | None,
    image_id: str | None = None,
    at: float | None = None,
) -> Raw:
    from moto.ec2.utils import random_ami_id

    root = disks[0]["DeviceName"]
    image = _image_class()(
        region.ec2,
        image_id or random_ami_id(),
        name=name,
        description=name,
        owner_id=owner,
        owner_alias=owner,
        public=owner is not None,
        virtualization_type="hvm",
        architecture=arch,
        hypervisor="xen",
        root_device_type="ebs",
        root_device_name=root,
        image_location=f"{owner or region.account}/{name}",
        creation_date=None if at is None else moment(at).replace(tzinfo=None),
    )
    image.disks = _with_snapshots(region, image, disks)
    region.ec2.amis[image.id] = image
    return image


def _image_class() -> Raw:
    from moto.ec2.models.amis import Ami

    class SandboxImage(Ami):
        disks: tuple[Params, ...] = ()

        @property
        def block_device_mappings(self) -> list[Params]:
            return list(self.disks)

    return SandboxImage


def _with_snapshots(region: Region, image: Raw, disks: Iterable[Params]) -> tuple[Params, ...]:
    """Give every disk a snapshot; moto has made one of 15 GB, which becomes the root's."""
    made = []
    for position, disk in enumerate(disks):
        snapshot = image.ebs_snapshot if position == 0 else _snapshot(region, image, disk)
        snapshot.volume.size = disk["Ebs"]["VolumeSize"]
        snapshot.encrypted = bool(disk["Ebs"].get("Encrypted", False))
        ebs = {**disk["Ebs"], "SnapshotId": snapshot.id, "Encrypted": snapshot.encrypted}
        made.append({"DeviceName": disk["DeviceName"], "Ebs": ebs})
    return tuple(made)


def _snapshot(region: Region, image: Raw, disk: Params) -> Raw:
    volume = region.ec2.create_volume(disk["Ebs"]["VolumeSize"], f"{region.name}a")
    snapshot = region.ec2.create_snapshot(volume.id, f"Created for {image.id}", region.account, from_ami=image.id)
    region.ec2.delete_volume(volume.id)
    return snapshot


# --- the API -------------------------------------------------------------------------------------------------------


def create_image(core: Core, ask: Ask) -> Params:
    """CreateImage, with the machine's disks, tags for image and snapshots, and a pending phase if one is set."""
    name = str(ask.params.get("Name", ""))
    if not name:
        raise missing("name")
    region = core.region(ask.region)
    machine = core.visible([str(ask.params.get("InstanceId", ""))], ask.region)[0]
    _check_image(region, machine, name)
    core.dry_run(ask)
    disks, now = _disks(core, machine, ask), core.clock.now()
    image = _register(region, name, machine.raw.architecture, disks, owner=None, at=now)
    image.description, image.instance_id = ask.params.get("Description", ""), machine.id
    _tag(region, image, ask.params.get("TagSpecifications", []))
    try:
        core.imaged(machine.id, image.id)
    except OSError as error:
        region.ec2.amis.pop(image.id)
        for disk in image.disks:
            _delete_snapshot(region, disk["Ebs"]["SnapshotId"])
        raise AwsError("InternalError", f"The disk of {machine.id} cannot be kept: {error}") from error
    if core.image_delay:
        image.state = "pending"
        core.timeline.at(now + core.image_delay, partial(_available, image))
    return {"ImageId": image.id}


def _check_image(region: Region, machine: Machine, name: str) -> None:
    if machine.state not in {"running", "stopped", "stopping"}:
        raise AwsError("IncorrectState", f"Instance '{machine.id}' is not 'running' or 'stopped'.")
    taken = next((a for a in region.ec2.amis.values() if a.name == name and a.owner_id == region.account), None)
    if taken is not None:
        raise AwsError(
            "InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {taken.id}. Please specify another."
        )


def _available(image: Raw, _at: float) -> None:
    if image.state == "pending":
        image.state = "available"


def _disks(core: Core, machine: Machine, ask: Ask) -> list[Params]:
    region = core.region(machine.region)
    asked = {d.get("DeviceName"): d.get("Ebs", {}) for d in ask.params.get("BlockDeviceMappings", [])}
    disks = []
    for device, block in machine.raw.block_device_mapping.items():
        volume = region.ec2.get_volume(block.volume_id)
        facts = {
            "VolumeSize": volume.size,
            "VolumeType": volume.volume_type,
            "Iops": volume.iops,
            "Throughput": volume.throughput,
            "Encrypted": volume.encrypted,
            "DeleteOnTermination": block.delete_on_termination,
            **asked.get(device, {}),
        }
        disks.append({"DeviceName": device, "Ebs": {k: v for k, v in facts.items() if v is not None}})
    return sorted(disks, key=lambda disk: disk["DeviceName"] != machine.raw.root_device_name)


def _tag(region: Region, image: Raw, specifications: list[Params]) -> None:
    targets = {"image": [image.id], "snapshot": [disk["Ebs"]["SnapshotId"] for disk in image.disks]}
    for specification in specifications:
        kind = specification.get("ResourceType", "")
        if kind not in targets:
            raise AwsError(
                "InvalidParameterValue", f"'{kind}' is not a valid taggable resource type for this operation."
            )
        for target in targets[kind]:
            region.add_tags(target, {t["Key"]: t.get("Value", "") for t in specification.get("Tags", [])})


def deregister_image(core: Core, ask: Ask) -> Params:
    """DeregisterImage; with DeleteAssociatedSnapshots the snapshots go too, unless another image uses them."""
    region, image_id = core.region(ask.region), str(ask.params.get("ImageId", ""))
    image = region.ec2.amis.get(image_id)
    core.dry_run(ask)
    region.ec2.deregister_image(image_id)
    if not ask.params.get("DeleteAssociatedSnapshots"):
        return {"Return": True}
    ids = [d["Ebs"]["SnapshotId"] for d in image.block_device_mappings if d.get("Ebs", {}).get("SnapshotId")]
    return {"Return": True, "DeleteSnapshotResults": [_delete_snapshot(region, snapshot_id) for snapshot_id in ids]}


def _delete_snapshot(region: Region, snapshot_id: str) -> Params:
    used = {d.get("Ebs", {}).get("SnapshotId") for a in region.ec2.amis.values() for d in a.block_device_mappings}
    if snapshot_id in used:
        return {"SnapshotId": snapshot_id, "ReturnCode": "skipped"}
    region.ec2.snapshots.pop(snapshot_id, None)
    return {"SnapshotId": snapshot_id, "ReturnCode": "success"}
