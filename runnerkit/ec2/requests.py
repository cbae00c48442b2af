"""The two requests of a launch, as EC2 takes them. Pure."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from runnerkit.ec2.disks import fleet_disk, template_disk
from runnerkit.errors import LaunchRejected
from runnerkit.model import Market
from runnerkit.ports import BatchOrder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_ec2.type_defs import (
        CreateFleetRequestTypeDef,
        FleetLaunchTemplateOverridesRequestTypeDef,
        RequestLaunchTemplateDataTypeDef,
        TagTypeDef,
    )

    from runnerkit.ec2.network import Subnet
    from runnerkit.model import Attempt, Offering
    from runnerkit.ports import Image, LaunchOrder
    from runnerkit.wishes import Disk

USER_DATA_LIMIT = 16 * 1024
MOST_TYPES = 60
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html
_METADATA_KEY = re.compile(r"(?!\.\.?$|_index$)[A-Za-z0-9+\-=.,_:@]{1,255}")


def template_data(
    order: LaunchOrder | BatchOrder, image: Image, groups: Sequence[str], tags: Mapping[str, str]
) -> RequestLaunchTemplateDataTypeDef:
    """What fleets cannot override: user data, groups, the end of the machine, its metadata service, its disk."""
    profile_for_job = order.profile_for_job if isinstance(order, BatchOrder) else bool(order.profile)
    data: RequestLaunchTemplateDataTypeDef = {
        "ImageId": image.id,
        "UserData": base64.b64encode(order.user_data).decode(),
        "SecurityGroupIds": list(groups),
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 2 if profile_for_job else 1,
            "InstanceMetadataTags": "enabled" if all(_METADATA_KEY.fullmatch(key) for key in tags) else "disabled",
        },
        "BlockDeviceMappings": [template_disk(order.disk, image)],
    }
    if order.profile:
        is_arn = order.profile.startswith("arn:")
        data["IamInstanceProfile"] = {"Arn": order.profile} if is_arn else {"Name": order.profile}
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


@dataclass(frozen=True, slots=True)
class Place:
    """What a launch uses in one region: subnets, an image for each arch, a template made from the first of those."""

    template: str
    version: str
    subnets: Mapping[str, Subnet]
    images: Mapping[str, Image]


def fleet_request(
    attempt: Attempt, place: Place, disk: Disk | None, tags: Mapping[str, str], count: int = 1
) -> CreateFleetRequestTypeDef:
    """Instances of any of the attempt's pools; the tags go on instances, volumes and the fleet itself."""
    request: CreateFleetRequestTypeDef = {
        "Type": "instant",
        "TargetCapacitySpecification": {
            "TotalTargetCapacity": count,
            "DefaultTargetCapacityType": "spot" if attempt.market is Market.SPOT else "on-demand",
        },
        "LaunchTemplateConfigs": [
            {
                "LaunchTemplateSpecification": {"LaunchTemplateId": place.template, "Version": place.version},
                "Overrides": [_override(pool, place, disk) for pool in launchable(attempt, place)],
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


def launchable(attempt: Attempt, place: Place) -> list[Offering]:
    """The pools that go into the call: those with a subnet and an image, of the first 60 types."""
    possible = [pool for pool in attempt.offerings if pool.zone in place.subnets and pool.type.arch in place.images]
    types = list(dict.fromkeys(pool.type.name for pool in possible))[:MOST_TYPES]
    return [pool for pool in possible if pool.type.name in types]


def as_tags(tags: Mapping[str, str]) -> list[TagTypeDef]:
    """Tags as EC2 takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _override(pool: Offering, place: Place, disk: Disk | None) -> FleetLaunchTemplateOverridesRequestTypeDef:
    image, template_image = place.images[pool.type.arch], next(iter(place.images.values()))
    override = cast(
        "FleetLaunchTemplateOverridesRequestTypeDef",
        {"InstanceType": pool.type.name, "SubnetId": place.subnets[pool.zone].id},
    )
    if image.id != template_image.id:
        override["ImageId"] = image.id
        override["BlockDeviceMappings"] = [fleet_disk(disk, image)]
    return override
