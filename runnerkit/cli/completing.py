"""What a shell offers for values that are few and known; nobody is asked over a network for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def key(name: str) -> Callable[[str], list[str]]:
    """The words that a key of the label takes."""

    def words(incomplete: str) -> list[str]:
        from runnerkit.labels.keys import KEYS

        return _beginning(incomplete, KEYS[name].words)

    return words


def recipes(incomplete: str) -> list[str]:
    """Names of recipes: those of the current folder, and those that come along."""
    from runnerkit.baking import recipe_files

    return _beginning(incomplete, recipe_files.known(recipe_files.folders(Path.cwd())))


def scenarios(incomplete: str) -> list[str]:
    """Scenarios of the simulator."""
    from runnerkit.testing.simulation.scenario import built_in

    return _beginning(incomplete, built_in())


def machines(incomplete: str) -> list[str]:
    """Kinds of the sandbox's machines."""
    return _beginning(incomplete, ("process", "nspawn", "hollow"))


def _beginning(incomplete: str, words: Iterable[str]) -> list[str]:
    # zsh evaluates what it is offered, and a checkout may hold a file of any name.
    return [word for word in words if word.startswith(incomplete) and _PLAIN.fullmatch(word)]
