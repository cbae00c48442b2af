"""CreateFleet of type ``instant``: try the pools in the strategy's order, and tell of every pool that refused."""

from __future__ import annotations

import uuid
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.ec2 import account, spot, templates
from runnerkit.sandbox.ec2.capacity import ON_DEMAND, SPOT
from runnerkit.sandbox.ec2.errors import AwsError, missing
from runnerkit.sandbox.ec2.launching import combined, resolve
from runnerkit.sandbox.ec2.lifecycle import new_reservation_id
from runnerkit.sandbox.ec2.tags import tags_by_kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.sandbox.ec2.backend import Region
    from runnerkit.sandbox.ec2.capacity import Stock
    from runnerkit.sandbox.ec2.core import Core
    from runnerkit.sandbox.ec2.model import Answer, Ask, LaunchSpec, Machine, Params, Template

BY_PRIORITY = {"prioritized", "capacity-optimized-prioritized"}


@dataclass(frozen=True, slots=True)
class Offer:
    """One override of a fleet request: the template it changes, and the launch that results."""

    template: Template
    override: Params
    wanted: Params

    @property
    def priority(self) -> float:
        """Lower is tried first."""
        return float(self.override.get("Priority", float("inf")))

    @property
    def weight(self) -> float:
        """How much of the target one machine fills."""
        return float(self.override.get("WeightedCapacity", 1))

    def shown(self) -> Params:
        """As the answer names it."""
        version = str(self.template.version)
        return {
            "LaunchTemplateSpecification": {"LaunchTemplateId": self.template.id, "Version": version},
            "Overrides": self.override,
        }


@dataclass(frozen=True, slots=True)
class Candidate:
    """An offer whose launch was checked, on one market, with its price."""

    offer: Offer
    spec: LaunchSpec
    price: float


@dataclass(slots=True)
class Fleet:
    """One fleet request and what came of it."""

    id: str
    region: str
    created_at: float
    request: Params
    taken: list[tuple[Candidate, Stock | None]] = field(default_factory=list)
    errors: list[Params] = field(default_factory=list)
    started: list[tuple[Candidate, Machine]] = field(default_factory=list)
    state: str = "active"

    def refused(self, offer: Offer, market: str, error: AwsError) -> None:
        """Note why a pool gave nothing."""
        code = "InvalidFleetConfiguration" if error.code == "Unsupported" else error.code
        entry = {"Lifecycle": market, "ErrorCode": code, "ErrorMessage": error.message}
        self.errors.append({"LaunchTemplateAndOverrides": offer.shown(), **entry})


def create_fleet(core: Core, ask: Ask) -> Params | Answer:
    """CreateFleet; every type but ``instant`` is left to moto."""
    if ask.params.get("Type", "maintain") != "instant":
        return ask.forward()
    return core.tokens.once(ask, lambda: _create(core, ask))


def _create(core: Core, ask: Ask) -> Params:
    offers = _offers(core, ask)
    _check_pools(core, ask.region, offers)
    fleet = Fleet(f"fleet-{uuid.uuid4()}", ask.region, core.clock.now(), ask.params)
    tags_by_kind(ask.params.get("TagSpecifications", []))
    targets = list(_targets(ask.params.get("TargetCapacitySpecification", {})))
    core.dry_run(ask)
    for market, target in targets:
        _fill(core, fleet, offers, market, target)
    _launch(core, fleet)
    core.fleets[fleet.id] = fleet
    core.region(ask.region).add_tags(fleet.id, _own_tags(fleet, "fleet"))
    return {"FleetId": fleet.id, "Errors": fleet.errors, "Instances": _grouped(core, fleet)}


# --- what is asked for ---------------------------------------------------------------------------------------------


def _offers(core: Core, ask: Ask) -> list[Offer]:
    configs = ask.params.get("LaunchTemplateConfigs", [])
    if not configs:
        raise missing("LaunchTemplateConfigs")
    return [offer for config in configs for offer in _offers_of(core, ask.region, config)]


def _offers_of(core: Core, region_name: str, config: Params) -> list[Offer]:
    region = core.region(region_name)
    template = templates.find(region, config.get("LaunchTemplateSpecification", {}))
    found: list[Offer] = []
    for override in config.get("Overrides") or [{}]:
        if "InstanceRequirements" in override:
            raise AwsError("UnsupportedOperation", "The sandbox does not choose types by InstanceRequirements.")
        wanted = combined(template.data, {k: v for k, v in override.items() if k not in _FLEET_ONLY})
        for zone in _zones(region, override, wanted):
            placement = {**wanted.get("Placement", {}), "AvailabilityZone": zone}
            found.append(Offer(template, override, {**wanted, "Placement": placement} if zone else wanted))
    return found


def _zones(region: Region, override: Params, wanted: Params) -> list[str | None]:
    """The zones an override stands for: its own, the one its subnet is in (None), or every one with the type."""
    by_id = {zone_id: name for name, zone_id in region.zones().items()}
    zone = override.get("AvailabilityZone") or by_id.get(override.get("AvailabilityZoneId", ""))
    if zone or _placed(wanted):
        return [zone]
    kind = wanted.get("InstanceType")
    return [z for z in sorted(region.default_subnets()) if (kind, z) in region.offerings] or [None]


_FLEET_ONLY = {"AvailabilityZone", "AvailabilityZoneId", "WeightedCapacity", "Priority", "MaxPrice"}


def _placed(wanted: Params) -> bool:
    interfaces = wanted.get("NetworkInterfaces", [])
    return bool(
        wanted.get("SubnetId")
        or wanted.get("Placement", {}).get("AvailabilityZone")
        or any(interface.get("SubnetId") for interface in interfaces)
    )


def _check_pools(core: Core, region_name: str, offers: list[Offer]) -> None:
    """A fleet names each pool once, and one subnet per zone."""
    zones = {subnet.id: subnet.zone for subnet in core.region(region_name).subnets()}
    subnets: dict[str, set[str]] = {}
    pools: set[tuple[str, ...]] = set()
    for offer in offers:
        subnet_id = str(offer.wanted.get("SubnetId", ""))
        zone = zones.get(subnet_id) or str(offer.wanted.get("Placement", {}).get("AvailabilityZone", ""))
        pool = (str(offer.wanted.get("InstanceType")), subnet_id, zone)
        shared = subnets.setdefault(zone, set())
        shared.add(subnet_id)
        if pool in pools or (zone and len(shared - {""}) > 1):
            raise AwsError("InvalidFleetConfig", "The fleet configuration contains duplicate instance pools.")
        pools.add(pool)


def _targets(asked: Params) -> Iterator[tuple[str, float]]:
    if "TotalTargetCapacity" not in asked:
        raise missing("TargetCapacitySpecification.TotalTargetCapacity")
    total = float(asked["TotalTargetCapacity"])
    split = {SPOT: asked.get("SpotTargetCapacity"), ON_DEMAND: asked.get("OnDemandTargetCapacity")}
    rest = total - sum(float(part or 0) for part in split.values())
    if rest < 0:
        raise AwsError("InvalidTargetCapacitySpecification", "The parts are more than the TotalTargetCapacity.")
    default = str(asked.get("DefaultTargetCapacityType", ON_DEMAND))
    for market, part in split.items():
        target = float(part or 0) + (rest if market == default else 0)
        if target > 0:
            yield market, target


# --- who gets it ---------------------------------------------------------------------------------------------------


def _fill(core: Core, fleet: Fleet, offers: list[Offer], market: str, target: float) -> None:
    options = fleet.request.get("SpotOptions" if market == SPOT else "OnDemandOptions", {})
    strategy = str(options.get("AllocationStrategy", "lowest-price"))
    ordered = sorted(
        _candidates(core, fleet, offers, market),
        key=lambda c: (c.offer.priority if strategy in BY_PRIORITY else 0, c.price),
    )
    taken = _take(core, fleet, ordered, target, strategy, options)
    filled = sum(candidate.offer.weight for candidate, _ in taken)
    if filled < float(options.get("MinTargetCapacity", 0)):
        for _, stock in taken:
            if stock is not None:
                stock.give_back()
        return
    fleet.taken.extend(taken)


def _candidates(core: Core, fleet: Fleet, offers: list[Offer], market: str) -> list[Candidate]:
    found = []
    for offer in offers:
        bid = offer.override.get("MaxPrice")
        options = {"InstanceMarketOptions": {"SpotOptions": {"MaxPrice": bid} if bid else {}}}
        try:
            spec = resolve(core, fleet.region, {**offer.wanted, **options}, market, fleet.id)
        except AwsError as error:
            fleet.refused(offer, market, error)
            continue
        price = _price(core, fleet.region, spec)
        found.append(Candidate(offer, spec, price / offer.weight))
    return found


def _price(core: Core, region: str, spec: LaunchSpec) -> float:
    if spec.market == SPOT:
        return spot.spot_price(core, region, spec.type, spec.subnet.zone)
    return spot.on_demand(core, region, spec.type)


def _take(
    core: Core, fleet: Fleet, ordered: list[Candidate], target: float, strategy: str, options: Params
) -> list[tuple[Candidate, Stock | None]]:
    """Reserve machines pool by pool until the target is reached or every pool has refused."""
    queue, taken, filled = deque(ordered), list[tuple[Candidate, "Stock | None"]](), 0.0
    while queue and filled < target:
        candidate = queue[0]
        spec, running = candidate.spec, core.running(fleet.region)
        running += [(c.spec.pool(), c.spec.vcpus) for c, _ in (*fleet.taken, *taken)]
        shortage = "UnfulfillableCapacity" if spec.market == SPOT else "InsufficientInstanceCapacity"
        try:
            account.check_spot(core, spec.market)
            stock = core.capacity.take(spec.pool(), spec.vcpus, running, shortage)
        except AwsError as error:
            fleet.refused(candidate.offer, spec.market, error)
            queue.popleft()
            continue
        taken.append((candidate, stock))
        filled += candidate.offer.weight
        queue = deque(c for c in queue if _goes_with(c, candidate, options))
        if strategy == "diversified":
            queue.rotate(-1)
    return taken


def _goes_with(other: Candidate, first: Candidate, options: Params) -> bool:
    same_type = not options.get("SingleInstanceType") or other.spec.type == first.spec.type
    same_zone = not options.get("SingleAvailabilityZone") or other.spec.subnet.zone == first.spec.subnet.zone
    return same_type and same_zone


# --- what comes of it ----------------------------------------------------------------------------------------------


def _own_tags(fleet: Fleet, kind: str) -> dict[str, str]:
    return tags_by_kind(fleet.request.get("TagSpecifications", [])).get(kind, {})


def _launch(core: Core, fleet: Fleet) -> None:
    for number, (candidate, stock) in enumerate(fleet.taken):
        spec, template = candidate.spec, candidate.offer.template
        kinds = {*spec.tags, "instance", "volume", "network-interface", "spot-instances-request"}
        tags = {kind: {**spec.tags.get(kind, {}), **_own_tags(fleet, kind)} for kind in kinds}
        tags["instance"] |= {
            "aws:ec2:fleet-id": fleet.id,
            "aws:ec2launchtemplate:id": template.id,
            "aws:ec2launchtemplate:version": str(template.version),
        }
        spec = replace(spec, tags=tags, client_token=f"{fleet.id}-{number}")
        fleet.started.append((candidate, core.lifecycle.launch(fleet.region, spec, stock, new_reservation_id())))


def _grouped(core: Core, fleet: Fleet) -> list[Params]:
    zone_ids = core.region(fleet.region).zones()
    groups: dict[int, dict[str, Any]] = {}
    for candidate, machine in fleet.started:
        spec = candidate.spec
        entry: dict[str, Any] = {
            "LaunchTemplateAndOverrides": candidate.offer.shown(),
            "Lifecycle": spec.market,
            "InstanceIds": [],
            "InstanceType": spec.type,
            "AvailabilityZone": spec.subnet.zone,
            "AvailabilityZoneId": zone_ids.get(spec.subnet.zone),
            "SubnetId": spec.subnet.id,
        }
        groups.setdefault(id(candidate), entry)["InstanceIds"].append(machine.id)
    return list(groups.values())
