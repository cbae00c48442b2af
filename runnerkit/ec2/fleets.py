"""What a fleet answered: instances, refusals pool by pool, or a mistake that no pool will forgive. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from runnerkit.ec2.answers import code_of, denied_in_fleet, message_of
from runnerkit.ec2.codes import Verdict, verdict
from runnerkit.ec2.quotas import quota_for
from runnerkit.errors import CloudDenied, RunnerkitError
from runnerkit.model import Breadth, Market, Refusal
from runnerkit.ports import Launched

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mypy_boto3_ec2.type_defs import (
        CreateFleetErrorTypeDef,
        CreateFleetInstanceTypeDef,
        CreateFleetResultTypeDef,
        LaunchTemplateAndOverridesResponseTypeDef,
    )

    from runnerkit.ec2.requests import Place
    from runnerkit.model import Offering

_NO_REASON = "UnfulfillableCapacity"


@dataclass(frozen=True, slots=True)
class Answer:
    """One call's outcome. ``wrong`` is an error that is no refusal, ``code`` AWS's word for it."""

    launched: tuple[Launched, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    wrong: RunnerkitError | None = None
    code: str = ""


def read_answer(
    response: CreateFleetResultTypeDef, pools: Sequence[Offering], place: Place, now: datetime, doing: str
) -> Answer:
    """The outcome of a fleet that answered. Refusals count also when another pool gave an instance."""
    errors = response.get("Errors", [])
    launched = _launched(response.get("Instances", []), pools, place)
    rows = [verdict(e.get("ErrorCode", ""), e.get("ErrorMessage", ""), in_fleet=True) for e in errors]
    refusals = [
        refusal
        for error, row in zip(errors, rows, strict=True)
        for refusal in _refusals(error, row, pools, place, now)
        if row.breadth is not None
    ]
    if not launched and not refusals and errors:
        return Answer(wrong=_mistake(errors[0], rows[0], doing), code=errors[0].get("ErrorCode", ""))
    if not launched and not refusals:
        nothing = verdict(_NO_REASON)
        refusals = [_refusal(pool, _NO_REASON, nothing, "the fleet gave no reason", now) for pool in pools]
    return Answer(launched, tuple(dict.fromkeys(refusals)))


def refused_call(fault: Exception, row: Verdict, pools: Sequence[Offering], now: datetime) -> Answer:
    """The outcome of a call that was refused as a whole: every pool in it was."""
    return Answer(refusals=tuple(_refusal(pool, code_of(fault), row, message_of(fault), now) for pool in pools))


def _launched(
    instances: Sequence[CreateFleetInstanceTypeDef], pools: Sequence[Offering], place: Place
) -> tuple[Launched, ...]:
    ids = [(id_, instance) for instance in instances for id_ in instance.get("InstanceIds", [])]
    return tuple(_one(instance_id, told, pools, place) for instance_id, told in ids)


def _one(instance_id: str, told: CreateFleetInstanceTypeDef, pools: Sequence[Offering], place: Place) -> Launched:
    market = Market.SPOT if told.get("Lifecycle") == "spot" else pools[0].market
    chosen, zone = _overrides(told.get("LaunchTemplateAndOverrides"), place)
    type_name, zone = str(told.get("InstanceType") or chosen), told.get("AvailabilityZone") or zone
    price = next((pool.price for pool in pools if (pool.type.name, pool.zone) == (type_name, zone)), None)
    return Launched(instance_id, type_name, pools[0].region, zone, market, price)


def _refusals(
    error: CreateFleetErrorTypeDef, row: Verdict, pools: Sequence[Offering], place: Place, now: datetime
) -> list[Refusal]:
    """One error is about one pool; one that does not say which is about all of them."""
    type_name, zone = _overrides(error.get("LaunchTemplateAndOverrides"), place)
    meant = [pool for pool in pools if type_name in ("", pool.type.name) and zone in ("", pool.zone)]
    code, message = error.get("ErrorCode", ""), error.get("ErrorMessage", "")
    return [_refusal(pool, code, row, message, now) for pool in meant]


def _refusal(pool: Offering, code: str, row: Verdict, message: str, now: datetime) -> Refusal:
    breadth = row.breadth or Breadth.POOL
    if breadth is Breadth.QUOTA:
        message = f"{message.rstrip('. ')}; {quota_for(pool.type.name, pool.market).where(pool.region)}"
    return Refusal(code, breadth, pool.type.name, pool.region, pool.zone, pool.market, now, message)


def _overrides(told: LaunchTemplateAndOverridesResponseTypeDef | None, place: Place) -> tuple[str, str]:
    """Type and zone that an entry of the answer speaks of; empty where it does not say."""
    overrides = cast("dict[str, Any]", (told or {}).get("Overrides", {}))
    zones = {subnet.id: zone for zone, subnet in place.subnets.items()}
    zone = overrides.get("AvailabilityZone") or zones.get(overrides.get("SubnetId", ""), "")
    return str(overrides.get("InstanceType", "")), zone


def _mistake(error: CreateFleetErrorTypeDef, row: Verdict, doing: str) -> RunnerkitError:
    code, message = error.get("ErrorCode", ""), error.get("ErrorMessage", "")
    if row.error is CloudDenied:
        return denied_in_fleet(code, message, doing)
    return row.error(f"{doing}: {code}: {message}", aws_code=code, hint=row.hint)
