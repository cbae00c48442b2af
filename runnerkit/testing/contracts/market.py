"""The contract of what is on offer and what can be booted."""

# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ImageMissing
from runnerkit.model import Gpu, InstanceType, Market
from runnerkit.offerings import matching
from runnerkit.testing.contracts.ordering import T4
from runnerkit.wishes import GpuWish, RunnerSpec

if TYPE_CHECKING:
    from runnerkit.testing.contracts.benches import CloudBench

# https://aws.amazon.com/ec2/instance-types/g4/ and https://aws.amazon.com/ec2/instance-types/m7i/
KNOWN = (
    InstanceType("g4dn.xlarge", "x64", cpu=4, ram=16, gpu=Gpu("t4", count=1, memory=16)),
    InstanceType("m7i.large", "x64", cpu=2, ram=8),
)


class MarketContract:
    """What offerings and images tell. Needs a fixture ``bench``."""

    def test_a_type_is_offered_at_both_markets_with_prices(self, bench: CloudBench) -> None:
        """In more than one zone of the region; each pool once."""
        offered = matching(T4, bench.cloud.offerings(T4))
        regions = {pool.region for pool in offered}
        assert len(regions) == 1
        zones = {market: {pool.zone for pool in offered if pool.market is market} for market in Market}
        assert zones[Market.SPOT] == zones[Market.ON_DEMAND]
        assert len(zones[Market.SPOT]) > 1
        assert all(zone.startswith(region) and zone != region for zone in zones[Market.SPOT] for region in regions)
        assert len({(pool.zone, pool.market) for pool in offered}) == len(offered)
        assert all(pool.price is not None and pool.price > 0 for pool in offered)

    @pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
    def test_hardware_is_told_in_our_units(self, bench: CloudBench, known: InstanceType) -> None:
        """Architecture, virtual CPUs, GiB, and the GPUs by model, count and GiB of each."""
        offered = bench.cloud.offerings(RunnerSpec(type=(known.name,)))
        assert {pool.type for pool in offered if pool.type.name == known.name} == {known}

    def test_a_wish_for_a_gpu_finds_its_types(self, bench: CloudBench) -> None:
        """What the core chooses from what is on offer has that GPU, the cheapest first."""
        wish = RunnerSpec(gpu=(GpuWish(model="t4"),))
        chosen = matching(wish, bench.cloud.offerings(wish))
        assert chosen[0].type.name == "g4dn.xlarge"
        assert {pool.type.gpu.model for pool in chosen if pool.type.gpu} == {"t4"}

    @pytest.mark.parametrize("arch", ["x64", "arm64"])
    def test_an_image_fits_region_and_architecture(self, bench: CloudBench, arch: str) -> None:
        """And tells what its root disk is."""
        region = bench.cloud.offerings(T4)[0].region
        image = bench.cloud.image(RunnerSpec(), region, arch)
        assert (image.region, image.arch) == (region, arch)
        assert image.id
        assert image.root_device.startswith("/dev/")
        assert image.root_gb > 0

    def test_what_is_baked_is_what_is_booted(self, bench: CloudBench) -> None:
        """At most one image for each region and architecture, and none beside an image that is named."""
        baked = bench.cloud.baked(T4)
        assert baked
        assert len({(image.region, image.arch) for image in baked}) == len(baked)
        assert all(image == bench.cloud.image(T4, image.region, image.arch) for image in baked)
        assert all(image.baked for image in baked)
        assert not bench.cloud.baked(RunnerSpec(image="ami-0123456789abcdef0"))

    @pytest.mark.parametrize("image", ["never-heard-of", "ami-0123456789abcdef0"])
    def test_an_unknown_image_is_missing(self, bench: CloudBench, image: str) -> None:
        """By name or by id; the message says what was looked for."""
        region = bench.cloud.offerings(T4)[0].region
        with pytest.raises(ImageMissing, match=image):
            bench.cloud.image(RunnerSpec(image=image), region, "x64")
