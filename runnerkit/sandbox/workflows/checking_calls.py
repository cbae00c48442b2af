"""Checks of jobs that call another workflow, and of what a workflow says to those that call it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runnerkit.sandbox.workflows.checks import each_key, fixed, identifier, mapping, needed, text_of, texts_of
from runnerkit.sandbox.workflows.contexts import CALL, CALL_DEFAULT, CALL_OUTPUT, CALL_SECRETS
from runnerkit.sandbox.workflows.templates import has_expression
from runnerkit.sandbox.workflows.values import text

if TYPE_CHECKING:
    from runnerkit.sandbox.workflows.reading import Spot

INPUT_TYPES = ("boolean", "number", "string")
_LOCAL = re.compile(r"[.$]/\.github/workflows/[^/@\s]+\.ya?ml")
_REMOTE = re.compile(r"[^/@\s.][^/@\s]*/[^/@\s]+/\.github/workflows/[^/@\s]+\.ya?ml@\S+")


def uses(spot: Spot) -> None:
    """Check which workflow a job calls; GitHub reads it before anything is known."""
    fixed(spot)
    word = text(spot.value)
    if word.startswith(("./", "$/")) and "@" in word:
        spot.refuse(f"{spot.kind()}: a workflow of the same repository is called at the same commit; leave the @ out")
    if not _LOCAL.fullmatch(word) and not _REMOTE.fullmatch(word):
        spot.refuse(
            f"{spot.kind()} is no workflow that can be called: write ./.github/workflows/file.yml or"
            " owner/name/.github/workflows/file.yml@ref"
        )


def given(spot: Spot) -> None:
    """Check ``with`` of a job that calls."""
    mapping(spot)
    texts_of(CALL)(spot)


def secrets(spot: Spot) -> None:
    """Check ``secrets`` of a job that calls."""
    if spot.value == "inherit":
        return
    if not isinstance(spot.value, dict):
        spot.refuse(f"{spot.name} is inherit or a mapping of names, not {spot.kind()}")
    texts_of(CALL_SECRETS)(spot)


def check_declared(spot: Spot) -> None:
    """Check ``on.workflow_call``.

    Raises:
        WorkflowInvalid: GitHub would refuse it.
    """
    for key, each in (("inputs", _input), ("secrets", _secret), ("outputs", _output)):
        found = spot.get(key)
        if found is None or found.value is None:
            continue
        mapping(found)
        for name, declared in found.entries():
            identifier(declared, name, f"name of {key}")
            each(declared)


def _input(spot: Spot) -> None:
    each_key(spot, {"description": fixed, "type": _type, "required": _flag, "default": text_of(CALL_DEFAULT)})
    needed(spot, "type", f"it is {', '.join(INPUT_TYPES)}")
    default = spot.get("default")
    if default is not None and not has_expression(default.value) and not fits(spot.value["type"], default.value):
        default.refuse(f"{default.name} is {KINDS[spot.value['type']]}, not {default.kind()}")


def _type(spot: Spot) -> None:
    if spot.value not in INPUT_TYPES:
        spot.refuse(f"an input of a called workflow is of type {', '.join(INPUT_TYPES)}, not {spot.kind()}")


def _secret(spot: Spot) -> None:
    if spot.value is not None:
        each_key(spot, {"description": fixed, "required": _flag})


def _output(spot: Spot) -> None:
    each_key(spot, {"description": fixed, "value": text_of(CALL_OUTPUT)})
    needed(spot, "value", "it says which output of a job it is, for example ${{ jobs.train.outputs.model }}")


def _flag(spot: Spot) -> None:
    if not isinstance(spot.value, bool):
        spot.refuse(f"{spot.name} is true or false, not {spot.kind()}")


KINDS = {"boolean": "true or false", "number": "a number", "string": "text"}


def fits(kind: str, value: object) -> bool:
    """Tell whether a value is of an input's type; text takes whatever can be written as text."""
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return not isinstance(value, (dict, list))
