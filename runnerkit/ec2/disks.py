"""The root disk of a machine, as launch templates and fleets take it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import (
        FleetBlockDeviceMappingRequestTypeDef,
        LaunchTemplateBlockDeviceMappingRequestTypeDef,
    )

    from runnerkit.ports import Image
    from runnerkit.wishes import Disk

# A stock image's own disk has room for the system, not for a job.
STOCK_GB = 64


def template_disk(disk: Disk | None, image: Image) -> LaunchTemplateBlockDeviceMappingRequestTypeDef:
    """The root disk: encrypted, gone with the machine, never smaller than the image (EC2 would refuse that)."""
    wanted = disk.gb if disk is not None else (0 if image.baked else STOCK_GB)
    volume: dict[str, Any] = {
        "VolumeType": disk.type if disk is not None else "gp3",
        "VolumeSize": max(wanted, image.root_gb),
        "Encrypted": True,
        "DeleteOnTermination": True,
    }
    if disk is not None and disk.iops is not None:
        volume["Iops"] = disk.iops
    if disk is not None and disk.mibps is not None:
        volume["Throughput"] = disk.mibps
    return cast("LaunchTemplateBlockDeviceMappingRequestTypeDef", {"DeviceName": image.root_device, "Ebs": volume})


def fleet_disk(disk: Disk | None, image: Image) -> FleetBlockDeviceMappingRequestTypeDef:
    """The same for an override, where fleets name the same fields."""
    return cast("FleetBlockDeviceMappingRequestTypeDef", template_disk(disk, image))
