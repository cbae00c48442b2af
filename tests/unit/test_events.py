"""Events: each is a name and plain facts, ready for JSON."""

from __future__ import annotations

import json
import re
from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime
from typing import get_type_hints

import pytest

from runnerkit import events
from runnerkit.errors import NoCapacity, RunnerkitError
from runnerkit.events import Event, LaunchFailed, OfferingRefused, RunnerOnline
from runnerkit.model import Breadth, Market, Refusal
from runnerkit.testing import FakeWorld, Habits, RecordedEvents

AT = datetime(2026, 1, 1, tzinfo=UTC)
REFUSAL = Refusal("X", Breadth.POOL, "g5.xlarge", "eu-west-1", "eu-west-1a", Market.SPOT, AT, "full")
ERROR = NoCapacity("full", refusals=[REFUSAL])
NAMESPACE = {"Refusal": Refusal, "RunnerkitError": RunnerkitError}


KINDS = [
    kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
]
SAMPLES: dict[object, object] = {
    str: "a “text”\nof two lines",
    int: 7,
    float: 1.5,
    float | None: None,
    int | None: 7,
    Refusal: REFUSAL,
    RunnerkitError: ERROR,
}


def an_event(kind: type[Event]) -> Event:
    """One of a kind, every field filled by its type; a new type of field must be added to the samples."""
    hints = get_type_hints(kind, localns=NAMESPACE)
    return kind(**{field.name: SAMPLES[hints[field.name]] for field in fields(kind)})


@pytest.mark.parametrize("kind", KINDS)
def test_every_event_is_json(kind: type[Event]) -> None:
    """Name and all fields, as a plain document that reads back."""
    told = an_event(kind).as_dict()
    assert told == json.loads(json.dumps(told))
    assert {"event", *(field.name for field in fields(kind))} == set(told)


@pytest.mark.parametrize("kind", KINDS)
def test_every_event_is_a_documented_fact(kind: type[Event]) -> None:
    """It cannot be changed, and says what it means."""
    event = an_event(kind)
    with pytest.raises(FrozenInstanceError):
        setattr(event, fields(kind)[0].name, "other")
    assert kind.__doc__
    assert not kind.__doc__.startswith(f"{kind.__name__}(")


def test_names_are_stable_words() -> None:
    """Kebab-case, from the class, and no two alike."""
    names = [an_event(kind).name for kind in KINDS]
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)+", name) for name in names)
    assert len(names) == len(set(names))
    assert "runner-online" == RunnerOnline("rk-7-1", 1.0).name


def test_what_an_event_is_about_is_told_in_full() -> None:
    """Errors and refusals inside events come as their own documents."""
    assert ERROR.as_dict() == LaunchFailed("rk-7-1", ERROR).as_dict()["error"]
    assert REFUSAL.as_dict() == OfferingRefused("rk-7-1", REFUSAL).as_dict()["refusal"]


def test_a_whole_story_is_json() -> None:
    """Whatever a fleet tells in a troubled hour, every event of it is a document."""
    world = FakeWorld(habits=Habits(boot=20, job=60, never_boots=0.3))
    world.lies.failing = world.lies.lost = 0.05
    for label in ("runnerkit=1/gpu=t4", "runnerkit=2/gpu=l4", "runnerkit=3/gup=t4"):
        world.forge.queue("acme/widgets", [label])
    world.cloud.refuse_all(Market.SPOT)
    for _ in range(60):
        try:
            world.fleet().once()
        except RunnerkitError as error:
            assert error.retryable  # noqa: PT017 - a pass may fail in this world
        world.clock.advance(30)
    told = [event.as_dict() for event in world.events.seen]
    assert told == json.loads(json.dumps(told))
    assert {"runner-registered", "offering-refused", "job-refused", "pass-ended"} <= {line["event"] for line in told}


def test_recorded_events_are_found_by_kind() -> None:
    """In the order in which they happened."""
    recorded = RecordedEvents()
    for event in (RunnerOnline("a", 1), LaunchFailed("b", ERROR), RunnerOnline("c", 2)):
        recorded.emit(event)
    assert ["a", "c"] == [event.runner for event in recorded.of(RunnerOnline)]
