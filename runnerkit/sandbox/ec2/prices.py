"""What machines cost here: on-demand prices of one day, and spot prices made from them.

On-demand prices are Linux prices of us-east-1 in dollars an hour as Karpenter's table had them on 2026-07-20.
Types that the table does not know are priced by their virtual CPUs.
"""

from __future__ import annotations

import hashlib

PER_VCPU = 0.048
CHEAPEST, DEAREST = 0.30, 0.45

ON_DEMAND: dict[str, dict[str, float]] = {
    "g4dn": {
        "xlarge": 0.526,
        "2xlarge": 0.752,
        "4xlarge": 1.204,
        "8xlarge": 2.176,
        "12xlarge": 3.912,
        "16xlarge": 4.352,
        "metal": 7.824,
    },
    "g5": {
        "xlarge": 1.006,
        "2xlarge": 1.212,
        "4xlarge": 1.624,
        "8xlarge": 2.448,
        "12xlarge": 5.672,
        "16xlarge": 4.096,
        "24xlarge": 8.144,
        "48xlarge": 16.288,
    },
    "g6": {
        "xlarge": 0.805,
        "2xlarge": 0.978,
        "4xlarge": 1.323,
        "8xlarge": 2.014,
        "12xlarge": 4.602,
        "16xlarge": 3.397,
        "24xlarge": 6.675,
        "48xlarge": 13.350,
    },
    "gr6": {"4xlarge": 1.539, "8xlarge": 2.446},
    "g6f": {"large": 0.202, "xlarge": 0.237, "2xlarge": 0.475, "4xlarge": 0.950},
    "g6e": {
        "xlarge": 1.861,
        "2xlarge": 2.242,
        "4xlarge": 3.004,
        "8xlarge": 4.529,
        "12xlarge": 10.493,
        "16xlarge": 7.577,
        "24xlarge": 15.066,
        "48xlarge": 30.131,
    },
    "g7": {
        "2xlarge": 2.52,
        "4xlarge": 3.04,
        "8xlarge": 4.09,
        "12xlarge": 7.13,
        "24xlarge": 14.26,
        "48xlarge": 28.51,
    },
    "g7e": {
        "2xlarge": 3.36,
        "4xlarge": 4.00,
        "8xlarge": 5.27,
        "12xlarge": 8.29,
        "24xlarge": 16.57,
        "48xlarge": 33.14,
    },
    "g5g": {"xlarge": 0.420, "2xlarge": 0.556, "4xlarge": 0.828, "8xlarge": 1.372, "16xlarge": 2.744},
    "p3": {"2xlarge": 3.06, "8xlarge": 12.24, "16xlarge": 24.48},
    "p3dn": {"24xlarge": 31.212},
    "p4d": {"24xlarge": 21.958},
    "p4de": {"24xlarge": 27.447},
    "p5": {"4xlarge": 6.880, "48xlarge": 55.040},
    "p5en": {"48xlarge": 63.296},
    "p6-b200": {"48xlarge": 113.93},
    "p6-b300": {"48xlarge": 142.42},
}


def on_demand_price(instance_type: str, vcpus: int) -> float:
    """Dollars an hour on demand."""
    family, _, size = instance_type.partition(".")
    return ON_DEMAND.get(family, {}).get(size) or round(vcpus * PER_VCPU, 4)


class SpotPrices:
    """Spot prices: 30 to 45 % of the on-demand price, the same for a type and zone every time, unless set."""

    def __init__(self) -> None:
        self._set: dict[tuple[str, str], float] = {}

    def set(self, instance_type: str, zone: str, dollars: float) -> None:
        """Fix the price of a type in a zone (``*`` for every zone)."""
        self._set[instance_type, zone] = dollars

    def of(self, instance_type: str, zone: str, vcpus: int) -> float:
        """Dollars an hour on the spot market."""
        for key in ((instance_type, zone), (instance_type, "*")):
            if key in self._set:
                return self._set[key]
        digest = hashlib.sha256(f"{instance_type} {zone}".encode()).digest()
        share = CHEAPEST + (DEAREST - CHEAPEST) * digest[0] / 255
        return round(on_demand_price(instance_type, vcpus) * share, 4)

    def clear(self) -> None:
        """Forget every fixed price."""
        self._set.clear()
