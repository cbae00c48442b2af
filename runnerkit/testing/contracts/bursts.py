"""The contract of :meth:`runnerkit.ports.Cloud.launch_batch` and :meth:`runnerkit.ports.Cloud.hand_over`."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and counts machines

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit import tags
from runnerkit.errors import CloudUnavailable, ImageMissing, LaunchRejected, NoCapacity
from runnerkit.model import Market
from runnerkit.names import Secret
from runnerkit.testing.contracts.ordering import NO_CAPACITY, UNKNOWN_ID, attempt, batch, tries

if TYPE_CHECKING:
    from runnerkit.testing.contracts.benches import CloudBench

USER_DATA_LIMIT = 16 * 1024
WEEKS = 15 * 86_400.0


class BurstContract:
    """What a burst of equal machines does. Needs a fixture ``bench``."""

    def test_a_burst_starts_as_many_machines_as_asked_for(self, bench: CloudBench) -> None:
        """Different machines, all of the cheaper market, and the answer names each."""
        burst = bench.cloud.launch_batch(batch(bench), tries(bench), 3)
        assert {launched.instance_id for launched in burst.launched} == set(bench.live())
        assert len(burst.launched) == 3
        assert {launched.market for launched in burst.launched} == {Market.SPOT}
        assert (burst.refusals, burst.error) == ((), None)

    def test_a_machine_of_a_burst_is_nobodys_until_it_is_handed_over(self, bench: CloudBench) -> None:
        """It lists with its burst, its leases and the end of its wait, without a name."""
        ordered = batch(bench)
        bench.cloud.launch_batch(ordered, tries(bench), 2)
        for seen in bench.cloud.instances():
            assert (seen.name, seen.runner_id, seen.unnamed) == ("", None, True)
            assert (seen.batch, seen.digest, seen.repo) == (ordered.name, "0a1b2c3d", "octo/models")
            assert seen.hand_over_by is not None
            assert 60 <= (seen.hand_over_by - seen.launched_at).total_seconds() < 70
            assert ordered.tags.items() <= bench.tags(seen.id).items()
            assert bench.user_data(seen.id) == ordered.user_data

    def test_what_an_attempt_cannot_give_is_asked_of_the_next(self, bench: CloudBench) -> None:
        """Spot has one machine left: the others come on demand, and what refused is told."""
        pools = attempt(bench, Market.SPOT).offerings
        for pool in pools[1:]:
            bench.refuse(pool, NO_CAPACITY)
        bench.limit(pools[0], 1)
        burst = bench.cloud.launch_batch(batch(bench), tries(bench), 3)
        assert sorted(launched.market for launched in burst.launched) == ["on-demand", "on-demand", "spot"]
        assert {refusal.market for refusal in burst.refusals} == {Market.SPOT}
        assert len(bench.live()) == 3

    def test_a_burst_that_is_not_full_says_why(self, bench: CloudBench) -> None:
        """What was had is kept; the error names what refused the rest."""
        only = (attempt(bench, Market.SPOT),)
        for pool in only[0].offerings[1:]:
            bench.refuse(pool, NO_CAPACITY)
        bench.limit(only[0].offerings[0], 2)
        burst = bench.cloud.launch_batch(batch(bench), only, 3)
        assert (len(burst.launched), type(burst.error)) == (2, NoCapacity)
        assert len(bench.live()) == 2

    def test_a_burst_refused_everywhere_starts_nothing(self, bench: CloudBench) -> None:
        """The error carries the refusals."""
        for each in tries(bench):
            for pool in each.offerings:
                bench.refuse(pool, NO_CAPACITY)
        with pytest.raises(NoCapacity) as caught:
            bench.cloud.launch_batch(batch(bench), tries(bench), 2)
        assert caught.value.refusals
        assert not bench.live()

    def test_a_burst_of_wrong_orders_is_rejected(self, bench: CloudBench) -> None:
        """Too much user data, and no image: nothing starts."""
        with pytest.raises(LaunchRejected):
            bench.cloud.launch_batch(batch(bench, user_data=b"x" * (USER_DATA_LIMIT + 1)), tries(bench), 2)
        with pytest.raises(ImageMissing):
            bench.cloud.launch_batch(batch(bench, with_images=False), tries(bench), 2)
        assert not bench.live()

    def test_a_burst_without_answer_is_told_as_unknown(self, bench: CloudBench) -> None:
        """Its machines list under the batch, each once."""
        ordered, wanted = batch(bench), tries(bench)
        bench.lose_launch_answers()
        with pytest.raises(CloudUnavailable):
            bench.cloud.launch_batch(ordered, wanted, 2)
        assert sorted(i.id for i in bench.cloud.instances() if i.batch == ordered.name) == sorted(bench.live())
        assert len(bench.live()) == 2

    def test_a_machine_handed_over_is_its_runner(self, bench: CloudBench) -> None:
        """Name, registration, run and job are in its tags; its document is where only it reads."""
        launched, other = bench.cloud.launch_batch(batch(bench), tries(bench), 2).launched
        secret = Secret("x" * 5_000)
        given = tags.runner_tags("rk-77-2", "octo/others", 9, 1234, 78)
        bench.cloud.hand_over(launched.region, launched.instance_id, given, secret)
        (seen,) = bench.cloud.find("rk-77-2")
        assert (seen.id, seen.runner_id, seen.run_id, seen.job_id) == (launched.instance_id, 9, 1234, 78)
        assert (seen.repo, seen.unnamed) == ("octo/others", False)
        assert bench.documents() == {launched.instance_id: secret.reveal()}
        assert bench.tags(other.instance_id).get(tags.RUNNER) is None

    def test_a_document_beyond_the_limit_is_not_handed_over(self, bench: CloudBench) -> None:
        """Parameter Store takes 8 KB; the machine stays nobody's."""
        (launched,) = bench.cloud.launch_batch(batch(bench), tries(bench), 1).launched
        with pytest.raises(LaunchRejected):
            bench.cloud.hand_over(launched.region, launched.instance_id, _given(), Secret("x" * 8_193))
        assert not bench.documents()
        assert list(bench.cloud.find("rk-77-1")) == []

    def test_a_machine_that_is_not_there_cannot_be_handed_over(self, bench: CloudBench) -> None:
        """Unlike a tag on a vanished machine that is an error: its runner needs another one."""
        (launched,) = bench.cloud.launch_batch(batch(bench), tries(bench), 1).launched
        with pytest.raises(CloudUnavailable):
            bench.cloud.hand_over(launched.region, UNKNOWN_ID, _given(), Secret("x"))
        assert not bench.documents()

    def test_what_bursts_share_is_left_over_only_when_out_of_use(self, bench: CloudBench) -> None:
        """An hour later another burst may want it; after weeks it is swept, and the next burst makes it anew."""
        bench.cloud.launch_batch(batch(bench), tries(bench), 1)
        bench.advance(7_200.0)
        assert list(bench.cloud.leftovers()) == []
        bench.advance(WEEKS)
        for leftover in bench.cloud.leftovers():
            bench.cloud.remove(leftover)
        assert not bench.remains()
        assert len(bench.cloud.launch_batch(batch(bench), tries(bench), 1).launched) == 1


def _given() -> dict[str, str]:
    return tags.runner_tags("rk-77-1", "octo/models", 7)
