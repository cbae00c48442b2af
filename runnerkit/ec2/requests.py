"""The two requests of a launch, as EC2 takes them. Pure."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from runnerkit.errors import LaunchRejected
from runnerkit.model import Market

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_ec2.type_defs import (
        CreateFleetRequestTypeDef,
        FleetBlockDeviceMappingRequestTypeDef,
        FleetLaunchTemplateOverridesRequestTypeDef,
        LaunchTemplateBlockDeviceMappingRequestTypeDef,
        LaunchTemplateEbsBlockDeviceRequestTypeDef,
        RequestLaunchTemplateDataTypeDef,
        TagTypeDef,
    )

    from runnerkit.ec2.network import Subnet
    from runnerkit.model import Attempt, Offering
    from runnerkit.ports import Image, LaunchOrder

USER_DATA_LIMIT = 16 * 1024
MOST_TYPES = 60
# A stock image's own disk has room for the system alone, not for a job.
STOCK_DISK_GB = 64
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html
_METADATA_KEY = re.compile(r"(?!\.\.?$|_index$)[A-Za-z0-9+\-=.,_:@]{1,255}")


def template_data(
    order: LaunchOrder, image: Image, groups: Sequence[str], tags: Mapping[str, str]
) -> RequestLaunchTemplateDataTypeDef:
    """What fleets cannot override: user data, groups, the end of the machine, its metadata service, its disk."""
    data: RequestLaunchTemplateDataTypeDef = {
        "ImageId": image.id,
        "UserData": base64.b64encode(order.user_data).decode(),
        "SecurityGroupIds": list(groups),
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 2 if order.profile else 1,
            "InstanceMetadataTags": "enabled" if all(_METADATA_KEY.fullmatch(key) for key in tags) else "disabled",
        },
        "BlockDeviceMappings": [_root_disk(order, image)],
    }
    if order.profile:
        kind = "Arn" if order.profile.startswith("arn:") else "Name"
        data["IamInstanceProfile"] = {"Arn": order.profile} if kind == "Arn" else {"Name": order.profile}
    return data


def check_user_data(user_data: bytes) -> None:
    """Refuse what EC2 would refuse, before anything is made.

    Raises:
        LaunchRejected: It is too large.
    """
    if len(user_data) > USER_DATA_LIMIT:
        raise LaunchRejected(
            f"the user data has {len(user_data)} bytes and EC2 takes {USER_DATA_LIMIT}",
            hint="shorten the start-up script, or bake what it does into the image",
        )


def fleet_request(
    attempt: Attempt,
    template: tuple[str, str],
    subnets: Mapping[str, Subnet],
    images: Mapping[str, Image],
    tags: Mapping[str, str],
) -> CreateFleetRequestTypeDef:
    """One instance of any of the attempt's pools.

    Args:
        attempt: The pools.
        template: Id and version of the launch template, whose image is the one of ``images`` that comes first.
        subnets: The subnet of each zone.
        images: The image for each architecture.
        tags: For instance, volume and the fleet itself.
    """
    template_image = next(iter(images.values()))
    request: CreateFleetRequestTypeDef = {
        "Type": "instant",
        "TargetCapacitySpecification": {
            "TotalTargetCapacity": 1,
            "DefaultTargetCapacityType": "spot" if attempt.market is Market.SPOT else "on-demand",
        },
        "LaunchTemplateConfigs": [
            {
                "LaunchTemplateSpecification": {"LaunchTemplateId": template[0], "Version": template[1]},
                "Overrides": [
                    _override(offering, subnets[offering.zone], images[offering.type.arch], template_image)
                    for offering in launchable(attempt, subnets)
                ],
            }
        ],
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": as_tags(tags)},
            {"ResourceType": "volume", "Tags": as_tags(tags)},
            {"ResourceType": "fleet", "Tags": as_tags(tags)},
        ],
    }
    if attempt.market is Market.SPOT:
        request["SpotOptions"] = {
            "AllocationStrategy": "price-capacity-optimized",
            "InstanceInterruptionBehavior": "terminate",
        }
    else:
        request["OnDemandOptions"] = {"AllocationStrategy": "lowest-price"}
    return request


def launchable(attempt: Attempt, subnets: Mapping[str, Subnet]) -> list[Offering]:
    """The pools that go into the call: those with a subnet, of the first 60 types."""
    placed = [offering for offering in attempt.offerings if offering.zone in subnets]
    types = list(dict.fromkeys(offering.type.name for offering in placed))[:MOST_TYPES]
    return [offering for offering in placed if offering.type.name in types]


def as_tags(tags: Mapping[str, str]) -> list[TagTypeDef]:
    """Tags as EC2 takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _override(
    offering: Offering, subnet: Subnet, image: Image, template_image: Image
) -> FleetLaunchTemplateOverridesRequestTypeDef:
    override: FleetLaunchTemplateOverridesRequestTypeDef = {
        "InstanceType": offering.type.name,  # type: ignore[typeddict-item]  # the stubs list the types of their day
        "SubnetId": subnet.id,
    }
    if image.id != template_image.id:
        override["ImageId"] = image.id
    return override
