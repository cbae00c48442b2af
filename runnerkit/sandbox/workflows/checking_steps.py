"""Checks of a job's steps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runnerkit.sandbox.workflows.checks import (
    boolean_of,
    each_key,
    fixed_filled,
    identifier,
    mapping,
    minutes_of,
    text_of,
    texts_of,
)
from runnerkit.sandbox.workflows.contexts import STEP, STEP_IF, check_condition
from runnerkit.sandbox.workflows.values import text

if TYPE_CHECKING:
    from runnerkit.sandbox.workflows.reading import Spot

_USES = re.compile(r"(\./|\.\./|\$/|docker://).*|[^/@\s]+/[^@\s]+@\S+")
_NOT_YET = ("background", "wait", "wait-all", "cancel", "parallel")


def check_steps(spot: Spot) -> None:
    """Check the steps of a job.

    Raises:
        WorkflowInvalid: GitHub would refuse them.
    """
    if not isinstance(spot.value, list) or not spot.value:
        spot.refuse(f"{spot.name} is a list of steps with at least one, not {spot.kind()}")
    seen: dict[str, int] = {}
    for each in spot.elements():
        _step(each)
        if step_id := each.get("id"):
            _once(step_id, seen)


def _step(spot: Spot) -> None:
    mapping(spot)
    for key in _NOT_YET:
        if found := spot.get(key):
            found.refuse(f"{spot.name}: steps with `{key}` are not supported here (yet)")
    run, uses = spot.get("run"), spot.get("uses")
    if run and uses:
        uses.refuse(f"{spot.name} has both `run` and `uses`; make two steps of it")
    each_key(spot, {**_COMMON, **(_USES_KEYS if uses else _RUN_KEYS)})
    if not run and not uses:
        spot.refuse(f"{spot.name} has neither `run` nor `uses`")


def _once(spot: Spot, seen: dict[str, int]) -> None:
    name = text(spot.value)
    identifier(spot, name, "step id")
    if name.lower() in seen:
        spot.refuse(f"the step id {name!r} is used already, in line {seen[name.lower()]}")
    seen[name.lower()] = spot.line


def _uses(spot: Spot) -> None:
    fixed_filled(spot)
    if not _USES.fullmatch(text(spot.value)):
        spot.refuse(f"{spot.kind()} is no action: write owner/name@ref, owner/name/path@ref, ./path or docker://image")


def _condition(spot: Spot) -> None:
    check_condition(spot, STEP_IF)


_COMMON = {
    "name": text_of(STEP),
    "id": fixed_filled,
    "if": _condition,
    "env": texts_of(STEP),
    "continue-on-error": boolean_of(STEP),
    "timeout-minutes": minutes_of(STEP),
}
_RUN_KEYS = {"run": text_of(STEP), "working-directory": text_of(STEP), "shell": fixed_filled}
_USES_KEYS = {"uses": _uses, "with": texts_of(STEP)}
