"""Checks of the network: where machines can be placed, whether they reach GitHub, and that nobody reaches them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from runnerkit.doctor.checking import check
from runnerkit.doctor.words import Group, Remark, failure, note, ok, warning
from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.doctor.facts_aws import SubnetSeen
    from runnerkit.doctor.seen import Observed

FEW_ADDRESSES = 16


@check(
    "network-subnets",
    Group.NETWORK,
    "Is there a subnet with free addresses, in zones that have the types of the specs?",
    reads=("subnets", "offers"),
    levels="nwf",
    todo="List subnets in `[aws] subnets`, one in each zone, or run `aws ec2 create-default-vpc` once.",
)
def subnets(seen: Observed) -> Iterator[Remark]:
    """Machines can be placed, in more than one zone."""
    error = seen.subnets.error
    if isinstance(error, ConfigError):
        yield failure(error.message, "there is nowhere to launch", error.hint)
        return
    found = seen.subnets.value
    for subnet in found:
        if subnet.addresses < FEW_ADDRESSES:
            yield warning(
                f"{subnet.id} in {subnet.zone} has {subnet.addresses} free addresses",
                "a machine takes one; in a full subnet launches are refused",
                "list larger subnets in [aws] subnets",
            )
    zones: dict[str, list[str]] = defaultdict(list)
    for subnet in found:
        zones[subnet.region].append(subnet.zone)
    for region, names in zones.items():
        if len(names) == 1:
            yield note(
                f"{region}: one zone only ({names[0]})",
                "spot runs out by zone: with more zones there is nearly always one that has it",
                "list a subnet of each zone in [aws] subnets",
            )
        else:
            yield ok(f"{region}: {len(names)} zones ({', '.join(sorted(names))})")
    yield from _useless(seen, {name for names in zones.values() for name in names})


def _useless(seen: Observed, zones: set[str]) -> Iterator[Remark]:
    """Zones in which no spec can be had."""
    offers = seen.offers.value
    used = {zone for offer in offers for zone in offer.zones}
    idle = sorted(zones - used)
    if idle and used:
        yield note(f"no spec is on offer in {', '.join(idle)}", "subnets there are never used")


@check(
    "network-internet",
    Group.NETWORK,
    "Can machines reach GitHub: a public address, or a route through a NAT?",
    reads=("subnets",),
    levels="f",
    todo="Give the subnet a route: an internet gateway with public addresses, or a NAT gateway.",
)
def internet(seen: Observed) -> Iterator[Remark]:
    """Every subnet has a road to GitHub."""
    why = "a machine there never reaches GitHub, and ends at its deadline"
    found = seen.subnets.value
    nowhere = [subnet for subnet in found if not subnet.road]
    hidden = [subnet for subnet in found if subnet.road == "internet" and not subnet.public_ips]
    good = [subnet for subnet in found if subnet not in nowhere and subnet not in hidden]
    if nowhere:
        page = f"https://{nowhere[0].region}.console.aws.amazon.com/vpcconsole/home#subnets:"
        yield failure(f"no route to the internet: {_named(nowhere)}", why, f"add 0.0.0.0/0 to a NAT gateway: {page}")
    if hidden:
        yield failure(
            f"machines get no public address, and there is no NAT: {_named(hidden)}",
            why,
            f"aws ec2 modify-subnet-attribute --map-public-ip-on-launch --region {hidden[0].region} "
            f"--subnet-id {hidden[0].id}" + (", and so on for the others" if len(hidden) > 1 else ""),
        )
    if good:
        ways = {subnet.zone: "by NAT" if subnet.road == "nat" else "directly" for subnet in good}
        yield ok("a road to GitHub: " + ", ".join(f"{zone} {way}" for zone, way in sorted(ways.items())))


def _named(subnets: list[SubnetSeen]) -> str:
    return ", ".join(f"{subnet.id} in {subnet.zone}" for subnet in subnets)


@check(
    "network-security-group",
    Group.NETWORK,
    "Does the security group let nothing in, and HTTPS out?",
    reads=("groups",),
    levels="wf",
    todo="Leave `security_groups` out of `[aws]`, and get one that lets nothing in; or correct its rules.",
)
def security_group(seen: Observed) -> Iterator[Remark]:
    """Nobody reaches a machine, and a machine reaches GitHub."""
    for group in seen.groups.value:
        called = f"{group.region}: {group.name or group.id}"
        if group.problem:
            yield failure(f"{group.region}: {group.problem}", "AWS refuses the launch", "correct [aws] security_groups")
        elif not group.id:
            yield ok(f"{called} is made at the first launch")
        elif not group.https_out:
            yield failure(
                f"{called} lets no HTTPS out",
                "a machine never reaches GitHub, and ends at its deadline",
                f"aws ec2 authorize-security-group-egress --group-id {group.id} --protocol tcp --port 443 "
                f"--cidr 0.0.0.0/0 --region {group.region}",
            )
        elif group.inbound:
            yield warning(
                f"{called} lets in {', '.join(group.inbound)}",
                "nothing has to reach a runner; what is open is attacked",
                f"aws ec2 revoke-security-group-ingress --group-id {group.id} ... "
                f"(https://{group.region}.console.aws.amazon.com/ec2/home#SecurityGroup:groupId={group.id})",
            )
        else:
            yield ok(f"{called} lets nothing in")


CHECKS = (subnets, internet, security_group)
