"""What a check is: a question, the looks that it needs, and the function that answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerkit.doctor.words import Level, Remark

if TYPE_CHECKING:
    from runnerkit.doctor.seen import Observed
    from runnerkit.doctor.words import Group

Judge = Callable[["Observed"], Iterable[Remark]]


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        name: Its name for ``--only`` and JSON; it begins with its group where that helps, and stays.
        group: What it is about.
        asks: The question that it answers.
        reads: The looks that it needs, by their names in :class:`~runnerkit.doctor.seen.Observed`.
        levels: What it may come to besides ``ok`` and ``unknown``.
        todo: What to do in general when it fails.
        judge: The check itself; what it wants and nobody saw is :class:`NotSeen`.
    """

    name: str
    group: Group
    asks: str
    reads: tuple[str, ...]
    levels: tuple[Level, ...]
    todo: str
    judge: Judge


def check(
    name: str, group: Group, asks: str, *, reads: tuple[str, ...], levels: str, todo: str
) -> Callable[[Judge], Check]:
    """Make a check of a function; ``levels`` are letters: n(ote), w(arning), f(ailure)."""
    known = {"n": Level.NOTE, "w": Level.WARNING, "f": Level.FAILURE}
    told = tuple(known[letter] for letter in levels)
    return lambda judge: Check(name, group, asks, reads, told, todo, judge)
