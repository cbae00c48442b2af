"""Checks of what can be had: quotas in vCPUs for each class of types, and whether anything on offer fulfils a wish."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from runnerkit.doctor.checking import check
from runnerkit.doctor.words import Group, Remark, failure, note, ok, unknown, warning
from runnerkit.model import Market
from runnerkit.wishes import SpotUse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runnerkit.doctor.facts_aws import Limit, Offer
    from runnerkit.doctor.seen import Observed

# New accounts have 0, and AWS asks for a number: room for a few machines of the smaller types.
ASK_AT_LEAST = 32
_READS = ("limits", "offers")
_TODO = "Ask AWS for more: the command and the page are in the finding. AWS answers within hours or days."


@check(
    "aws-spot-quota",
    Group.AWS,
    "Are there enough spot vCPUs for each class of types that the specs use?",
    reads=_READS,
    levels="nwf",
    todo=_TODO,
)
def spot_quota(seen: Observed) -> Iterator[Remark]:
    """The spot quotas have room for every wish that uses spot."""
    yield from _quotas(seen, Market.SPOT)


@check(
    "aws-on-demand-quota",
    Group.AWS,
    "Are there enough on-demand vCPUs for each class of types that the specs use?",
    reads=_READS,
    levels="nwf",
    todo=_TODO,
)
def on_demand_quota(seen: Observed) -> Iterator[Remark]:
    """The on-demand quotas have room for every wish that may fall back to it."""
    yield from _quotas(seen, Market.ON_DEMAND)


def _quotas(seen: Observed, market: Market) -> Iterator[Remark]:
    needs = _needs(seen, market)
    if not needs:
        yield ok(f"no spec uses {market}")
        return
    limits = {(limit.region, limit.name): limit for limit in seen.limits.value if limit.market is market}
    for (region, name), (vcpus, wishes) in needs.items():
        limit = limits.get((region, name))
        if limit is None or limit.vcpus is None:
            yield unknown(f"{region}: nobody tells the quota {name!r}", _page(region, limit))
        else:
            yield _judged(limit, vcpus, wishes, seen)


def _needs(seen: Observed, market: Market) -> Mapping[tuple[str, str], tuple[int, list[str]]]:
    """By region and quota: the vCPUs that the largest of the wishes needs at least, and the wishes."""
    found: dict[tuple[str, str], tuple[int, list[str]]] = {}
    for offer in seen.offers.value:
        if market not in _markets(seen, offer.wish):
            continue
        for name, vcpus in _smallest(offer, market).items():
            most, wishes = found.get((offer.region, name), (0, []))
            found[offer.region, name] = (max(most, vcpus), [*wishes, offer.wish])
    return found


def _markets(seen: Observed, wish: str) -> tuple[Market, ...]:
    uses = {wished.name: wished.spec.spot for wished in seen.wished if wished.spec is not None}
    narrow = {SpotUse.ONLY: (Market.SPOT,), SpotUse.NEVER: (Market.ON_DEMAND,)}
    return narrow.get(uses.get(wish) or SpotUse.PREFER, tuple(Market)) if wish in uses else ()


def _smallest(offer: Offer, market: Market) -> dict[str, int]:
    sizes: dict[str, list[int]] = defaultdict(list)
    for type_ in offer.types:
        sizes[type_.quotas[market]].append(type_.vcpus)
    return {name: min(each) for name, each in sizes.items()}


def _judged(limit: Limit, vcpus: int, wishes: list[str], seen: Observed) -> Remark:
    has, who = int(limit.vcpus or 0), ", ".join(dict.fromkeys(wishes))
    told = f"{limit.region}: {has} vCPUs of {limit.name}"
    if has < vcpus:
        # One class of types that has room is enough for a wish, and so is another region, or the other market.
        make = warning if all(_has_a_way(seen, wish) for wish in wishes) else failure
        why = "new accounts start with 0; until it is raised AWS refuses every such machine"
        return make(f"{told}; {who} needs {vcpus}", why, _page(limit.region, limit, max(ASK_AT_LEAST, vcpus)))
    if has < 2 * vcpus and seen.config.policy.max_machines > 1:
        return note(f"{told}: room for one machine of {who}", "a second job has to wait", _page(limit.region, limit))
    return ok(f"{told} ({who} needs {vcpus})")


def _has_a_way(seen: Observed, wish: str) -> bool:
    limits = {(each.market, each.region, each.name): each.vcpus or 0 for each in seen.limits.value}
    return any(
        limits.get((market, offer.region, name), 0) >= vcpus
        for offer in seen.offers.value
        if offer.wish == wish
        for market in _markets(seen, wish)
        for name, vcpus in _smallest(offer, market).items()
    )


def _page(region: str, limit: Limit | None, wanted: int = 0) -> str:
    place = f"https://{region}.console.aws.amazon.com/servicequotas/home/services/ec2/quotas"
    if limit is None or not limit.code:
        return place
    if not wanted:
        return f"{place}/{limit.code}"
    return (
        "aws service-quotas request-service-quota-increase --service-code ec2 "
        f"--quota-code {limit.code} --desired-value {wanted} --region {region}"
    )


@check(
    "aws-offerings",
    Group.AWS,
    "Is there anything on offer for the default and for each named spec, and at which price?",
    reads=("offers",),
    levels="f",
    todo="Widen the spec: more GPU models, zones or regions, a higher `price`; try it with `runnerkit offerings`.",
)
def offerings(seen: Observed) -> Iterator[Remark]:
    """Each wish can be had somewhere."""
    for wished in seen.wished:
        if wished.spec is None:
            yield failure(f"{wished.name}: {wished.problem}", "a job that asks for it is refused", wished.hint)
            continue
        offers = [offer for offer in seen.offers.value if offer.wish == wished.name]
        there = [offer for offer in offers if offer.types]
        if there:
            yield ok(f"{wished.name}: {'; '.join(_priced(offer) for offer in there)}")
        elif offers:
            yield failure(
                f"{wished.name}: {offers[0].problem}",
                "a job that asks for it never gets a machine",
                offers[0].hint or "runnerkit offerings shows what there is; widen the spec",
            )
        else:
            yield unknown(f"{wished.name}: the market could not be read")


def _priced(offer: Offer) -> str:
    prices = [
        f"{market} from ${price:.3f}/h"
        for market, price in (("spot", offer.spot), ("on-demand", offer.on_demand))
        if price is not None
    ]
    types = f"{len(offer.types)} type{'s' if len(offer.types) > 1 else ''}"
    return f"{types} in {len(offer.zones)} zone(s) of {offer.region}" + (f", {', '.join(prices)}" if prices else "")


CHECKS = (spot_quota, on_demand_quota, offerings)
