"""From what a request and its template say to what one machine is launched with, refusing what AWS refuses."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.ec2 import spot
from runnerkit.sandbox.ec2.capacity import SPOT
from runnerkit.sandbox.ec2.errors import AwsError, missing
from runnerkit.sandbox.ec2.model import Image, LaunchSpec, Params, Subnet
from runnerkit.sandbox.ec2.tags import tags_by_kind

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2.backend import Region
    from runnerkit.sandbox.ec2.core import Core

USER_DATA_LIMIT = 16_384
LEAST_MAX_PRICE = 0.001


def resolve(core: Core, region_name: str, wanted: Params, market: str, token: str) -> LaunchSpec:
    """Check everything one machine is to be launched with, in the shape of RunInstances' parameters.

    Raises:
        AwsError: The first thing that AWS would not accept.
    """
    region = core.region(region_name)
    image = _image(region, wanted.get("ImageId"))
    instance_type = _type(region, str(wanted.get("InstanceType") or "m1.small"), image)
    interface = _interface(wanted)
    subnet = _subnet(region, wanted, interface, instance_type)
    _check_offered(region, instance_type, subnet.zone)
    options = wanted.get("InstanceMarketOptions", {}).get("SpotOptions", {})
    spec = LaunchSpec(
        image_id=image.id,
        type=instance_type,
        subnet=subnet,
        market=market,
        group_ids=_groups(region, wanted, interface, subnet),
        disks=_disks(region, image, wanted.get("BlockDeviceMappings", [])),
        user_data=check_user_data(wanted.get("UserData")),
        profile_arn="",
        profile_id="",
        shutdown_behavior=shutdown_behavior(wanted.get("InstanceInitiatedShutdownBehavior")),
        metadata_options=wanted.get("MetadataOptions", {}),
        key_name=_key(region, wanted.get("KeyName")),
        interface=interface,
        tags=tags_by_kind(wanted.get("TagSpecifications", [])),
        client_token=token,
        spot_type=_spot_type(options),
        max_price=options.get("MaxPrice"),
        protected=bool(wanted.get("DisableApiTermination")),
        ebs_optimized=bool(wanted.get("EbsOptimized")),
        monitored=bool(wanted.get("Monitoring", {}).get("Enabled")),
        vcpus=spot.vcpus(core, region_name, instance_type),
    )
    _check_price(core, region_name, spec)
    return _with_profile(region, spec, wanted.get("IamInstanceProfile"))


def _image(region: Region, image_id: str | None) -> Image:
    if not image_id:
        raise missing("ImageId")
    if image_id.startswith("resolve:ssm:"):
        name = image_id.removeprefix("resolve:ssm:")
        image_id = region.beside.parameter(name)
        if image_id is None:
            raise AwsError("InvalidParameterValue", f"Parameter {name} could not be found.")
    if not re.fullmatch(r"ami-[0-9a-z]+", image_id):
        raise AwsError("InvalidAMIID.Malformed", f'Invalid id: "{image_id}" (expecting "ami-...")')
    image = region.image(image_id)
    if image is None:
        raise AwsError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
    if image.state != "available":
        raise AwsError("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is not available")
    return image


def _type(region: Region, instance_type: str, image: Image) -> str:
    info = region.type_info(instance_type)
    if info is None:
        raise AwsError("InvalidParameterValue", f"Invalid value '{instance_type}' for InstanceType.")
    supported = info.get("ProcessorInfo", {}).get("SupportedArchitectures", [])
    if supported and image.arch not in supported:
        raise AwsError(
            "InvalidParameterValue",
            f"The architecture '{','.join(supported)}' of the specified instance type does not match the architecture "
            f"'{image.arch}' of the specified AMI.",
        )
    return instance_type


def _interface(wanted: Params) -> Params:
    interfaces: list[Params] = wanted.get("NetworkInterfaces", [])
    if interfaces and (wanted.get("SecurityGroupIds") or wanted.get("SecurityGroups")):
        raise AwsError(
            "InvalidParameterCombination",
            "Network interfaces and an instance-level security groups may not be specified on the same request",
        )
    return next((i for i in interfaces if int(i.get("DeviceIndex", 0)) == 0), {})


def _subnet(region: Region, wanted: Params, interface: Params, instance_type: str) -> Subnet:
    subnet_id = wanted.get("SubnetId") or interface.get("SubnetId")
    zone = wanted.get("Placement", {}).get("AvailabilityZone")
    if subnet_id:
        subnet = next((s for s in region.subnets() if s.id == subnet_id), None)
        if subnet is None:
            raise AwsError("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist")
    else:
        subnet = _default_subnet(region, zone, instance_type)
    if zone and subnet.zone != zone:
        raise AwsError("InvalidParameterValue", f"The subnet {subnet.id} is not in the Availability Zone {zone}.")
    if region.addresses_left(subnet.id) < 1:
        raise AwsError(
            "InsufficientFreeAddressesInSubnet",
            f"There are not enough free addresses in subnet '{subnet.id}' to satisfy the requested number of "
            "instances.",
        )
    return subnet


def _default_subnet(region: Region, zone: str | None, instance_type: str) -> Subnet:
    if zone and zone not in region.zones():
        raise AwsError("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
    defaults = region.default_subnets()
    zones = [zone] if zone else [z for z in sorted(defaults) if (instance_type, z) in region.offerings]
    found = next((defaults[z] for z in zones if z in defaults), None)
    if found is None:
        raise AwsError("MissingInput", "No subnets found for the default VPC. Please specify a subnet.")
    return found


def _check_offered(region: Region, instance_type: str, zone: str) -> None:
    if (instance_type, zone) in region.offerings:
        return
    others = ", ".join(sorted(z for kind, z in region.offerings if kind == instance_type))
    raise AwsError(
        "Unsupported",
        f"Your requested instance type ({instance_type}) is not supported in your requested Availability Zone "
        f"({zone}). Please retry your request by not specifying an Availability Zone or choosing "
        f"{others or 'another Region'}.",
    )


def _groups(region: Region, wanted: Params, interface: Params, subnet: Subnet) -> tuple[str, ...]:
    named = [*wanted.get("SecurityGroupIds", []), *wanted.get("SecurityGroups", []), *interface.get("Groups", [])]
    found = []
    for name in named:
        group = region.group(name)
        if group is None:
            raise AwsError("InvalidGroup.NotFound", f"The security group '{name}' does not exist")
        if group.vpc_id != subnet.vpc_id:
            raise AwsError(
                "InvalidParameter",
                f"Security group {group.id} and subnet {subnet.id} belong to different networks.",
            )
        found.append(str(group.id))
    return tuple(found) or (region.default_group(subnet.vpc_id),)


def _disks(region: Region, image: Image, asked: list[Params]) -> tuple[Params, ...]:
    merged = {disk["DeviceName"]: dict(disk["Ebs"]) for disk in image.disks if "Ebs" in disk}
    for disk in asked:
        device = disk.get("DeviceName", "")
        if "NoDevice" in disk:
            merged.pop(device, None)
        elif "Ebs" in disk:
            own = merged.get(device, {"DeleteOnTermination": False})
            merged[device] = {**_fitting(own, disk["Ebs"]), **disk["Ebs"]}
    for ebs in merged.values():
        _check_size(region, ebs)
    return tuple({"DeviceName": device, "Ebs": ebs} for device, ebs in merged.items())


def _fitting(own: Params, asked: Params) -> Params:
    """What of the image's disk still holds: speed figures belong to its own volume type."""
    if asked.get("VolumeType", own.get("VolumeType")) == own.get("VolumeType"):
        return own
    return {key: value for key, value in own.items() if key not in {"Iops", "Throughput"}}


def _check_size(region: Region, ebs: Params) -> None:
    snapshot = region.ec2.snapshots.get(ebs.get("SnapshotId"))
    if ebs.get("SnapshotId") and snapshot is None:
        raise AwsError("InvalidSnapshot.NotFound", f"The snapshot '{ebs['SnapshotId']}' does not exist.")
    least = int(snapshot.volume.size) if snapshot is not None else 1
    size = int(ebs.setdefault("VolumeSize", least))
    if size < least:
        raise AwsError(
            "InvalidBlockDeviceMapping",
            f"Volume of size {size}GB is smaller than snapshot '{ebs.get('SnapshotId')}', expect size >= {least}GB",
        )


def check_user_data(encoded: object) -> str:
    """User data as it was sent (base64), or nothing.

    Raises:
        AwsError: It is not base64, or longer than 16 KB before encoding.
    """
    text = str(encoded or "")
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise AwsError("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.") from None
    if len(raw) > USER_DATA_LIMIT:
        raise AwsError("InvalidUserData.Malformed", f"User data is limited to {USER_DATA_LIMIT} bytes")
    return text


def shutdown_behavior(wanted: object) -> str:
    """What an operating system's power-off does to the machine: ``stop`` unless it says ``terminate``.

    Raises:
        AwsError: It says something else.
    """
    behavior = str(wanted or "stop")
    if behavior not in {"stop", "terminate"}:
        raise AwsError(
            "InvalidParameterValue",
            f"Value ({behavior}) for parameter instanceInitiatedShutdownBehavior is invalid.",
        )
    return behavior


def _key(region: Region, name: str | None) -> str | None:
    if name and not region.key_pair_exists(name):
        raise AwsError("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")
    return name


def _spot_type(options: Params) -> str:
    kind = str(options.get("SpotInstanceType") or "one-time")
    if kind == "persistent" and options.get("InstanceInterruptionBehavior", "terminate") == "terminate":
        raise AwsError(
            "InvalidParameterCombination",
            "Persistent Spot requests need the interruption behavior stop or hibernate.",
        )
    return kind


def _check_price(core: Core, region: str, spec: LaunchSpec) -> None:
    if spec.market != SPOT or spec.max_price is None:
        return
    price = spot.spot_price(core, region, spec.type, spec.subnet.zone)
    if float(spec.max_price) <= LEAST_MAX_PRICE:
        raise AwsError("InvalidParameterValue", f"Invalid spot price: {spec.max_price}. It must be above $0.001.")
    if float(spec.max_price) < price:
        raise AwsError(
            "SpotMaxPriceTooLow",
            f"Your Spot request price of {spec.max_price} is lower than the minimum required Spot request fulfillment "
            f"price of {price}.",
        )


def _with_profile(region: Region, spec: LaunchSpec, wanted: Params | None) -> LaunchSpec:
    if not wanted:
        return spec
    profile = region.beside.profile(wanted)
    if profile is None:
        key = "arn" if "Arn" in wanted else "name"
        value = wanted.get("Arn") or wanted.get("Name")
        raise AwsError(
            "InvalidParameterValue",
            f"Value ({value}) for parameter iamInstanceProfile.{key} is invalid. Invalid IAM Instance Profile {key}",
        )
    return replace(spec, profile_arn=profile[0], profile_id=profile[1])


def combined(template: Params, request: Params) -> Params:
    """A template with what the request says on top; tags are joined, everything else is replaced by name."""
    specifications: list[Any] = [*template.get("TagSpecifications", []), *request.get("TagSpecifications", [])]
    merged = {**template, **{key: value for key, value in request.items() if value is not None}}
    return {**merged, "TagSpecifications": specifications}
