"""What AWS has to offer, what of it was refused, and what one launch call may choose from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime


class Market(StrEnum):
    """How an instance is bought."""

    SPOT = "spot"
    ON_DEMAND = "on-demand"


@dataclass(frozen=True, slots=True)
class Gpu:
    """The GPUs of an instance type; ``memory`` is GiB for each."""

    model: str
    count: int
    memory: float


@dataclass(frozen=True, slots=True)
class InstanceType:
    """What an EC2 instance type is; ``ram`` in GiB, ``on_demand`` in dollars an hour where known."""

    name: str
    arch: str
    cpu: int
    ram: float
    gpu: Gpu | None = None

    @property
    def family(self) -> str:
        """``g5`` of ``g5.xlarge``."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Offering:
    """An instance type in a zone at a market: one pool of capacity. ``price`` is None when nobody could tell it."""

    type: InstanceType
    region: str
    zone: str
    market: Market
    price: float | None = None

    def __str__(self) -> str:
        return f"{self.type.name} in {self.zone} ({self.market})"


class Breadth(StrEnum):
    """How much of the market one refusal speaks for."""

    POOL = "pool"  # this type in this zone at this market
    TYPE_IN_ZONE = "type-in-zone"  # at either market: the zone does not offer it
    ZONE = "zone"  # every type there: the subnet is full
    QUOTA = "quota"  # every type of the same quota class in the region, at this market
    MARKET = "market"  # the whole market in the region
    REGION = "region"  # everything in the region


@dataclass(frozen=True, slots=True)
class Refusal:
    """AWS said no to an offering, and with which code."""

    code: str
    breadth: Breadth
    type: str
    region: str
    zone: str
    market: Market
    at: datetime
    message: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The refusal as programs get it."""
        return {
            "type": self.type,
            "zone": self.zone,
            "market": str(self.market),
            "code": self.code,
            "message": self.message,
            "at": self.at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Attempt:
    """One launch call: one market of one region, and every offering it may choose from."""

    market: Market
    region: str
    offerings: tuple[Offering, ...]
