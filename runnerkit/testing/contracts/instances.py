"""The contract of machines once they exist: listed, tagged, ended, read; and of what is left of them."""

# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit import tags
from runnerkit.model import Market, State
from runnerkit.testing.contracts.ordering import NAME, UNKNOWN_ID, launch

if TYPE_CHECKING:
    from runnerkit.model import Instance
    from runnerkit.testing.contracts.benches import CloudBench

HOURS = 3600
ENDED_ITSELF = "Client.InstanceInitiatedShutdown"
ENDED_BY_CALL = "Client.UserInitiatedShutdown"
INTERRUPTED = "Server.SpotInstanceTermination"


class InstanceContract:
    """What becomes of machines. Needs a fixture ``bench``."""

    def test_an_empty_world_lists_nothing(self, bench: CloudBench) -> None:
        """Nothing to see is no error."""
        assert list(bench.cloud.instances()) == []
        assert list(bench.cloud.find(NAME)) == []
        assert list(bench.cloud.leftovers()) == []

    def test_a_machine_runs_once_it_is_up(self, bench: CloudBench) -> None:
        """Pending is over after a while, and the list says so."""
        launch(bench)
        bench.settle()
        assert the_one(bench).state is State.RUNNING

    # --- foreign and damaged ------------------------------------------------------------------------------------------

    def test_machines_of_others_are_never_listed(self, bench: CloudBench) -> None:
        """Neither without an owner nor with another one, even under a name of ours, now or hours later.

        Nor with our owner's tag alone, as AWS Batch's instances bear it: whatever lists them could end them.
        """
        others = {
            bench.foreign({"Name": "database"}),
            bench.foreign({tags.OWNER: "somebody-else", tags.RUNNER: NAME}),
            bench.foreign({tags.RUNNER: NAME, tags.REPO: "octo/models"}),
            bench.foreign({tags.OWNER: bench.owner, "Name": "rk-batch"}),
        }
        ours = launch(bench).instance_id
        bench.power_off(ours)
        for _ in range(2):
            assert {seen.id for seen in bench.cloud.instances()} <= {ours}
            assert {seen.id for seen in bench.cloud.find(NAME)} <= {ours}
            bench.advance(2 * HOURS)
        assert set(bench.live()) == others

    def test_damaged_tags_hide_no_machine(self, bench: CloudBench) -> None:
        """Somebody edited them: it still costs money, so it is still listed, with what cannot be read left out."""
        broken = {tags.EXPIRES_AT: "tomorrow", tags.RUNNER_ID: "-", tags.PRICE: "nan", tags.LAUNCHED_AT: "9" * 40}
        instance_id = bench.foreign({tags.OWNER: bench.owner, **broken})
        seen = the_one(bench)
        assert (seen.id, seen.name, seen.live) == (instance_id, "", True)
        assert (seen.expires_at, seen.runner_id, seen.price) == (None, None, None)

    # --- tags ---------------------------------------------------------------------------------------------------------

    def test_marks_are_set_and_taken_back(self, bench: CloudBench) -> None:
        """Since when a runner is gone is written on the machine itself, and nothing else changes by it."""
        launched, since = launch(bench), bench.now().replace(microsecond=0)
        before = the_one(bench)
        for mark in (tags.GONE_SINCE, tags.LOST_SINCE):
            bench.cloud.tag(launched.region, launched.instance_id, tags.mark(mark, since))
        marked = the_one(bench)
        assert (marked.gone_since, marked.lost_since, marked.name) == (since, since, NAME)
        for mark in (tags.GONE_SINCE, tags.LOST_SINCE):
            bench.cloud.tag(launched.region, launched.instance_id, tags.mark(mark, None))
        assert the_one(bench) == before

    def test_one_call_sets_replaces_and_removes(self, bench: CloudBench) -> None:
        """What is not named stays, and removing what is not there is no error."""
        launched = launch(bench)
        before = dict(bench.tags(launched.instance_id))
        changes = {"team": "vision", tags.WISH: "another", tags.PRICE: None, "never-there": None}
        bench.cloud.tag(launched.region, launched.instance_id, changes)
        expected = {**before, "team": "vision", tags.WISH: "another"}
        del expected[tags.PRICE]
        assert bench.tags(launched.instance_id) == expected

    def test_tagging_what_is_gone_is_no_error(self, bench: CloudBench) -> None:
        """Between a look and a mark machines end, or are forgotten altogether."""
        launched = launch(bench)
        bench.power_off(launched.instance_id)
        for instance_id in (launched.instance_id, UNKNOWN_ID):
            for since in (bench.now(), None):
                bench.cloud.tag(launched.region, instance_id, tags.mark(tags.GONE_SINCE, since))

    # --- the end ------------------------------------------------------------------------------------------------------

    def test_ending_ends_what_is_named_and_nothing_else(self, bench: CloudBench) -> None:
        """Each of several ids, and no neighbour."""
        first, second, third = (launch(bench, f"rk-{number}-1") for number in (1, 2, 3))
        bench.cloud.terminate(first.region, [first.instance_id, third.instance_id])
        bench.settle()
        assert set(bench.live()) == {second.instance_id}
        assert [seen.id for seen in bench.cloud.instances() if seen.live] == [second.instance_id]

    def test_ending_what_is_gone_is_done(self, bench: CloudBench) -> None:
        """Twice, unknown, or nothing at all: absence is success."""
        launched = launch(bench)
        for _ in range(2):
            bench.cloud.terminate(launched.region, [launched.instance_id])
        bench.cloud.terminate(launched.region, [UNKNOWN_ID])
        bench.cloud.terminate(launched.region, [])
        assert not bench.live()

    def test_one_bad_id_does_not_save_the_others(self, bench: CloudBench) -> None:
        """EC2 voids a whole call for one id that it does not know; all known machines are ended all the same."""
        known = [launch(bench, f"rk-{number}-1") for number in range(4)]
        ids = [launched.instance_id for launched in known]
        bench.cloud.terminate(known[0].region, [*ids[:2], UNKNOWN_ID, *ids[2:]])
        assert not bench.live()

    def test_a_machine_that_ended_itself_says_so(self, bench: CloudBench) -> None:
        """The ordinary end: the machine powers off and is terminated by it, not stopped."""
        launched = launch(bench)
        bench.settle()
        bench.power_off(launched.instance_id)
        self._assert_dead(bench, launched.instance_id, ENDED_ITSELF)

    def test_a_machine_ended_by_a_call_says_so(self, bench: CloudBench) -> None:
        """Somebody ended it: that is no interruption."""
        launched = launch(bench)
        bench.settle()
        bench.cloud.terminate(launched.region, [launched.instance_id])
        self._assert_dead(bench, launched.instance_id, ENDED_BY_CALL)

    def test_an_interrupted_machine_says_so(self, bench: CloudBench) -> None:
        """The state reason is the authority on interruptions."""
        launched = launch(bench, market=Market.SPOT)
        bench.settle()
        bench.interrupt(launched.instance_id)
        self._assert_dead(bench, launched.instance_id, INTERRUPTED)

    def test_why_a_machine_ended_is_not_overwritten(self, bench: CloudBench) -> None:
        """A sweep that ends it again must not make an interruption look like anything else."""
        launched = launch(bench, market=Market.SPOT)
        bench.settle()
        bench.interrupt(launched.instance_id)
        bench.cloud.terminate(launched.region, [launched.instance_id])
        self._assert_dead(bench, launched.instance_id, INTERRUPTED)

    def test_a_machine_is_still_seen_after_a_long_life(self, bench: CloudBench) -> None:
        """How long the dead are shown counts from their end, not from their launch."""
        launched = launch(bench)
        bench.advance(5 * HOURS)
        bench.power_off(launched.instance_id)
        self._assert_dead(bench, launched.instance_id, ENDED_ITSELF)

    def test_the_dead_are_forgotten_some_time(self, bench: CloudBench) -> None:
        """EC2 shows them for about an hour; nobody may need to see them later than that."""
        launched = launch(bench)
        bench.power_off(launched.instance_id)
        bench.settle()
        bench.advance(2 * HOURS)
        assert list(bench.cloud.find(NAME)) == []

    def _assert_dead(self, bench: CloudBench, instance_id: str, reason: str) -> None:
        (seen,) = bench.cloud.find(NAME)
        assert (seen.id, seen.live, seen.state_reason) == (instance_id, False, reason)
        assert the_one(bench) == seen
        assert not bench.live()

    # --- what can be read ---------------------------------------------------------------------------------------------

    def test_the_console_is_text(self, bench: CloudBench) -> None:
        """What the machine wrote so far, decoded."""
        launched, text = launch(bench), "booted \N{SNOWMAN}\npowering off: no job in time\n"
        bench.write_console(launched.instance_id, text)
        assert bench.cloud.console(launched.region, launched.instance_id) == text

    def test_no_console_is_empty(self, bench: CloudBench) -> None:
        """Neither a silent machine nor an unknown one is an error."""
        launched = launch(bench)
        assert bench.cloud.console(launched.region, launched.instance_id) == ""
        assert bench.cloud.console(launched.region, UNKNOWN_ID) == ""

    def test_leftovers_are_found_and_removed(self, bench: CloudBench) -> None:
        """What a crashed launch left is found once; removing it twice is no error; then it is gone."""
        bench.leave_behind()
        (left,) = bench.cloud.leftovers()
        for _ in range(2):
            bench.cloud.remove(left)
        assert list(bench.cloud.leftovers()) == []
        assert not bench.remains()

    def test_a_machine_is_no_leftover(self, bench: CloudBench) -> None:
        """Nothing that a living machine uses is swept, however old; nor does its end leave anything."""
        launched = launch(bench)
        bench.advance(HOURS)
        assert list(bench.cloud.leftovers()) == []
        bench.cloud.terminate(launched.region, [launched.instance_id])
        bench.advance(HOURS)
        assert list(bench.cloud.leftovers()) == []
        assert not bench.remains()


def the_one(bench: CloudBench) -> Instance:
    """The only machine in the list."""
    (seen,) = bench.cloud.instances()
    return seen
