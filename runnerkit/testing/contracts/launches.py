"""The contract of :meth:`runnerkit.ports.Cloud.launch`."""

# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from runnerkit import tags
from runnerkit.errors import CloudUnavailable, ImageMissing, LaunchRejected, NoCapacity
from runnerkit.model import Attempt, Breadth, Market
from runnerkit.testing.contracts.ordering import NAME, NO_CAPACITY, attempt, launch, order, tries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runnerkit.model import Refusal
    from runnerkit.testing.contracts.benches import CloudBench

Pool = tuple[str, str, str, Market]
USER_DATA_LIMIT = 16 * 1024


class LaunchContract:
    """What a launch does when AWS accepts, refuses, forbids or does not answer. Needs a fixture ``bench``."""

    def test_a_launch_starts_one_machine(self, bench: CloudBench) -> None:
        """One order is one machine, whatever other attempts stand behind the accepted one; nothing else is left."""
        launched = launch(bench)
        assert set(bench.live()) == {launched.instance_id}
        assert not bench.remains()
        assert launched.refusals == ()

    def test_a_launched_machine_lists_as_it_was_ordered(self, bench: CloudBench) -> None:
        """Name, repository, ids, leases, price and wish come back from the tags, the rest from the cloud."""
        now = bench.now().replace(microsecond=0)
        launched = launch(bench)
        (seen,) = bench.cloud.instances()
        assert (seen.id, seen.name, seen.repo) == (launched.instance_id, NAME, "octo/models")
        assert (seen.region, seen.zone, seen.type) == (launched.region, launched.zone, launched.type)
        assert (seen.market, seen.live, seen.digest) == (launched.market, True, "0a1b2c3d")
        assert (seen.runner_id, seen.run_id, seen.job_id) == (7, 1234, 77)
        assert (seen.price, seen.spec) == (0.25, "runnerkit=1234/gpu=t4")
        assert (seen.gone_since, seen.lost_since) == (None, None)
        assert timedelta() <= seen.launched_at - now < timedelta(minutes=1)
        leases = [lease - seen.launched_at for lease in (seen.online_by, seen.idle_until, seen.expires_at) if lease]
        assert leases == [timedelta(minutes=5), timedelta(minutes=10), timedelta(hours=24)]

    def test_all_tags_of_the_order_are_on_the_machine(self, bench: CloudBench) -> None:
        """Tags that runnerkit does not read itself travel as well."""
        ordered = order(bench)
        launched = bench.cloud.launch(ordered, tries(bench))
        assert ordered.tags.items() <= bench.tags(launched.instance_id).items()

    def test_a_machine_belongs_to_the_adapters_owner(self, bench: CloudBench) -> None:
        """An order that names another owner, or none, never makes a machine that nobody would watch over."""
        for owner in ("somebody-else", ""):
            launched = bench.cloud.launch(order(bench, owner=owner), tries(bench))
            assert bench.tags(launched.instance_id)[tags.OWNER] == bench.owner
            assert launched.instance_id in {instance.id for instance in bench.cloud.instances()}

    def test_a_machine_is_found_by_its_name(self, bench: CloudBench) -> None:
        """Exactly it, among others; and nothing for a name that no machine has."""
        first, second = launch(bench, "rk-77-1"), launch(bench, "rk-77-11")
        assert [seen.id for seen in bench.cloud.find("rk-77-1")] == [first.instance_id]
        assert [seen.id for seen in bench.cloud.find("rk-77-11")] == [second.instance_id]
        assert list(bench.cloud.find("rk-77-2")) == []

    def test_a_name_launched_again_is_another_machine(self, bench: CloudBench) -> None:
        """A launch is never answered with the machine of an earlier one."""
        first, second = launch(bench), launch(bench)
        assert first.instance_id != second.instance_id
        assert {seen.id for seen in bench.cloud.find(NAME)} == {first.instance_id, second.instance_id}

    def test_user_data_arrives_unchanged(self, bench: CloudBench) -> None:
        """Any bytes, up to what EC2 takes; nothing at their ends is trimmed."""
        sent = b"\n\x1f\x8b\x00" + (bytes(range(256)) * 64)[: USER_DATA_LIMIT - 6] + b"\x00\n"
        launched = bench.cloud.launch(order(bench, user_data=sent), tries(bench))
        assert bench.user_data(launched.instance_id) == sent

    @pytest.mark.parametrize("market", Market)
    def test_a_machine_is_bought_at_the_market_of_its_attempt(self, bench: CloudBench, market: Market) -> None:
        """The answer and the list agree about market, pool and price."""
        wanted = attempt(bench, market)
        launched = bench.cloud.launch(order(bench), [wanted])
        (seen,) = bench.cloud.instances()
        assert (launched.market, seen.market) == (market, market)
        prices = {(pool.type.name, pool.region, pool.zone): pool.price for pool in wanted.offerings}
        assert launched.price == prices[launched.type, launched.region, launched.zone]

    def test_attempts_are_tried_in_their_order(self, bench: CloudBench) -> None:
        """On-demand comes first when the caller says so, whatever it costs."""
        launched = bench.cloud.launch(order(bench), list(reversed(tries(bench))))
        assert launched.market is Market.ON_DEMAND

    def test_a_refused_pool_leaves_the_others_of_its_attempt(self, bench: CloudBench) -> None:
        """One zone without capacity is no reason to leave the market; at most that zone is reported."""
        spot = attempt(bench, Market.SPOT)
        *refused, open_one = spot.offerings
        for pool in refused:
            bench.refuse(pool, NO_CAPACITY)
        launched = launch(bench)
        assert (launched.market, launched.zone) == (Market.SPOT, open_one.zone)
        assert reported(launched.refusals) <= pools_of([Attempt(spot.market, spot.region, tuple(refused))])

    def test_a_refused_attempt_leads_to_the_next(self, bench: CloudBench) -> None:
        """Spot refuses, on-demand gives the machine, and every refusal on the way is reported."""
        spot = attempt(bench, Market.SPOT)
        refuse(bench, [spot])
        launched = launch(bench)
        assert launched.market is Market.ON_DEMAND
        assert reported(launched.refusals) == pools_of([spot])
        assert {(refusal.code, refusal.breadth) for refusal in launched.refusals} == {(NO_CAPACITY, Breadth.POOL)}
        assert all(abs(refusal.at - bench.now()) < timedelta(minutes=5) for refusal in launched.refusals)
        assert set(bench.live()) == {launched.instance_id}

    def test_refused_everywhere_is_no_capacity(self, bench: CloudBench) -> None:
        """The error carries every pool of every attempt, and neither a machine nor anything else is left."""
        wanted = tries(bench)
        refuse(bench, wanted)
        with pytest.raises(NoCapacity) as caught:
            bench.cloud.launch(order(bench), wanted)
        assert reported(caught.value.refusals) == pools_of(wanted)
        assert len(caught.value.refusals) == len(pools_of(wanted))
        assert_nothing_is_there(bench)

    def test_capacity_that_returns_is_had_under_the_same_name(self, bench: CloudBench) -> None:
        """A launch that came to nothing is in nobody's way."""
        refuse(bench, tries(bench))
        with pytest.raises(NoCapacity):
            launch(bench)
        bench.accept()
        launched = launch(bench)
        assert set(bench.live()) == {launched.instance_id}

    def test_nothing_to_try_is_no_capacity(self, bench: CloudBench) -> None:
        """When all pools are remembered as refused, none is left to ask."""
        with pytest.raises(NoCapacity) as caught:
            bench.cloud.launch(order(bench), [])
        assert caught.value.refusals == ()
        assert_nothing_is_there(bench)

    def test_user_data_beyond_the_limit_is_rejected(self, bench: CloudBench) -> None:
        """EC2 takes 16 KiB; one byte more is the caller's mistake at every market, and starts nothing."""
        with pytest.raises(LaunchRejected):
            bench.cloud.launch(order(bench, user_data=b"x" * (USER_DATA_LIMIT + 1)), tries(bench))
        assert_nothing_is_there(bench)

    def test_an_order_without_image_is_rejected(self, bench: CloudBench) -> None:
        """What boots is the caller's to say; nothing is guessed or started."""
        with pytest.raises(ImageMissing):
            bench.cloud.launch(order(bench, with_images=False), tries(bench))
        assert_nothing_is_there(bench)

    def test_a_lost_answer_is_told_as_unknown(self, bench: CloudBench) -> None:
        """The error says that nobody knows; the tags tell that the machine is there, once."""
        ordered, wanted = order(bench), tries(bench)
        bench.lose_launch_answers()
        with pytest.raises(CloudUnavailable):
            bench.cloud.launch(ordered, wanted)
        assert [seen.id for seen in bench.cloud.find(NAME)] == list(bench.live())
        assert len(bench.live()) == 1


def refuse(bench: CloudBench, attempts: Iterable[Attempt]) -> None:
    """Close every pool of these attempts."""
    for each in attempts:
        for pool in each.offerings:
            bench.refuse(pool, NO_CAPACITY)


def pools_of(attempts: Iterable[Attempt]) -> set[Pool]:
    """The pools of attempts."""
    return {(pool.type.name, pool.region, pool.zone, pool.market) for attempt in attempts for pool in attempt.offerings}


def reported(refusals: Iterable[Refusal]) -> set[Pool]:
    """The pools that refusals name."""
    return {(refusal.type, refusal.region, refusal.zone, refusal.market) for refusal in refusals}


def assert_nothing_is_there(bench: CloudBench) -> None:
    """Neither a machine nor anything that a launch needed for a while."""
    assert not bench.live()
    assert not bench.remains()
    assert list(bench.cloud.instances()) == []
