"""Where machines are placed: one subnet a zone, and a security group that lets nothing in."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from runnerkit import tags
from runnerkit.ec2.answers import code_of, told
from runnerkit.errors import CloudUnavailable, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mypy_boto3_ec2.type_defs import FilterTypeDef, SecurityGroupTypeDef, SubnetTypeDef

    from runnerkit.ec2.cache import Cache
    from runnerkit.ec2.clients import Clients
    from runnerkit.settings import AwsSettings

_LOOKS = 3


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet that machines may be launched into."""

    id: str
    zone: str
    vpc: str


class Network:
    """Finds subnets and security groups, and makes our own group where none is configured."""

    def __init__(self, settings: AwsSettings, clients: Clients, cache: Cache) -> None:
        self._settings = settings
        self._clients = clients
        self._cache = cache
        # Who comes second waits for the first, rather than asking the same.
        self._looking = Lock()

    def surroundings(self, region: str) -> tuple[dict[str, Subnet], tuple[str, ...]]:
        """The subnet for each zone, and the security groups of their VPC.

        Raises:
            ConfigError: There is nowhere to launch in the region.
        """
        subnets = self.subnets(region)
        return subnets, self.security_groups(region, next(iter(subnets.values())).vpc)

    def subnets(self, region: str) -> dict[str, Subnet]:
        """The subnet for each zone: the configured ones, else the default ones; all of one VPC.

        Raises:
            ConfigError: There is none in the region.
        """
        found = self._cache.get("subnets", self._key(region), lambda: self._look_for_subnets(region), _subnets_from)
        return {subnet.zone: subnet for subnet in found}

    def security_groups(self, region: str, vpc: str) -> tuple[str, ...]:
        """The configured security groups of that region, else our own group, made when it is missing."""
        configured = self._settings.security_groups
        if configured and len(self._clients.regions) == 1:
            return configured
        look = self._look_for_configured_groups if configured else self._own_group
        with self._looking:
            return self._cache.get(
                "group",
                self._key(region),
                lambda: {"vpc": vpc, "groups": look(region, vpc)},
                lambda kept: _groups_of(vpc, kept),
            )

    def forget(self, region: str) -> None:
        """Look everything up anew the next time: something of it is gone."""
        for kind in ("subnets", "group"):
            self._cache.drop(kind, self._key(region))

    def _key(self, region: str) -> str:
        told_apart = (*self._settings.subnets, "|", *self._settings.security_groups, "|", self._settings.owner)
        return " ".join((self._clients.account_key(), region, *told_apart))

    def _look_for_subnets(self, region: str) -> list[dict[str, str]]:
        configured = self._settings.subnets
        # A filter finds those that exist; asking by id would fail as a whole when one belongs to another region.
        wanted: FilterTypeDef = (
            {"Name": "subnet-id", "Values": list(configured)}
            if configured
            else {"Name": "default-for-az", "Values": ["true"]}
        )
        with told(f"looking for subnets in {region}"):
            pages = self._clients.ec2(region).get_paginator("describe_subnets").paginate(Filters=[wanted])
            found = [subnet for page in pages for subnet in page["Subnets"]]
        if not found:
            why = "none of [aws] subnets is there" if configured else "it has no default subnets"
            raise ConfigError(
                f"nowhere to launch in {region}: {why}",
                hint="list subnets of that region in [aws] subnets, or run `aws ec2 create-default-vpc` once",
            )
        return [asdict(subnet) for subnet in _one_a_zone(found, configured)]

    def _own_group(self, region: str, vpc: str) -> list[str]:
        """Our group's id. Two launchers may both find none: the second one's creation fails, and it looks again."""
        name = f"runnerkit-{self._settings.owner}"
        for _ in range(_LOOKS):
            if found := self._groups(region, [("group-name", [name]), ("vpc-id", [vpc])]):
                return [self._checked(found[0], region)]
            try:
                return [self._create_group(name, region, vpc)]
            except ClientError as fault:
                if code_of(fault) != "InvalidGroup.Duplicate":
                    with told(f"creating the security group {name} in {region}"):
                        raise
        raise CloudUnavailable(f"the security group {name} in {region} exists and cannot be seen", hint="try again")

    def _look_for_configured_groups(self, region: str, vpc: str) -> list[str]:
        configured = self._settings.security_groups
        found = self._groups(region, [("group-id", list(configured)), ("vpc-id", [vpc])])
        if not found:
            raise ConfigError(
                f"none of [aws] security_groups belongs to {vpc} in {region}",
                hint="list a group of that VPC, or leave security_groups out to get one that lets nothing in",
            )
        return [group["GroupId"] for group in found if "GroupId" in group]

    def _groups(self, region: str, wanted: Sequence[tuple[str, list[str]]]) -> list[SecurityGroupTypeDef]:
        filters: list[FilterTypeDef] = [{"Name": name, "Values": values} for name, values in wanted]
        with told(f"looking for security groups in {region}"):
            return self._clients.ec2(region).describe_security_groups(Filters=filters)["SecurityGroups"]

    def _checked(self, group: SecurityGroupTypeDef, region: str) -> str:
        marks = {tag.get("Key"): tag.get("Value") for tag in group.get("Tags", [])}
        if marks.get(tags.OWNER) != self._settings.owner:
            raise ConfigError(
                f"{group['GroupId']} in {region} has the name of our security group but not our tag "
                f"{tags.OWNER}={self._settings.owner}",
                hint="tag it if it is meant for runners, rename it, or set [aws] security_groups",
            )
        return group["GroupId"]

    def _create_group(self, name: str, region: str, vpc: str) -> str:
        marks = {**self._settings.tags, tags.OWNER: self._settings.owner}
        made = self._clients.ec2_once(region).create_security_group(
            GroupName=name,
            Description="Runners launched by runnerkit: nothing in, everything out",
            VpcId=vpc,
            TagSpecifications=[
                {"ResourceType": "security-group", "Tags": [{"Key": k, "Value": v} for k, v in marks.items()]}
            ],
        )
        return made["GroupId"]


def _one_a_zone(found: Iterable[SubnetTypeDef], order: Sequence[str]) -> list[Subnet]:
    """One subnet a zone, the first configured one; a launch can only use one VPC, so the first one's."""
    rank = {subnet_id: place for place, subnet_id in enumerate(order)}
    seen = [Subnet(s.get("SubnetId", ""), s.get("AvailabilityZone", ""), s.get("VpcId", "")) for s in found]
    chosen: dict[str, Subnet] = {}
    for subnet in sorted(seen, key=lambda subnet: (rank.get(subnet.id, len(rank)), subnet.zone)):
        first = next(iter(chosen.values()), subnet)
        if subnet.vpc == first.vpc:
            chosen.setdefault(subnet.zone, subnet)
    return list(chosen.values())


def _subnets_from(kept: object) -> list[Subnet]:
    return [Subnet(**fields) for fields in cast("list[dict[str, Any]]", kept)]


def _groups_of(vpc: str, kept: object) -> tuple[str, ...]:
    answer = cast("dict[str, Any]", kept)
    if answer["vpc"] != vpc:
        raise ValueError("the groups are those of another VPC")
    return tuple(answer["groups"])
