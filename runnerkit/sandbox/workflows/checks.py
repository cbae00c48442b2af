"""What the checks of all levels have in common."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runnerkit.sandbox.workflows.contexts import Rule, check
from runnerkit.sandbox.workflows.errors import nearest
from runnerkit.sandbox.workflows.permissions import SCOPES
from runnerkit.sandbox.workflows.templates import has_expression
from runnerkit.sandbox.workflows.values import text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from runnerkit.sandbox.workflows.reading import Spot

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")


def known_keys(spot: Spot, keys: Collection[str]) -> None:
    """Refuse what is no mapping, and keys that GitHub does not know in it."""
    mapping(spot)
    for key, each in spot.entries():
        if key not in keys:
            each.refuse(f"{spot.name} has no key {key!r}{nearest(key, keys)}")


def mapping(spot: Spot) -> None:
    """Refuse what is no mapping."""
    if not isinstance(spot.value, dict):
        spot.refuse(f"{spot.name} is a mapping, not {spot.kind()}")


def each_key(spot: Spot, checks: Mapping[str, Callable[[Spot], None]]) -> None:
    """Refuse unknown keys and check the value of every other."""
    known_keys(spot, checks)
    for key, each in spot.entries():
        checks[key](each)


def needed(spot: Spot, key: str, why: str) -> Spot:
    """Give what stands under a key that has to be there."""
    found = spot.get(key)
    if found is None or found.value is None:
        (found or spot).refuse(f"{spot.name} has no `{key}`: {why}")
    return found


def identifier(spot: Spot, word: str, what: str) -> None:
    """Refuse a name that GitHub does not take as an identifier."""
    if not _IDENTIFIER.fullmatch(word):
        spot.refuse(
            f"{word!r} is no {what}: it begins with a letter or _, goes on with letters, digits, - and _, "
            "and has at most 100 characters"
        )


def fixed(spot: Spot) -> None:
    """Refuse what is no text, and expressions in it."""
    _scalar(spot)
    if has_expression(spot.value):
        spot.refuse(f"{spot.name} cannot hold an expression; GitHub reads it before anything is known")


def fixed_filled(spot: Spot) -> None:
    """Refuse what is no text, is empty, or holds an expression."""
    fixed(spot)
    _filled(spot)


def _scalar(spot: Spot) -> None:
    if isinstance(spot.value, (dict, list)):
        spot.refuse(f"{spot.name} is text, not {spot.kind()}")


def _filled(spot: Spot) -> None:
    if text(spot.value) == "":
        spot.refuse(f"{spot.name} is empty")


def text_of(rule: Rule, *, filled: bool = False) -> Callable[[Spot], None]:
    """Make a check for text in which expressions may use what a rule allows."""

    def checked(spot: Spot) -> None:
        _scalar(spot)
        if filled:
            _filled(spot)
        check(spot, rule)

    return checked


def texts_of(rule: Rule) -> Callable[[Spot], None]:
    """Make a check for a mapping of names to texts."""

    def checked(spot: Spot) -> None:
        if not has_expression(spot.value):
            mapping(spot)
            for _, each in spot.entries():
                _scalar(each)
        check(spot, rule)

    return checked


def list_of(rule: Rule) -> Callable[[Spot], None]:
    """Make a check for a list of texts."""

    def checked(spot: Spot) -> None:
        if not has_expression(spot.value):
            if not isinstance(spot.value, list):
                spot.refuse(f"{spot.name} is a list, not {spot.kind()}")
            for each in spot.elements():
                _scalar(each)
        check(spot, rule)

    return checked


def boolean_of(rule: Rule) -> Callable[[Spot], None]:
    """Make a check for true or false, or an expression that becomes one."""

    def checked(spot: Spot) -> None:
        if not isinstance(spot.value, bool) and not has_expression(spot.value):
            spot.refuse(f"{spot.name} is true or false, not {spot.kind()}{_yes_or_no(spot.value)}")
        check(spot, rule)

    return checked


def _yes_or_no(value: object) -> str:
    return (
        "; GitHub reads YAML 1.2, in which yes, no, on and off are text" if value in {"yes", "no", "on", "off"} else ""
    )


def minutes_of(rule: Rule) -> Callable[[Spot], None]:
    """Make a check for a number of minutes, or an expression that becomes one."""

    def checked(spot: Spot) -> None:
        value = spot.value
        good = isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
        if not good and not has_expression(value):
            spot.refuse(f"{spot.name} is a number of minutes above 0, not {spot.kind()}")
        check(spot, rule)

    return checked


def count_of(rule: Rule) -> Callable[[Spot], None]:
    """Make a check for a whole number from 1 on, or an expression that becomes one."""

    def checked(spot: Spot) -> None:
        good = isinstance(spot.value, int) and not isinstance(spot.value, bool) and spot.value >= 1
        if not good and not has_expression(spot.value):
            spot.refuse(f"{spot.name} is a whole number from 1 on, not {spot.kind()}")
        check(spot, rule)

    return checked


def permissions(spot: Spot) -> None:
    """Check ``permissions``."""
    if isinstance(spot.value, str):
        if spot.value not in {"read-all", "write-all"}:
            spot.refuse(f"{spot.name} is read-all, write-all or a mapping, not {spot.kind()}")
        return
    known_keys(spot, SCOPES)
    for scope, each in spot.entries():
        if each.value not in SCOPES[scope]:
            each.refuse(f"{each.name} is {' or '.join(SCOPES[scope])}, not {each.kind()}")


def concurrency_of(rule: Rule) -> Callable[[Spot], None]:
    """Make a check for ``concurrency``."""
    keys = {"group": text_of(rule, filled=True), "cancel-in-progress": boolean_of(rule), "queue": _queue}

    def checked(spot: Spot) -> None:
        if isinstance(spot.value, (dict, list)) or spot.value is None:
            each_key(spot, keys)
            needed(spot, "group", "it names what may not run twice at a time")
        else:
            text_of(rule, filled=True)(spot)

    return checked


def _queue(spot: Spot) -> None:
    if spot.value not in {"single", "max"}:
        spot.refuse(f"{spot.name} is single or max, not {spot.kind()}")


def defaults_of(rule: Rule | None) -> Callable[[Spot], None]:
    """Make a check for ``defaults``; without a rule it can hold no expressions."""
    word = text_of(rule, filled=True) if rule else fixed_filled

    def run(spot: Spot) -> None:
        each_key(spot, {"shell": word, "working-directory": word})

    return lambda spot: each_key(spot, {"run": run})
