"""Which offerings fulfil a wish, in which order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from runnerkit import labels
from runnerkit.errors import NotOffered
from runnerkit.model import Breadth, Gpu, InstanceType, Market, Offering, Refusal
from runnerkit.offerings import attempts, matching, quota_class, speaks_for
from runnerkit.testing import shop

if TYPE_CHECKING:
    from runnerkit.wishes import RunnerSpec

AT = datetime(2026, 1, 1, tzinfo=UTC)
SHOP = shop()


def spec(keys: str) -> RunnerSpec:
    return labels.parse(f"runnerkit/{keys}" if keys else "runnerkit").spec


def types(keys: str) -> list[str]:
    return list(dict.fromkeys(offering.type.name for offering in matching(spec(keys), SHOP)))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("gpu=t4", ["g4dn.xlarge", "g4dn.2xlarge"]),
        ("gpu=any", ["g4dn.xlarge", "g4dn.2xlarge", "g6.xlarge", "g5.xlarge"]),
        ("gpu=t4+l4", ["g4dn.xlarge", "g4dn.2xlarge", "g6.xlarge"]),
        ("gpu=t4/cpu=8", ["g4dn.2xlarge"]),
        ("gpu=0", ["m7i.large", "m7i.xlarge"]),
        ("", ["m7i.large", "m7i.xlarge"]),
        ("ram=16", ["m7i.xlarge"]),
        ("type=g5.xlarge", ["g5.xlarge"]),
        ("family=g*", ["g4dn.xlarge", "g4dn.2xlarge", "g6.xlarge", "g5.xlarge"]),
    ],
)
def test_a_wish_gets_what_it_says_cheapest_first(keys: str, expected: list[str]) -> None:
    """Types that fulfil a wish are listed by their cheapest price."""
    assert expected == types(keys)


def test_a_gpu_is_never_rented_by_accident() -> None:
    """A wish that names no GPU, type or family gets none."""
    assert all(offering.type.gpu is None for offering in matching(spec("cpu=4"), SHOP))


def test_the_price_limit_filters_offerings() -> None:
    """The price key drops what costs more, and what has no known price."""
    unknown = Offering(SHOP[0].type, "eu-west-1", "eu-west-1a", Market.SPOT, None)
    found = matching(spec("gpu=t4/price=0.25"), [*SHOP, unknown])
    assert {("g4dn.xlarge", Market.SPOT)} == {(o.type.name, o.market) for o in found}


def test_dear_relatives_are_left_out() -> None:
    """An allocation strategy may choose any override, so types far above the cheapest fit are not among them."""
    big = InstanceType("g4dn.16xlarge", "x64", 64, 256, Gpu("t4", 1, 16))
    dear = [Offering(big, "eu-west-1", "eu-west-1a", market, 4.352) for market in Market]
    assert "g4dn.16xlarge" not in {o.type.name for o in matching(spec("gpu=t4"), [*SHOP, *dear])}
    assert "g4dn.16xlarge" in {o.type.name for o in matching(spec("family=g4dn"), [*SHOP, *dear])}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("gpu=h100", "gpu=h100"),
        ("gpu=8xt4", "gpu=8xt4"),
        ("zone=eu-west-1c", "zone=eu-west-1c"),
        ("gpu=t4/price=0.01", "price=0.01"),
        ("gpu=t4/arch=arm64", "arch=arm64"),
    ],
)
def test_an_impossible_wish_names_the_condition_that_nothing_meets(keys: str, words: str) -> None:
    """The error names the key and value, and the hint what there would have been."""
    with pytest.raises(NotOffered, match=words) as caught:
        matching(spec(keys), SHOP)
    assert "eu-west-1a" in caught.value.hint


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("gpu=t4", [Market.SPOT, Market.ON_DEMAND]),
        ("gpu=t4/spot=only", [Market.SPOT]),
        ("gpu=t4/spot=never", [Market.ON_DEMAND]),
    ],
)
def test_spot_comes_first_and_falls_back(keys: str, expected: list[Market]) -> None:
    """Spot is tried before on-demand, unless the wish insists on one of them."""
    wish = spec(keys)
    assert expected == [attempt.market for attempt in attempts(wish, matching(wish, SHOP), ())]


def test_regions_are_tried_in_the_order_of_the_wish() -> None:
    """A wish that lists regions says in which order."""
    market = [*shop("us-east-1", ["us-east-1a"]), *SHOP]
    wish = spec("gpu=t4/region=eu-west-1+us-east-1")
    tried = [(a.region, a.market) for a in attempts(wish, matching(wish, market), ())]
    assert [(r, m) for r in ("eu-west-1", "us-east-1") for m in (Market.SPOT, Market.ON_DEMAND)] == tried


@pytest.mark.parametrize("configured", [("us-east-1", "eu-west-1"), ("eu-west-1", "us-east-1")])
def test_without_a_wish_regions_are_tried_as_they_are_configured(configured: tuple[str, ...]) -> None:
    """Not the cheapest first: where data and images are is for an administrator to say."""
    market = [*shop("us-east-1", ["us-east-1a"]), *SHOP]
    wish = spec("gpu=t4/spot=only")
    assert [a.region for a in attempts(wish, matching(wish, market), (), configured)] == list(configured)


def test_spot_dearer_than_on_demand_is_left_out() -> None:
    """Spot that costs more than the cheapest on-demand machine buys only interruptions."""
    t4 = SHOP[0].type
    pools = [
        Offering(t4, "eu-west-1", "eu-west-1a", Market.SPOT, 0.60),
        Offering(t4, "eu-west-1", "eu-west-1b", Market.SPOT, 0.20),
        Offering(t4, "eu-west-1", "eu-west-1a", Market.ON_DEMAND, 0.526),
    ]
    spot, _ = attempts(spec("gpu=t4"), pools, ())
    assert ["eu-west-1b"] == [offering.zone for offering in spot.offerings]


def refusal(
    breadth: Breadth, type_: str = "g4dn.xlarge", zone: str = "eu-west-1a", market: Market = Market.SPOT
) -> Refusal:
    return Refusal("X", breadth, type_, "eu-west-1", zone, market, AT)


REACH = [
    # breadth of a refusal of g4dn.xlarge in eu-west-1a at spot: same pool, other market, zone, type of its class, class
    (Breadth.POOL, [True, False, False, False, False]),
    (Breadth.TYPE_IN_ZONE, [True, True, False, False, False]),
    (Breadth.ZONE, [True, True, False, True, True]),
    (Breadth.QUOTA, [True, False, True, True, False]),
    (Breadth.MARKET, [True, False, True, True, True]),
    (Breadth.REGION, [True, True, True, True, True]),
]


@pytest.mark.parametrize(("breadth", "expected"), REACH)
def test_how_far_a_refusal_reaches(breadth: Breadth, expected: list[bool]) -> None:
    """A full pool says nothing about other pools, a quota speaks for its class, an account state for everything."""
    by_name = {o.type.name: o.type for o in SHOP}
    asked = [
        Offering(by_name["g4dn.xlarge"], "eu-west-1", "eu-west-1a", Market.SPOT),
        Offering(by_name["g4dn.xlarge"], "eu-west-1", "eu-west-1a", Market.ON_DEMAND),
        Offering(by_name["g4dn.xlarge"], "eu-west-1", "eu-west-1b", Market.SPOT),
        Offering(by_name["g5.xlarge"], "eu-west-1", "eu-west-1a", Market.SPOT),
        Offering(by_name["m7i.large"], "eu-west-1", "eu-west-1a", Market.SPOT),
    ]
    assert expected == [speaks_for(refusal(breadth), offering) for offering in asked]
    abroad = Offering(by_name["g4dn.xlarge"], "us-east-1", "us-east-1a", Market.SPOT)
    assert not speaks_for(refusal(breadth), abroad)


def test_refused_pools_are_not_tried_again() -> None:
    """What was refused lately is left out; when nothing is left there is no attempt."""
    wish = spec("type=g5.xlarge/spot=only")
    fitting = matching(wish, SHOP)
    (one,) = attempts(wish, fitting, [refusal(Breadth.POOL, "g5.xlarge")])
    assert ["eu-west-1b"] == [offering.zone for offering in one.offerings]
    assert () == attempts(wish, fitting, [refusal(Breadth.QUOTA)])


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        ("g5.xlarge", "g"), ("g4dn.xlarge", "g"), ("gr6.4xlarge", "g"), ("vt1.3xlarge", "g"), ("p4d.24xlarge", "p"),
        ("p6-b200.48xlarge", "p"), ("m7i.large", "standard"), ("c7g.large", "standard"), ("t3.micro", "standard"),
        ("inf2.xlarge", "inf"), ("trn1.2xlarge", "trn"), ("x2iedn.xlarge", "x"), ("dl1.24xlarge", "dl"),
    ],
)  # fmt: skip
def test_quota_classes(type_: str, expected: str) -> None:
    """Families share vCPU quotas by class."""
    assert expected == quota_class(type_)
