"""Security groups that let nothing in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runnerkit.accounts.handler import Ways, listed, mapped
from runnerkit.accounts.trouble import unless_absent
from runnerkit.setup.words import Found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.setup.words import Resource

# As many users as a person wants to read of.
MOST = 5


class Groups:
    """The group that launches look for by its name: ``runnerkit-OWNER``."""

    service = "ec2"

    def __init__(self, ways: Ways) -> None:
        self._ways = ways

    def _ec2(self, resource: Resource) -> Any:  # noqa: ANN401 - boto3's clients are made at run time
        return self._ways.of("ec2", resource.region)

    def look(self, resource: Resource) -> Found | None:
        """DescribeSecurityGroups, by name and VPC."""
        told = resource.properties
        wanted = [
            {"Name": "group-name", "Values": [resource.name]},
            {"Name": "vpc-id", "Values": [told["VpcId"]]},
        ]
        for group in self._ec2(resource).describe_security_groups(Filters=wanted)["SecurityGroups"]:
            found = {
                "GroupName": group["GroupName"],
                # Nobody can change it afterwards.
                "GroupDescription": told["GroupDescription"],
                "VpcId": group["VpcId"],
                "SecurityGroupIngress": [_rule(each) for each in group.get("IpPermissions", [])],
            }
            return Found(found, mapped(group.get("Tags")), id=group["GroupId"])
        return None

    def make(self, resource: Resource) -> None:
        """CreateSecurityGroup with its tags."""
        told = resource.properties
        self._ec2(resource).create_security_group(
            GroupName=resource.name,
            Description=told["GroupDescription"],
            VpcId=told["VpcId"],
            TagSpecifications=[{"ResourceType": "security-group", "Tags": listed(resource.tags)}],
        )

    def mend(self, resource: Resource, found: Found) -> None:
        """Take every rule away that lets something in."""
        ec2 = self._ec2(resource)
        if found.properties["SecurityGroupIngress"]:
            groups = ec2.describe_security_groups(GroupIds=[found.id])["SecurityGroups"]
            for group in groups:
                with unless_absent:
                    ec2.revoke_security_group_ingress(GroupId=found.id, IpPermissions=group["IpPermissions"])
        if dict(resource.tags).items() - dict(found.tags).items():
            ec2.create_tags(Resources=[found.id], Tags=listed(resource.tags))

    def remove(self, resource: Resource, found: Found) -> None:
        """DeleteSecurityGroup."""
        with unless_absent:
            self._ec2(resource).delete_security_group(GroupId=found.id)

    def users(self, resource: Resource, found: Found, ours: Sequence[str]) -> list[str]:
        """Network interfaces in it, whoever has them, and other groups' rules that name it: AWS keeps it for either."""
        del ours
        ec2 = self._ec2(resource)
        filters = [{"Name": "group-id", "Values": [found.id]}]
        interfaces = ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]
        named = {
            group["GroupId"]
            for side in ("ip-permission", "egress.ip-permission")
            for group in ec2.describe_security_groups(Filters=[{"Name": f"{side}.group-id", "Values": [found.id]}])[
                "SecurityGroups"
            ]
        }
        told = [f"the network interface {each['NetworkInterfaceId']}" for each in interfaces[:MOST]]
        return told + [f"a rule of the security group {each}" for each in sorted(named - {found.id})[:MOST]]


def _rule(permission: dict[str, Any]) -> dict[str, Any]:
    """A rule in words that show who is let in."""
    whom = [each.get("CidrIp") for each in permission.get("IpRanges", [])]
    whom += [each.get("CidrIpv6") for each in permission.get("Ipv6Ranges", [])]
    whom += [each.get("GroupId") for each in permission.get("UserIdGroupPairs", [])]
    whom += [each.get("PrefixListId") for each in permission.get("PrefixListIds", [])]
    ports = f"{permission.get('FromPort', 'all')}-{permission.get('ToPort', 'all')}"
    return {"Rule": f"{permission.get('IpProtocol')} {ports} from {', '.join(sorted(str(each) for each in whom))}"}
