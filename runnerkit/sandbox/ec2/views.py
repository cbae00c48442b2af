"""Machines as the API shows them: DescribeInstances, DescribeInstanceStatus, GetConsoleOutput."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.ec2.capacity import SPOT
from runnerkit.sandbox.ec2.clock import moment
from runnerkit.sandbox.ec2.errors import AwsError
from runnerkit.sandbox.ec2.filters import matching, page
from runnerkit.sandbox.ec2.model import STATE_CODES

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2.core import Core
    from runnerkit.sandbox.ec2.model import Ask, Machine, Params, Raw

DEFAULT_PAGE = 1000
CONSOLE_LIMIT = 65_536


def instance(core: Core, machine: Machine, state: str | None = None) -> Params:
    """One machine in the shape of DescribeInstances; ``state`` where a list lags behind."""
    raw, spec, shown = machine.raw, machine.spec, state or machine.state
    cause = machine.cause if shown == machine.state else None
    tags = core.region(machine.region).tags(machine.id)
    view: Params = {
        "InstanceId": machine.id,
        "ImageId": spec.image_id,
        "InstanceType": raw.instance_type,
        "InstanceLifecycle": SPOT if spec.market == SPOT else None,
        "SpotInstanceRequestId": machine.spot_request_id or None,
        "State": {"Code": STATE_CODES[shown], "Name": shown},
        "StateTransitionReason": cause.transition if cause else "",
        "StateReason": {"Code": cause.code, "Message": cause.message} if cause else None,
        "LaunchTime": moment(machine.launched_at),
        "Placement": {"AvailabilityZone": spec.subnet.zone, "GroupName": "", "Tenancy": "default"},
        "Architecture": raw.architecture,
        "RootDeviceName": raw.root_device_name,
        "RootDeviceType": "ebs",
        "VirtualizationType": raw.virtualization_type,
        "Hypervisor": "xen",
        "EnaSupport": True,
        "EbsOptimized": spec.ebs_optimized,
        "AmiLaunchIndex": 0,
        "KeyName": spec.key_name,
        "ClientToken": spec.client_token,
        "Monitoring": {"State": raw.monitoring_state},
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "MetadataOptions": _metadata(machine),
        "PrivateDnsName": "",
        "PublicDnsName": "",
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()] or None,
    }
    return view if shown == "terminated" else {**view, **_attached(machine, core.address(machine.id))}


def _metadata(machine: Machine) -> Params:
    options = machine.raw.metadata_options
    return {
        "State": "applied" if machine.state != "pending" else "pending",
        "HttpTokens": options.http_tokens,
        "HttpPutResponseHopLimit": options.http_put_response_hop_limit,
        "HttpEndpoint": options.http_endpoint,
        "HttpProtocolIpv6": options.http_protocol_ipv6,
        "InstanceMetadataTags": options.instance_metadata_tags,
    }


def _attached(machine: Machine, address: str | None) -> Params:
    """What a machine loses when it ends: network, disks, groups and profile."""
    raw, spec = machine.raw, machine.spec
    groups = [{"GroupId": g.id, "GroupName": g.name} for g in raw.security_groups]
    return {
        "SubnetId": spec.subnet.id,
        "VpcId": spec.subnet.vpc_id,
        "PrivateIpAddress": raw.private_ip,
        "PrivateDnsName": raw.private_dns_name,
        "PublicIpAddress": address or raw.public_ip,
        "PublicDnsName": "" if address else raw.public_dns_name or "",
        "SourceDestCheck": raw.source_dest_check,
        "IamInstanceProfile": raw.iam_instance_profile or None,
        "SecurityGroups": groups,
        "NetworkInterfaces": [_interface(nic, groups) for nic in raw.nics.values()],
        "BlockDeviceMappings": [
            {
                "DeviceName": device,
                "Ebs": {
                    "VolumeId": block.volume_id,
                    "Status": "attached",
                    "AttachTime": moment(machine.launched_at),
                    "DeleteOnTermination": block.delete_on_termination,
                },
            }
            for device, block in raw.block_device_mapping.items()
        ],
    }


def _interface(nic: Raw, groups: list[Params]) -> Params:
    return {
        "NetworkInterfaceId": nic.id,
        "SubnetId": nic.subnet.id,
        "VpcId": nic.subnet.vpc_id,
        "Status": "in-use",
        "MacAddress": nic.mac_address,
        "PrivateIpAddress": nic.private_ip_address,
        "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": nic.private_ip_address}],
        "SourceDestCheck": nic.source_dest_check,
        "Groups": groups,
        "InterfaceType": "interface",
        "Attachment": {
            "AttachmentId": nic.attachment_id,
            "DeviceIndex": nic.device_index,
            "Status": "attached",
            "DeleteOnTermination": nic.delete_on_termination,
        },
    }


def _fields(view: Params) -> dict[str, Any]:
    """What DescribeInstances can filter by, besides tags."""
    metadata, reason, profile = view["MetadataOptions"], view["StateReason"] or {}, view.get("IamInstanceProfile") or {}
    return {
        "instance-id": view["InstanceId"],
        "instance-type": view["InstanceType"],
        "instance-state-name": view["State"]["Name"],
        "instance-state-code": view["State"]["Code"],
        "instance-lifecycle": view["InstanceLifecycle"],
        "spot-instance-request-id": view["SpotInstanceRequestId"],
        "client-token": view["ClientToken"],
        "image-id": view["ImageId"],
        "key-name": view["KeyName"],
        "architecture": view["Architecture"],
        "availability-zone": view["Placement"]["AvailabilityZone"],
        "launch-time": view["LaunchTime"].strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "subnet-id": view.get("SubnetId"),
        "vpc-id": view.get("VpcId"),
        "private-ip-address": view.get("PrivateIpAddress"),
        "iam-instance-profile.arn": profile.get("Arn"),
        "instance.group-id": [g["GroupId"] for g in view.get("SecurityGroups", [])],
        "instance.group-name": [g["GroupName"] for g in view.get("SecurityGroups", [])],
        "state-reason-code": reason.get("Code"),
        "metadata-options.http-tokens": metadata["HttpTokens"],
        "metadata-options.http-endpoint": metadata["HttpEndpoint"],
        "metadata-options.http-put-response-hop-limit": metadata["HttpPutResponseHopLimit"],
        "metadata-options.instance-metadata-tags": metadata["InstanceMetadataTags"],
    }


# --- the API -------------------------------------------------------------------------------------------------------


def describe_instances(core: Core, ask: Ask) -> Params:
    """DescribeInstances: by id as it is, as a list with whatever lag is set."""
    ids = ask.params.get("InstanceIds", [])
    if ids and "MaxResults" in ask.params:
        raise AwsError(
            "InvalidParameterCombination",
            "The parameter instancesSet cannot be used with the parameter maxResults",
        )
    views = matching(_seen(core, ask.region, ids), ask.params, _fields)
    found, token = page(views, ask.params, DEFAULT_PAGE)
    together: dict[str, list[Params]] = {}
    for view in found:
        together.setdefault(core.machines[view["InstanceId"]].reservation_id, []).append(view)
    return {"Reservations": [reservation(core, *pair) for pair in together.items()], "NextToken": token}


def _seen(core: Core, region: str, ids: list[str]) -> list[Params]:
    if ids:
        return [instance(core, machine) for machine in core.visible(ids, region)]
    then = core.clock.now() - core.lag
    return [instance(core, machine, machine.state_at(then)) for machine in core.listed(region)]


def reservation(core: Core, reservation_id: str, instances: list[Params]) -> Params:
    """The machines of one launch."""
    return {"ReservationId": reservation_id, "OwnerId": core.account, "Groups": [], "Instances": instances}


def describe_status(core: Core, ask: Ask) -> Params:
    """DescribeInstanceStatus; only running machines unless all are asked for."""
    everything = bool(ask.params.get("IncludeAllInstances"))
    views = _seen(core, ask.region, ask.params.get("InstanceIds", []))
    shown = [view for view in views if everything or view["State"]["Name"] == "running"]
    found, token = page(matching(shown, ask.params, _fields), ask.params, DEFAULT_PAGE)
    return {"InstanceStatuses": [_status(view) for view in found], "NextToken": token}


def _status(view: Params) -> Params:
    running = view["State"]["Name"] == "running"
    health: Params = {"Status": "not-applicable"}
    if running:
        health = {"Status": "ok", "Details": [{"Name": "reachability", "Status": "passed"}]}
    return {
        "InstanceId": view["InstanceId"],
        "AvailabilityZone": view["Placement"]["AvailabilityZone"],
        "InstanceState": view["State"],
        "InstanceStatus": health,
        "SystemStatus": health,
    }


def console_output(core: Core, ask: Ask) -> Params:
    """GetConsoleOutput: the last 64 KB that the machine has written; nothing before it has written anything.

    Types that are not on Nitro refuse to show the latest.
    """
    machine = core.visible([str(ask.params.get("InstanceId", ""))], ask.region)[0]
    core.dry_run(ask)
    if ask.params.get("Latest") and not _is_nitro(core, machine):
        raise AwsError(
            "UnsupportedOperation", "This instance type does not support retrieving the latest console output."
        )
    written = bytes(machine.console[-CONSOLE_LIMIT:])
    at = machine.console_at or machine.launched_at
    encoded = base64.b64encode(written).decode() if written else None
    return {"InstanceId": machine.id, "Timestamp": moment(at), "Output": encoded}


def _is_nitro(core: Core, machine: Machine) -> bool:
    """Whether a machine is on Nitro, as bare metal is too."""
    described = core.region(machine.region).type_info(machine.spec.type) or {}
    return described.get("Hypervisor") == "nitro" or bool(described.get("BareMetal"))
