"""The security group of a builder: one port, open for one network, gone with the builder."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from runnerkit.ec2.answers import AwsFault, code_of, told
from runnerkit.ec2.network import Network
from runnerkit.ec2.requests import as_tags
from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import IpPermissionTypeDef

    from runnerkit.baking.ports import BuilderOrder
    from runnerkit.ec2.cache import Cache
    from runnerkit.ec2.clients import Clients
    from runnerkit.settings import AwsSettings

_IN_USE = ("DependencyViolation", "InvalidGroup.InUse")
_GONE = ("InvalidGroup.NotFound", "InvalidGroupId.NotFound", "InvalidGroupId.Malformed")
_SSH = 22


class Doors:
    """Makes and removes the groups of builders."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def open(self, order: BuilderOrder, vpc: str) -> str:
        """Make the group and let the network in; returns its id. What fails half-way is removed.

        Raises:
            ConfigError: The network is none.
        """
        rule = _rule(order.ssh_from)
        client = self._clients.ec2_once(order.region)
        with told(f"creating the security group {order.name} in {order.region}"):
            made = client.create_security_group(
                GroupName=order.name,
                Description="An image builder of runnerkit: SSH from one network, for the time of a bake",
                VpcId=vpc,
                TagSpecifications=[{"ResourceType": "security-group", "Tags": as_tags(order.tags)}],
            )
        try:
            with told(f"letting {order.ssh_from} in to {order.name} in {order.region}"):
                client.authorize_security_group_ingress(GroupId=made["GroupId"], IpPermissions=[rule])
        except BaseException:
            with suppress(*AwsFault):
                client.delete_security_group(GroupId=made["GroupId"])
            raise
        return made["GroupId"]

    def shut(self, region: str, name: str) -> bool:
        """Remove the group of this name; absence is success, and False means that EC2 still uses it."""
        client = self._clients.ec2(region)
        with told(f"removing the security group {name} in {region}"):
            found = client.describe_security_groups(Filters=[{"Name": "group-name", "Values": [name]}])
            for group in found["SecurityGroups"]:
                try:
                    client.delete_security_group(GroupId=group["GroupId"])
                except ClientError as fault:
                    if code_of(fault) in _IN_USE:
                        return False
                    if code_of(fault) not in _GONE:
                        raise
        return True


class DoorNetwork(Network):
    """The network as it is, but for the security group."""

    def __init__(self, settings: AwsSettings, clients: Clients, cache: Cache, group: str) -> None:
        super().__init__(settings, clients, cache)
        self._group = group

    def security_groups(self, region: str, vpc: str) -> tuple[str, ...]:  # noqa: ARG002 - the same in each
        """The builder's group alone."""
        return (self._group,)


def _rule(network: str) -> IpPermissionTypeDef:
    try:
        parsed = ipaddress.ip_network(network, strict=False)
    except ValueError as error:
        raise ConfigError(
            f"{network!r} is no network that may reach the builder: {error}",
            hint="give an address with its prefix length, for example 203.0.113.7/32",
        ) from None
    why = "runnerkit's image builder"
    told_port: IpPermissionTypeDef = {"IpProtocol": "tcp", "FromPort": _SSH, "ToPort": _SSH}
    if parsed.version == 6:  # noqa: PLR2004 - IPv6
        told_port["Ipv6Ranges"] = [{"CidrIpv6": str(parsed), "Description": why}]
    else:
        told_port["IpRanges"] = [{"CidrIp": str(parsed), "Description": why}]
    return told_port
