"""The contract of the port :class:`runnerkit.ports.Hooks`."""

# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import pytest

from runnerkit.errors import NotFound

if TYPE_CHECKING:
    from datetime import datetime

    from runnerkit.ports import Hooks

REFUSED = 300
UNKNOWN_ID = 4711


class HooksBench(Protocol):
    """A GitHub that tells us of jobs, and has told nothing yet."""

    @property
    def hooks(self) -> Hooks:
        """The adapter under test."""

    def now(self) -> datetime:
        """The world's time, aware UTC."""

    def advance(self, seconds: float) -> None:
        """Let time pass."""

    def lose(self) -> str:
        """A job is queued, and what GitHub sends of it is lost; returns the delivery's GUID."""


class HooksContract:
    """What a list of deliveries tells. Needs a fixture ``bench``."""

    def test_nothing_was_sent_at_first(self, bench: HooksBench) -> None:
        """An empty list is no error."""
        assert list(bench.hooks.deliveries(bench.now() - timedelta(hours=1))) == []

    def test_a_lost_delivery_is_listed(self, bench: HooksBench) -> None:
        """With what it was about, when, and that nobody took it."""
        guid = bench.lose()
        (found,) = bench.hooks.deliveries(bench.now() - timedelta(hours=1))
        assert (found.guid, found.event, found.action, found.again) == (guid, "workflow_job", "queued", False)
        assert found.at == bench.now()
        assert found.status == 0 or found.status >= REFUSED

    def test_deliveries_are_listed_newest_first_and_since_a_moment(self, bench: HooksBench) -> None:
        """What is older is left out."""
        bench.lose()
        bench.advance(60)
        since = bench.now()
        second = bench.lose()
        bench.advance(60)
        third = bench.lose()
        assert [each.guid for each in bench.hooks.deliveries(since)] == [third, second]

    def test_a_delivery_sent_again_keeps_its_guid(self, bench: HooksBench) -> None:
        """It is a delivery of its own in the list, and told from the first."""
        guid = bench.lose()
        (first,) = bench.hooks.deliveries(bench.now())
        bench.advance(1)
        bench.hooks.redeliver(first)
        again, before = bench.hooks.deliveries(first.at)
        assert (again.guid, again.again, again.event, again.action) == (guid, True, "workflow_job", "queued")
        assert (before.id, before.again) == (first.id, False)
        assert again.id != first.id

    def test_an_unknown_delivery_is_not_sent_again(self, bench: HooksBench) -> None:
        """GitHub forgets deliveries after some days."""
        bench.lose()
        (found,) = bench.hooks.deliveries(bench.now())
        with pytest.raises(NotFound):
            bench.hooks.redeliver(replace(found, id=UNKNOWN_ID))
