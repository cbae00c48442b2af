"""The service as a whole, over a loop made by hand: what ends it, and what does not."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ForgeDenied, RunnerkitError
from runnerkit.events import ActionFailed, ServiceStarted
from runnerkit.testing import FakeWorld, RecordedEvents
from runnerkit.web.server import Server
from runnerkit.web.service import Service
from tests.web.visits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.passes import Pass


class Turning:
    """A loop that tells of one pass, then fails or waits to be stopped."""

    def __init__(self, error: RunnerkitError | None = None) -> None:
        self.error, self.told = error, threading.Event()

    def run(self, interval: float, *, after: Callable[[Pass | RunnerkitError], None]) -> None:  # noqa: ARG002 - Loop's
        """One pass."""
        after(FakeWorld().fleet().once())
        if self.error is not None:
            raise self.error
        self.told.wait(PATIENCE)

    def stop(self) -> None:
        """Enough."""
        self.told.set()


def service(
    loop: Turning, events: RecordedEvents, *, after: Callable[[Pass | RunnerkitError], None] = lambda _done: None
) -> tuple[Service, Server]:
    server = Server(lambda *_: [], bind="127.0.0.1", port=0)
    facts = {"pages": "nobody", "webhooks": False, "redelivery": None, "interval": 60.0, "stop_within": PATIENCE}
    return Service(loop, server, events, after=after, **facts), server  # type: ignore[arg-type]  # stand-ins


def test_a_server_that_fails_ends_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that answers nobody must not live on: it says why and ends, and whoever watches starts it again."""
    monkeypatch.setattr(threading, "excepthook", lambda _told: None)
    loop, events = Turning(), RecordedEvents()
    whole, server = service(loop, events)
    monkeypatch.setattr(server, "_turn", lambda _seconds: 1 // 0)
    with pytest.raises(RunnerkitError, match="server"):
        whole.run()
    assert loop.told.is_set()
    assert [ServiceStarted] == [type(event) for event in events.seen]


def test_passes_that_cannot_go_on_end_the_service() -> None:
    """The reason is the one that the command ends with; the port is free again."""
    whole, server = service(Turning(ForgeDenied("bad token")), RecordedEvents())
    with pytest.raises(ForgeDenied, match="bad token"):
        whole.run()
    assert not server.alive


def test_who_cannot_show_a_pass_does_not_end_the_passes() -> None:
    """A page or metric that fails is told as an event, and the loop goes on to its own end."""
    events = RecordedEvents()

    def after(_done: Pass | RunnerkitError) -> None:
        raise KeyError("gone")

    whole, _ = service(Turning(ForgeDenied("the end")), events, after=after)
    with pytest.raises(ForgeDenied):
        whole.run()
    assert ["show"] == [event.action for event in events.of(ActionFailed)]
