"""Which offerings fulfil a wish, and in which order they are tried. Pure; the cloud only says what there is."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from runnerkit.errors import NotOffered
from runnerkit.model import Attempt, Breadth, Market, Offering
from runnerkit.wishes import SpotUse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runnerkit.model import Gpu, InstanceType, Refusal
    from runnerkit.wishes import Policy, RunnerSpec

# An allocation strategy may pick any override it is given, so dear relatives of the cheapest fit are left out unless
# the wish names types: up to this many times the market's cheapest price is close enough to be a substitute.
PRICE_SPREAD = 2.0

MARKETS: dict[SpotUse, tuple[Market, ...]] = {
    SpotUse.PREFER: (Market.SPOT, Market.ON_DEMAND),
    SpotUse.ONLY: (Market.SPOT,),
    SpotUse.NEVER: (Market.ON_DEMAND,),
}


@dataclass(frozen=True, slots=True)
class _Filter:
    """One condition of a wish: what it is called in a label, and whether an offering meets it."""

    wish: str
    meets: Callable[[Offering], bool]

    @property
    def said(self) -> bool:
        """Whether the wish says anything here; an unsaid condition holds for everything."""
        return not self.wish.endswith("=")


def matching(spec: RunnerSpec, offerings: Iterable[Offering]) -> list[Offering]:
    """The offerings that fulfil a wish, cheapest first.

    Raises:
        NotOffered: None does; the message names the condition that nothing met, the hint what there would be.
    """
    left = list(offerings)
    if not left:
        said = " ".join(condition.wish for condition in _conditions(spec) if condition.said)
        raise NotOffered(
            _nothing(spec, f"no instance type there has {said or 'known'}"),
            hint="`runnerkit offerings gpu=any` lists what there is; another region may have it",
        )
    for condition in _conditions(spec):
        kept = [offering for offering in left if condition.meets(offering)]
        if not kept:
            raise NotOffered(_nothing(spec, f"no type there has {condition.wish}"), hint=_what_there_is(left))
        left = kept
    return sorted(_close_in_price(spec, left), key=_rank)


def is_allowed(offering: Offering, policy: Policy) -> bool:
    """Whether policy lets anybody have it, whatever a label says or leaves unsaid."""
    gpu = offering.type.gpu
    return (
        _among(offering.type.name, policy.types)
        and _among(offering.region, policy.regions)
        and (gpu is None or _among(gpu.model, policy.gpus))
    )


def _among(word: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(word, pattern) for pattern in patterns)


def attempts(
    spec: RunnerSpec, offerings: Sequence[Offering], refusals: Iterable[Refusal], regions: Sequence[str] = ()
) -> tuple[Attempt, ...]:
    """The launch calls to make, in order: region by region as wish or configuration lists them, spot before on-demand.

    Args:
        spec: The wish; its ``spot`` decides about the markets, its ``region`` about the order.
        offerings: What :func:`matching` returned.
        refusals: The refusals still remembered; what they speak for is left out. May leave nothing to try.
        regions: The configured regions in their order; where that is not known, the cheapest comes first.
    """
    remembered = list(refusals)
    open_ones = [offering for offering in offerings if not any(speaks_for(refusal, offering) for refusal in remembered)]
    ordered = dict.fromkeys((*spec.region, *regions, *(offering.region for offering in offerings)))
    return tuple(
        Attempt(market, region, pools)
        for region in ordered
        for market in MARKETS[spec.spot or SpotUse.PREFER]
        if (pools := _pools(open_ones, offerings, market, region))
    )


def speaks_for(refusal: Refusal, offering: Offering) -> bool:
    """Whether a refusal makes this offering not worth trying for now."""
    return refusal.region == offering.region and _REACH[refusal.breadth](refusal, offering)


_REACH: dict[Breadth, Callable[[Refusal, Offering], bool]] = {
    Breadth.POOL: lambda r, o: r.market is o.market and r.zone == o.zone and r.type == o.type.name,
    Breadth.TYPE_IN_ZONE: lambda r, o: r.zone == o.zone and r.type == o.type.name,
    Breadth.ZONE: lambda r, o: r.zone == o.zone,
    Breadth.QUOTA: lambda r, o: r.market is o.market and quota_class(r.type) == quota_class(o.type.name),
    Breadth.MARKET: lambda r, o: r.market is o.market,
    Breadth.REGION: lambda _r, _o: True,
}


def quota_class(type_name: str) -> str:
    """The class of families that share one vCPU quota: G and VT, P, Inf, Trn, DL, F, X, U, or Standard for the rest.

    Source: AWS's pages on EC2 instance quotas; spot and on-demand are separate quotas of the same classes.
    """
    letters = "".join(c for c in type_name.partition(".")[0].partition("-")[0] if c.isalpha())
    for prefix, name in (("inf", "inf"), ("trn", "trn"), ("dl", "dl"), ("vt", "g"), ("hpc", "hpc"), ("mac", "mac")):
        if type_name.startswith(prefix):
            return name
    return letters[0] if letters[:1] in {"g", "p", "f", "x", "u"} else "standard"


def _conditions(spec: RunnerSpec) -> list[_Filter]:
    conditions = [
        _Filter(_said("region", spec.region), lambda o: not spec.region or o.region in spec.region),
        _Filter(_said("zone", spec.zone), lambda o: not spec.zone or o.zone in spec.zone),
        _Filter(_said("type", spec.type), lambda o: not spec.type or o.type.name in spec.type),
        _Filter(_said("family", spec.family), lambda o: not spec.family or _in_family(spec, o.type)),
        _Filter(_gpu_words(spec), lambda o: _has_gpu(spec, o.type)),
        _Filter(_said("arch", spec.arch), lambda o: not spec.arch or o.type.arch in spec.arch),
    ]
    if (cpu := spec.cpu) is not None:
        conditions.append(_Filter(f"cpu={cpu}", lambda o: cpu.holds(o.type.cpu)))
    if (ram := spec.ram) is not None:
        conditions.append(_Filter(f"ram={ram}", lambda o: ram.holds(o.type.ram)))
    markets = MARKETS[spec.spot or SpotUse.PREFER]
    conditions.append(_Filter(f"spot={spec.spot}", lambda o: o.market in markets))
    if (price := spec.price) is not None:
        # An unknown price cannot be shown to be low enough.
        conditions.append(_Filter(f"price={price:g}", lambda o: o.price is not None and o.price <= price))
    return conditions


def _in_family(spec: RunnerSpec, type_: InstanceType) -> bool:
    return any(fnmatchcase(type_.family, family) for family in spec.family)


def _has_gpu(spec: RunnerSpec, type_: InstanceType) -> bool:
    if not spec.gpu:
        # A GPU is never rented by accident: only a wish for one, or for a type by name, gets one.
        return type_.gpu is None or (not spec.no_gpu and bool(spec.type or spec.family))
    gpu = type_.gpu
    return gpu is not None and any(_is_model(wish.model, gpu) and wish.count == gpu.count for wish in spec.gpu)


def _is_model(wanted: str, gpu: Gpu) -> bool:
    # "any" means any whole GPU: a slice of one is only had by its name.
    return wanted == gpu.model or (wanted == "any" and not gpu.model.endswith("-fraction"))


def _close_in_price(spec: RunnerSpec, offerings: list[Offering]) -> list[Offering]:
    if spec.type or spec.family:
        return offerings
    kept: list[Offering] = []
    for market in Market:
        pools = [offering for offering in offerings if offering.market is market]
        known = [offering.price for offering in pools if offering.price is not None]
        limit = min(known, default=float("inf")) * PRICE_SPREAD
        kept += [offering for offering in pools if (offering.price or 0.0) <= limit]
    return kept


def _rank(offering: Offering) -> tuple[float, int, str, str, str]:
    # An unknown price goes last, the smaller type first.
    price = offering.price if offering.price is not None else float("inf")
    return price, offering.type.cpu, offering.type.name, offering.zone, offering.market


def _pools(
    open_ones: Sequence[Offering], all_of_them: Sequence[Offering], market: Market, region: str
) -> tuple[Offering, ...]:
    pools = [offering for offering in open_ones if offering.market is market and offering.region == region]
    if market is Market.ON_DEMAND:
        return tuple(pools)
    # Spot that costs more than the cheapest on-demand machine buys nothing but interruptions.
    fixed = [
        o.price for o in all_of_them if o.market is Market.ON_DEMAND and o.region == region and o.price is not None
    ]
    ceiling = min(fixed, default=float("inf"))
    return tuple(offering for offering in pools if offering.price is None or offering.price <= ceiling)


def _said(key: str, values: tuple[str, ...]) -> str:
    return f"{key}={'+'.join(values)}"


def _gpu_words(spec: RunnerSpec) -> str:
    if not spec.gpu:
        return "gpu=0"
    return "gpu=" + "+".join(wish.model if wish.count == 1 else f"{wish.count}x{wish.model}" for wish in spec.gpu)


def _nothing(spec: RunnerSpec, why: str) -> str:
    where = f" in {', '.join(spec.region)}" if spec.region else ""
    return f"nothing on offer{where} fulfils the wish: {why}"


def _what_there_is(offerings: Iterable[Offering]) -> str:
    seen = list(offerings)
    gpus = sorted({f"{o.type.gpu.count}x{o.type.gpu.model}" for o in seen if o.type.gpu})
    prices = sorted({o.price for o in seen if o.price is not None})
    zones = sorted({o.zone for o in seen})
    words = [f"zones {', '.join(zones)}"]
    words += [f"gpus {', '.join(gpus)}"] if gpus else []
    words += [f"prices from {prices[0]:g} to {prices[-1]:g} dollars an hour"] if prices else []
    return "what is left before that condition: " + "; ".join(words)
