"""Looking at the network of machines: subnets with their roads, and security groups. It makes nothing.

Source: AWS's API reference of EC2 (DescribeSubnets, DescribeRouteTables, DescribeSecurityGroups); a subnet without a
route table of its own has its VPC's main one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runnerkit.doctor.facts_aws import GroupSeen, SubnetSeen
from runnerkit.doctor.gathering import Once
from runnerkit.ec2.answers import told
from runnerkit.ec2.parallel import each

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runnerkit.ec2.clients import Clients
    from runnerkit.ec2.network import Network
    from runnerkit.settings import AwsSettings

EVERYWHERE = ("0.0.0.0/0", "::/0")
HTTPS = 443
# Where a default route may lead that is no internet gateway of the VPC's own.
DEVICES = (
    "NatGatewayId",
    "TransitGatewayId",
    "InstanceId",
    "NetworkInterfaceId",
    "VpcPeeringConnectionId",
    "LocalGatewayId",
)


class NetworkLooks:
    """The looks at the network; each may be called from a thread of its own."""

    def __init__(self, settings: AwsSettings, clients: Clients, network: Network) -> None:
        self._settings = settings
        self._clients = clients
        self._network = network
        self.subnets = Once(self._subnets)

    def _subnets(self) -> tuple[SubnetSeen, ...]:
        return tuple(one for found in each(self._in_region, self._clients.regions) for one in found)

    def _in_region(self, region: str) -> list[SubnetSeen]:
        ids = [subnet.id for subnet in self._network.subnets(region).values()]
        client: Any = self._clients.ec2(region)
        with told(f"looking at the subnets of {region}"):
            rows = client.describe_subnets(SubnetIds=ids)["Subnets"]
            vpcs = sorted({row["VpcId"] for row in rows})
            tables = client.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": vpcs}])["RouteTables"]
        return [
            SubnetSeen(
                row["SubnetId"],
                region,
                row["AvailabilityZone"],
                row["VpcId"],
                row.get("AvailableIpAddressCount", 0),
                bool(row.get("MapPublicIpOnLaunch")),
                road(_table(tables, row["SubnetId"])),
            )
            for row in rows
        ]

    def groups(self) -> tuple[GroupSeen, ...]:
        """The security groups that machines get; one that is not there yet has no id."""
        return tuple(one for found in each(self._groups_of, self._clients.regions) for one in found)

    def _groups_of(self, region: str) -> list[GroupSeen]:
        vpc = next((one.vpc for one in self.subnets() if one.region == region), "")
        configured, name = self._settings.security_groups, f"runnerkit-{self._settings.owner}"
        wanted = ("group-id", list(configured)) if configured else ("group-name", [name])
        filters = [{"Name": key, "Values": values} for key, values in (wanted, ("vpc-id", [vpc]))]
        client: Any = self._clients.ec2(region)
        with told(f"looking at the security groups of {region}"):
            rows = client.describe_security_groups(Filters=filters)["SecurityGroups"]
        if not rows and configured:
            return [GroupSeen(region, "", "", problem=f"none of [aws] security_groups belongs to {vpc}")]
        return [group(region, row) for row in rows] or [GroupSeen(region, "", name)]


def _table(tables: Sequence[Mapping[str, Any]], subnet: str) -> Mapping[str, Any]:
    links = [(table, link) for table in tables for link in table.get("Associations", [])]
    own = [table for table, link in links if link.get("SubnetId") == subnet]
    main = [table for table, link in links if link.get("Main")]
    return (own or main or [{}])[0]


def road(table: Mapping[str, Any]) -> str:
    """Where a route table's default route leads: ``internet``, ``nat``, or nowhere."""
    for route in table.get("Routes", []):
        if route.get("DestinationCidrBlock") not in EVERYWHERE or route.get("State") == "blackhole":
            continue
        if str(route.get("GatewayId", "")).startswith("igw-"):
            return "internet"
        if any(route.get(device) for device in DEVICES) or route.get("GatewayId", "local") != "local":
            return "nat"
    return ""


def group(region: str, row: Mapping[str, Any]) -> GroupSeen:
    """A security group as DescribeSecurityGroups tells it."""
    inbound = tuple(text for rule in row.get("IpPermissions", []) for text in _told(rule))
    out = any(_covers(rule, HTTPS) for rule in row.get("IpPermissionsEgress", []))
    return GroupSeen(region, row["GroupId"], row.get("GroupName", ""), inbound, out)


def _covers(rule: Mapping[str, Any], port: int) -> bool:
    if rule.get("IpProtocol") == "-1":
        return True
    return rule.get("IpProtocol") in {"tcp", "6"} and rule.get("FromPort", 0) <= port <= rule.get("ToPort", 0)


def _told(rule: Mapping[str, Any]) -> Iterator[str]:
    first, last = rule.get("FromPort"), rule.get("ToPort")
    everything = rule.get("IpProtocol") == "-1"
    ports = "everything" if everything else f"{rule.get('IpProtocol')} {first}" + (f"-{last}" if last != first else "")
    sources = [
        *(each["CidrIp"] for each in rule.get("IpRanges", [])),
        *(each["CidrIpv6"] for each in rule.get("Ipv6Ranges", [])),
        *(each.get("GroupId", "a group") for each in rule.get("UserIdGroupPairs", [])),
        *(each.get("PrefixListId", "a list") for each in rule.get("PrefixListIds", [])),
    ]
    yield from (f"{ports} from {source}" for source in sources)
