"""What the shipped table knows: hardware and on-demand prices of the types in common use."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from runnerkit.model import Gpu, InstanceType

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOME = "us-east-1"


@dataclass(frozen=True, slots=True)
class PriceTable:
    """The table as read. Prices are exact for us-east-1; elsewhere the family's regional factor is applied to them."""

    dated: date
    types: Mapping[str, InstanceType]
    home_prices: Mapping[str, float]
    factors: Mapping[str, Mapping[str, float]]

    def on_demand(self, type_name: str, region: str) -> float | None:
        """Dollars an hour; None where the table does not know."""
        home = self.home_prices.get(type_name)
        family = type_name.partition(".")[0]
        factor = 1.0 if region == _HOME else self.factors.get(region, {}).get(family)
        return None if home is None or factor is None else round(home * factor, 4)


@cache
def price_table() -> PriceTable:
    """The table of this release, read once."""
    table = json.loads(files("runnerkit.ec2").joinpath("data", "instance_types.json").read_bytes())
    return PriceTable(
        dated=date.fromisoformat(table["prices"]),
        types=MappingProxyType({name: _type(name, row) for name, row in table["types"].items()}),
        home_prices=MappingProxyType({name: row[0] for name, row in table["types"].items() if row[0] is not None}),
        factors=MappingProxyType(table["factors"]),
    )


def price_date() -> date:
    """The day of the on-demand prices in this release."""
    return price_table().dated


def _type(name: str, row: list[Any]) -> InstanceType:
    _, arch, cpu, ram, *gpu = row
    return InstanceType(name, arch, cpu, ram, Gpu(*gpu) if gpu else None)
