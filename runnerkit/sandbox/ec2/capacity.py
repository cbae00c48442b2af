"""How many machines each pool still has, and how many virtual CPUs the account may run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerkit.sandbox.ec2.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Iterable

SPOT, ON_DEMAND = "spot", "on-demand"
FAMILY_CLASSES = {"g": "G", "gr": "G", "vt": "G", "p": "P", "inf": "Inf", "trn": "Trn", "dl": "DL", "f": "F", "x": "X"}
QUOTA_CLASSES = ("Standard", *dict.fromkeys(FAMILY_CLASSES.values()))


def family_class(instance_type: str) -> str:
    """The group of families that share a quota: ``G`` (with VT), ``P``, ``Standard`` and a few rare ones."""
    letters = instance_type.split(".", maxsplit=1)[0]
    leading = letters[: next((i for i, c in enumerate(letters) if not c.isalpha()), len(letters))]
    return FAMILY_CLASSES.get(leading, "Standard")


@dataclass(frozen=True, slots=True)
class Pool:
    """One capacity pool: a type in a zone on a market (``spot`` or ``on-demand``)."""

    type: str
    zone: str
    market: str


@dataclass(slots=True)
class Stock:
    """What a rule has left; machines that were taken from it are given back to it and to no other."""

    pool: Pool
    left: int | None
    code: str
    message: str

    def give_back(self) -> None:
        """A machine that was taken from here is gone."""
        if self.left is not None:
            self.left += 1

    def covers(self, pool: Pool) -> bool:
        """Whether the rule speaks of this pool."""
        pairs = ((self.pool.type, pool.type), (self.pool.zone, pool.zone), (self.pool.market, pool.market))
        return all(rule in {"*", asked} for rule, asked in pairs)

    def wildcards(self) -> int:
        """How unspecific the rule is; the most specific one decides."""
        return [self.pool.type, self.pool.zone, self.pool.market].count("*")


class Capacity:
    """The capacity table and the quotas. Pools without a rule never run empty."""

    def __init__(self) -> None:
        self._rules: dict[Pool, Stock] = {}
        self._quotas: dict[tuple[str, str], int] = {}

    def set(self, pool: Pool, left: int | None, code: str = "", message: str = "") -> None:
        """Let ``left`` more machines start in a pool (None: any number); fields of the pool may be ``*``."""
        self._rules[pool] = Stock(pool, left, code, message)

    def set_quota(self, market: str, family: str, vcpus: int | None) -> None:
        """Limit the virtual CPUs that run on a market in a family class (None: no limit)."""
        self._quotas.pop((market, family), None)
        if vcpus is not None:
            self._quotas[market, family] = vcpus

    def quota(self, market: str, family: str) -> int | None:
        """The limit of a family class on a market; None: no limit."""
        return self._quotas.get((market, family))

    def clear(self) -> None:
        """Give every pool unlimited capacity and drop the quotas."""
        self._rules.clear()
        self._quotas.clear()

    def take(
        self,
        pool: Pool,
        vcpus: int,
        running: Iterable[tuple[Pool, int]],
        shortage: str = "InsufficientInstanceCapacity",
    ) -> Stock | None:
        """Reserve one machine and tell from which limited stock (None: unlimited).

        ``shortage`` is the code for an empty pool whose rule names none.

        Raises:
            AwsError: The quota is used up, or the pool is empty.
        """
        self._check_quota(pool, vcpus, running)
        rule = self._rule(pool)
        if rule is None or rule.left is None:
            return None
        if rule.left <= 0:
            code = rule.code or shortage
            raise AwsError(code, rule.message or _wording(code, pool))
        rule.left -= 1
        return rule

    def _rule(self, pool: Pool) -> Stock | None:
        fitting = [rule for rule in self._rules.values() if rule.covers(pool)]
        return min(fitting, key=Stock.wildcards, default=None)

    def _check_quota(self, pool: Pool, vcpus: int, running: Iterable[tuple[Pool, int]]) -> None:
        family = family_class(pool.type)
        quota = self._quotas.get((pool.market, family))
        if quota is None:
            return
        used = sum(n for other, n in running if other.market == pool.market and family_class(other.type) == family)
        if used + vcpus <= quota:
            return
        if pool.market == SPOT:
            raise AwsError("MaxSpotInstanceCountExceeded")
        raise AwsError(
            "VcpuLimitExceeded",
            f"You have requested more vCPU capacity than your current vCPU limit of {quota} allows for the instance "
            "bucket that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/"
            "ec2-request to request an adjustment to this limit.",
        )


def _wording(code: str, pool: Pool) -> str:
    if code != "InsufficientInstanceCapacity":
        return ""
    if pool.market == SPOT:
        return "There is no Spot capacity available that matches your request."
    return (
        f"We currently do not have sufficient {pool.type} capacity in the Availability Zone you requested "
        f"({pool.zone}). Our system will be working on provisioning additional capacity."
    )
