"""The vCPU quotas that bound launches: one for each class of families, market and region.

Names and codes are those of AWS Service Quotas (https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html).
"""

from __future__ import annotations

from dataclasses import dataclass

from runnerkit.model import Market


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota as Service Quotas lists it; ``code`` is empty where it is not known for certain."""

    name: str
    code: str = ""

    def where(self, region: str) -> str:
        """Where to raise it, in one sentence."""
        named = f"{self.name!r} ({self.code})" if self.code else repr(self.name)
        place = f"https://{region}.console.aws.amazon.com/servicequotas/home/services/ec2/quotas"
        return (
            f"raise the quota {named} of {region}, counted in vCPUs, at {place}{f'/{self.code}' if self.code else ''}"
        )


_STANDARD = {
    Market.SPOT: Quota("All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", "L-34B43A08"),
    Market.ON_DEMAND: Quota("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", "L-1216C47A"),
}
_CLASSES = {
    "g": {
        Market.SPOT: Quota("All G and VT Spot Instance Requests", "L-3819A6DF"),
        Market.ON_DEMAND: Quota("Running On-Demand G and VT instances", "L-DB2E81BA"),
    },
    "p": {
        Market.SPOT: Quota("All P4, P3 and P2 Spot Instance Requests", "L-7212CCBC"),
        Market.ON_DEMAND: Quota("Running On-Demand P instances", "L-417A185B"),
    },
}
_SPOT_OF_FAMILY = {
    "p5": Quota("All P5 Spot Instance Requests", "L-C4BD4855"),
    "p6": Quota("the Spot Instance Requests of P6"),
}


def quota_for(type_name: str, market: Market) -> Quota:
    """The quota that a launch of this type counts against."""
    if market is Market.SPOT and type_name[:2] in _SPOT_OF_FAMILY:
        return _SPOT_OF_FAMILY[type_name[:2]]
    first = "g" if type_name.startswith("vt") else type_name[:1]
    return _CLASSES.get(first, _STANDARD)[market]
