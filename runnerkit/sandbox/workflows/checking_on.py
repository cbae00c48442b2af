"""Checks of ``on``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runnerkit.sandbox.workflows.checking_calls import check_declared
from runnerkit.sandbox.workflows.checks import each_key, fixed, fixed_filled, known_keys, mapping, needed
from runnerkit.sandbox.workflows.errors import nearest
from runnerkit.sandbox.workflows.events import EVENTS
from runnerkit.sandbox.workflows.globs import pattern
from runnerkit.sandbox.workflows.values import text

if TYPE_CHECKING:
    from runnerkit.sandbox.workflows.reading import Spot

MOST_INPUTS = 25
# Of each field its name, its least and greatest number, and the names that stand for the numbers from the least on.
_CRON = (
    ("minute", 0, 59, ""),
    ("hour", 0, 23, ""),
    ("day", 1, 31, ""),
    ("month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"),
    ("weekday", 0, 6, "sun mon tue wed thu fri sat"),
)
_CRON_PART = re.compile(
    r"(?:\*|(?P<first>[0-9]{1,2}|[a-z]{3})(?:-(?P<last>[0-9]{1,2}|[a-z]{3}))?)(?:/(?P<step>[0-9]{1,2}))?"
)
_INPUT_TYPES = ("string", "boolean", "choice", "number", "environment")
_PAIRS = ("branches", "tags", "paths")


def check_on(spot: Spot) -> None:
    """Check the events and their filters.

    Raises:
        WorkflowInvalid: GitHub would refuse them.
    """
    if not spot.value:
        spot.refuse("`on` names no event; write for example `on: push`")
    if not isinstance(spot.value, dict):
        for each in spot.elements():
            _event_name(each, text(each.value))
        return
    for name, filters in spot.entries():
        _event_name(filters, name)
        _filters(filters, name)


def _event_name(spot: Spot, name: str) -> None:
    if isinstance(spot.value, dict) and isinstance(spot.path[-1], int):
        spot.refuse("an event with filters is a key below `on`, not an element of a list")
    if name not in EVENTS:
        spot.refuse(f"there is no event {name!r}{_near_event(name)}")


def _near_event(name: str) -> str:
    told = nearest(name, EVENTS)
    return told if "mean" in told else "; events are push, pull_request, workflow_dispatch, schedule and others"


def _filters(spot: Spot, name: str) -> None:
    if name == "schedule":
        _schedule(spot)
        return
    if spot.value is None:
        if name == "workflow_run":
            spot.refuse("on.workflow_run names no `workflows` to wait for")
        return
    known_keys(spot, EVENTS[name].keys)
    if name == "workflow_dispatch":
        _inputs(spot.get("inputs"))
    elif name == "workflow_call":
        check_declared(spot)
    else:
        _globs(spot)
        _types(spot, EVENTS[name].types)
    if name == "workflow_run":
        needed(spot, "workflows", "it names the workflows to wait for")


def _globs(spot: Spot) -> None:
    for key, each in spot.entries():
        for word in each.elements():
            fixed_filled(word)
            _glob(word)
        if key in _PAIRS and spot.get(f"{key}-ignore"):
            each.refuse(f"{spot.name} has both {key} and {key}-ignore; use one, with ! for what is left out")
        if key in _PAIRS and each.value and all(text(word.value).startswith("!") for word in each.elements()):
            each.refuse(f"{each.name} only leaves out; name at least one without !, or use {key}-ignore")


def _glob(spot: Spot) -> None:
    try:
        pattern(text(spot.value))
    except ValueError as error:
        spot.refuse(f"{spot.name}: {error}")


def _types(spot: Spot, known: tuple[str, ...]) -> None:
    types = spot.get("types")
    if types is None or not known:
        return
    for each in types.elements():
        if each.value not in known:
            each.refuse(f"{spot.name} has no type {text(each.value)!r}{nearest(text(each.value), known)}")


def _schedule(spot: Spot) -> None:
    if not isinstance(spot.value, list) or not spot.value:
        spot.refuse('on.schedule is a list of `- cron: "..."`')
    for each in spot.elements():
        each_key(each, {"cron": fixed_filled, "timezone": fixed_filled})
        cron = needed(each, "cron", "it says when")
        fields = text(cron.value).split()
        if len(fields) != len(_CRON):
            cron.refuse(f"{cron.kind()} is no cron time: it has five fields, minute hour day month weekday")
        for word, (name, low, high, names) in zip(fields, _CRON, strict=True):
            if not all(_in_cron(each, low, high, names.split()) for each in word.lower().split(",")):
                cron.refuse(f"{cron.kind()} is no cron time: the {name} {word!r} is not within {low} to {high}")


def _in_cron(word: str, low: int, high: int, names: list[str]) -> bool:
    found = _CRON_PART.fullmatch(word)
    if found is None or (found["step"] and int(found["step"]) == 0):
        return False
    ends = [low + names.index(each) if each in names else each for each in (found["first"], found["last"]) if each]
    numbers = [int(each) for each in ends if str(each).isdecimal()]
    return len(numbers) == len(ends) and all(low <= each <= high for each in numbers) and numbers == sorted(numbers)


def _inputs(spot: Spot | None) -> None:
    if spot is None or spot.value is None:
        return
    mapping(spot)
    if len(spot.value) > MOST_INPUTS:
        spot.refuse(f"{spot.name} are {len(spot.value)}; GitHub allows at most {MOST_INPUTS}")
    for _, each in spot.entries():
        if each.value is not None:
            _input(each)


def _input(spot: Spot) -> None:
    keys = {"description": fixed, "type": _input_type, "required": _flag, "default": fixed, "options": _options}
    each_key(spot, keys)
    kind, default, options = spot.value.get("type"), spot.get("default"), spot.value.get("options")
    if kind == "choice" and not options:
        spot.refuse(f"{spot.name} is a choice without `options`")
    if options and kind != "choice":
        spot.refuse(f"{spot.name} has `options`, which only `type: choice` has")
    if default is not None:
        _default(default, kind, [text(each) for each in options or ()])


def _input_type(spot: Spot) -> None:
    if spot.value not in _INPUT_TYPES:
        spot.refuse(f"an input is of type {', '.join(_INPUT_TYPES)}, not {spot.kind()}")


def _flag(spot: Spot) -> None:
    if not isinstance(spot.value, bool):
        spot.refuse(f"{spot.name} is true or false, not {spot.kind()}")


def _options(spot: Spot) -> None:
    if not isinstance(spot.value, list):
        spot.refuse(f"{spot.name} is a list, not {spot.kind()}")
    for each in spot.elements():
        fixed(each)


def _default(spot: Spot, kind: str | None, options: list[str]) -> None:
    value = spot.value
    if kind == "boolean" and not isinstance(value, bool):
        spot.refuse(f"{spot.name} is true or false, not {spot.kind()}")
    if kind == "number" and (isinstance(value, bool) or not isinstance(value, (int, float))):
        spot.refuse(f"{spot.name} is a number, not {spot.kind()}")
    if kind == "choice" and text(value) not in options:
        spot.refuse(f"{spot.name} is one of {', '.join(options)}, not {spot.kind()}")
