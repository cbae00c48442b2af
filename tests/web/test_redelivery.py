"""Webhooks that did not arrive are asked for again: which, how often, and what when GitHub will not."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from runnerkit.errors import ConfigError, ForgeDenied, ForgeUnavailable, NotFound, RateLimited, RunnerkitError
from runnerkit.events import ActionFailed, DeliveriesRepeated, RedeliveryDenied
from runnerkit.ports import Delivery
from runnerkit.testing import FakeClock, RecordedEvents
from runnerkit.testing.hooks import FakeHooks
from runnerkit.web.redelivery import MOST, Redelivery, which

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def sent(
    guid: str, status: int = 502, minutes: float = 5, id_: int = 1, event: str = "workflow_job", *, again: bool = False
) -> Delivery:
    return Delivery(id_, 1, guid, event, "queued", NOW - timedelta(minutes=minutes), status, again)


@pytest.mark.parametrize(
    ("deliveries", "expected"),
    [
        ([sent("a")], ["a"]),
        ([sent("a", 0)], ["a"]),
        ([sent("a", 404)], ["a"]),
        ([sent("a", 200)], []),
        ([sent("a", 202)], []),
        # It arrived when it was sent again, or had arrived before.
        ([sent("a"), sent("a", 200, 4, 2, again=True)], []),
        ([sent("a", 202, 6), sent("a", 502, 4, 2)], []),
        # Asked for once in vain, and twice.
        ([sent("a"), sent("a", 502, 4, 2, again=True)], ["a"]),
        ([sent("a"), sent("a", 502, 4, 2, again=True), sent("a", 502, 3, 3, again=True)], []),
        # GitHub may still be waiting for an answer.
        ([sent("a", 0, minutes=0.2)], []),
        # Too old to matter.
        ([sent("a", minutes=61)], []),
        ([sent("a", event="ping"), sent("b", event="push"), sent("c", event="workflow_run")], ["c"]),
        ([sent("new", minutes=1), sent("old", minutes=50)], ["old", "new"]),
    ],
)
def test_what_is_asked_for_again(deliveries: list[Delivery], expected: list[str]) -> None:
    """Lost ones that matter, at most twice, the oldest first, whatever the order of the list."""
    assert expected == [each.guid for each in which(deliveries, NOW)]
    assert expected == [each.guid for each in which(deliveries[::-1], NOW)]


def test_what_reached_us_is_not_asked_for_though_github_thinks_it_was_lost() -> None:
    """An answer that got lost on its way back is no lost webhook."""
    assert ["b"] == [each.guid for each in which([sent("a"), sent("b")], NOW, known={"a"}.__contains__)]


def test_asking_is_bounded_for_each_and_for_all() -> None:
    """Twice for a delivery, also when the list does not show it yet; fifty in a round."""
    assert [] == list(which([sent("a")], NOW, asked={"a": 2}))
    assert MOST == len(which([sent(str(number), id_=number) for number in range(500)], NOW))


class Denying(FakeHooks):
    """Hooks that raise what they are told to."""

    error: RunnerkitError | None = None
    only_on: str = "deliveries"

    def _may_fail(self, what: str) -> None:
        if self.error is not None and what == self.only_on:
            raise self.error


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def hooks(clock: FakeClock) -> Denying:
    return Denying(clock)


@pytest.fixture
def events() -> RecordedEvents:
    return RecordedEvents()


@pytest.fixture
def search(clock: FakeClock, hooks: Denying, events: RecordedEvents) -> Redelivery:
    return Redelivery(hooks, known=lambda guid: guid == "ours", clock=clock, events=events, pause=0)


def test_a_round_asks_once_for_what_was_lost(
    search: Redelivery, hooks: Denying, clock: FakeClock, events: RecordedEvents
) -> None:
    """What arrives the second time is left alone from then on."""
    for guid, status in (("lost", 502), ("fine", 202), ("ours", 0)):
        hooks.send(guid, status=status)
    clock.advance(60)
    assert [1, 0] == [search.round(threading.Event()) for _ in range(2)]
    assert ["lost"] == [each.guid for each in hooks.redelivered]
    assert [DeliveriesRepeated(1)] == events.of(DeliveriesRepeated)


def test_a_receiver_that_stays_broken_is_not_asked_for_ever(
    search: Redelivery, hooks: Denying, clock: FakeClock
) -> None:
    """Two tries for each delivery, then it is left to polling."""
    hooks.answer = 500
    hooks.send("lost")
    for _ in range(6):
        clock.advance(300)
        search.round(threading.Event())
    assert 2 == len(hooks.redelivered)


@pytest.mark.parametrize(
    "error",
    [ForgeDenied("webhooks: read is missing"), NotFound("no such hook"), ConfigError("no hook has our address")],
)
def test_a_missing_permission_is_told_once(
    search: Redelivery, hooks: Denying, events: RecordedEvents, error: RunnerkitError
) -> None:
    """It is not an error of each round; when it is granted and withdrawn again, it is told again."""
    hooks.error = error
    for _ in range(3):
        search.round(threading.Event())
    assert [RedeliveryDenied(error.message)] == events.seen
    hooks.error = None
    search.round(threading.Event())
    hooks.error = error
    search.round(threading.Event())
    assert 2 == len(events.of(RedeliveryDenied))


def test_trouble_with_one_delivery_does_not_keep_the_others(
    search: Redelivery, hooks: Denying, clock: FakeClock, events: RecordedEvents
) -> None:
    """Each that fails is told; a rate limit ends the round, for more calls would only prolong it."""
    hooks.send("a")
    hooks.send("b")
    clock.advance(60)
    hooks.only_on, hooks.error = "redeliver", ForgeUnavailable("GitHub failed")
    assert 0 == search.round(threading.Event())
    assert 2 == len(events.of(ActionFailed))
    hooks.error = RateLimited("enough", reset=NOW)
    search.round(threading.Event())
    assert 3 == len(events.of(ActionFailed))


def test_the_search_begins_at_once_and_ends_when_told(search: Redelivery, hooks: Denying, clock: FakeClock) -> None:
    """What was lost while the service was down is asked for at its start."""
    hooks.send("lost")
    clock.advance(60)
    ended = threading.Event()
    searching = threading.Thread(target=search.run, args=(ended,))
    searching.start()
    ended.set()
    searching.join(10)
    assert not searching.is_alive()
