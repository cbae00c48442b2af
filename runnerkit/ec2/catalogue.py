"""What AWS offers for a wish: types, the zones that have them, and what they cost there just now."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

from runnerkit.ec2.answers import told
from runnerkit.ec2.hardware import candidates, parse_type, type_as_json, type_from_json
from runnerkit.ec2.parallel import each
from runnerkit.ec2.prices import price_table
from runnerkit.errors import CloudDenied, CloudThrottled, CloudUnavailable, ConfigError
from runnerkit.model import Market, Offering
from runnerkit.wishes import SpotUse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_ec2.type_defs import FilterTypeDef

    from runnerkit.ec2.cache import Cache
    from runnerkit.ec2.clients import Clients
    from runnerkit.ec2.network import Network
    from runnerkit.model import InstanceType
    from runnerkit.ports import Clock
    from runnerkit.wishes import RunnerSpec

# What Linux costs; accounts from before VPCs see the second name.
_PRODUCTS = ["Linux/UNIX", "Linux/UNIX (Amazon VPC)"]
_PAGE = 1000
_TYPES_PAGE = 100


class Catalogue:
    """Reads the market, four calls for each region when nothing is remembered and none when everything is."""

    def __init__(self, clients: Clients, cache: Cache, network: Network, clock: Clock) -> None:
        self._clients = clients
        self._cache = cache
        self._network = network
        self._clock = clock

    def offerings(self, spec: RunnerSpec) -> list[Offering]:
        """Every pool that may serve the wish, region by region; a region that cannot be reached is left out.

        Raises:
            ConfigError: A region of the wish is not configured, or one has no subnets.
            CloudUnavailable: No region could be reached.
        """
        failures: list[CloudUnavailable | CloudThrottled] = []

        def offered(region: str) -> list[Offering]:
            try:
                return self._in_region(spec, region)
            except (CloudUnavailable, CloudThrottled) as error:
                failures.append(error)
                return []

        regions = self._regions(spec)
        found = each(offered, regions)
        if len(failures) == len(regions):
            raise failures[0]
        return [offering for offerings in found for offering in offerings]

    def _regions(self, spec: RunnerSpec) -> tuple[str, ...]:
        ours = self._clients.regions
        strange = [region for region in spec.region if region not in ours]
        if strange:
            raise ConfigError(
                f"region {strange[0]} is not among the configured ones ({', '.join(ours)}), "
                "so nobody would watch over machines there",
                hint=f"add {strange[0]} to regions in [aws], or choose another region",
            )
        return spec.region or ours

    def _in_region(self, spec: RunnerSpec, region: str) -> list[Offering]:
        names = candidates(spec, region)
        if not names:
            return []
        with ThreadPoolExecutor(4) as pool:
            types = pool.submit(self._types, region, names)
            zones = pool.submit(self._zones, region, names)
            spot = pool.submit(self._spot_prices, region, names if spec.spot is not SpotUse.NEVER else [])
            subnets = pool.submit(self._network.subnets, region)
        usable = [zone for zone in subnets.result() if not spec.zone or zone in spec.zone]
        return [
            offering
            for type_ in types.result()
            for zone in usable
            if zone in zones.result().get(type_.name, ())
            for offering in _both_markets(type_, region, zone, spot.result())
        ]

    def _key(self, region: str, names: Sequence[str]) -> str:
        return " ".join((self._clients.account_key(), region, *sorted(names)))

    def _types(self, region: str, names: list[str]) -> list[InstanceType]:
        def load() -> object:
            with told(f"reading the instance types of {region}"):
                pages = self._clients.ec2(region).get_paginator("describe_instance_types")
                found = pages.paginate(Filters=_named(names), PaginationConfig={"PageSize": _TYPES_PAGE})
                return [type_as_json(parse_type(each)) for page in found for each in page["InstanceTypes"]]

        return self._cache.get(
            "types",
            self._key(region, names),
            load,
            lambda kept: [type_from_json(one) for one in cast("list[object]", kept)],
        )

    def _zones(self, region: str, names: list[str]) -> dict[str, set[str]]:
        def load() -> object:
            with told(f"reading which zones of {region} offer which types"):
                pages = self._clients.ec2(region).get_paginator("describe_instance_type_offerings")
                found = pages.paginate(
                    LocationType="availability-zone", Filters=_named(names), PaginationConfig={"PageSize": _PAGE}
                )
                return [
                    [str(one.get("InstanceType", "")), one.get("Location", "")]
                    for page in found
                    for one in page["InstanceTypeOfferings"]
                ]

        return self._cache.get("zones", self._key(region, names), load, _by_type)

    def _spot_prices(self, region: str, names: list[str]) -> dict[tuple[str, str], float]:
        """The price of (type, zone); prices are a help, so without them the launch goes on."""
        if not names:
            return {}
        try:
            return self._cache.get(
                "spot", self._key(region, names), lambda: self._spot_history(region, names), _by_type_and_zone
            )
        except (CloudUnavailable, CloudThrottled):
            return {}

    def _spot_history(self, region: str, names: list[str]) -> object:
        try:
            with told(f"reading the spot prices of {region}"):
                pages = self._clients.ec2(region).get_paginator("describe_spot_price_history")
                found = pages.paginate(
                    Filters=_named(names),
                    ProductDescriptions=_PRODUCTS,
                    StartTime=self._clock.now(),
                    PaginationConfig={"PageSize": _PAGE},
                )
                rows = [row for page in found for row in page["SpotPriceHistory"]]
        except CloudDenied:
            return []
        # The latest price last, so that it is the one that stays.
        rows.sort(key=lambda row: str(row.get("Timestamp", "")))
        return [[row.get("InstanceType"), row.get("AvailabilityZone"), row.get("SpotPrice")] for row in rows]


def _named(names: list[str]) -> list[FilterTypeDef]:
    return [{"Name": "instance-type", "Values": names}]


def _both_markets(
    type_: InstanceType, region: str, zone: str, spot: dict[tuple[str, str], float]
) -> tuple[Offering, Offering]:
    fixed = price_table().on_demand(type_.name, region)
    return (
        Offering(type_, region, zone, Market.SPOT, spot.get((type_.name, zone))),
        Offering(type_, region, zone, Market.ON_DEMAND, fixed),
    )


def _by_type(kept: object) -> dict[str, set[str]]:
    zones: dict[str, set[str]] = {}
    for type_name, zone in cast("list[list[str]]", kept):
        zones.setdefault(type_name, set()).add(zone)
    return zones


def _by_type_and_zone(kept: object) -> dict[tuple[str, str], float]:
    return {(type_name, zone): float(price) for type_name, zone, price in cast("list[list[Any]]", kept)}
