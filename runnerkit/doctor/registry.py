"""All checks, in the order in which they are told, and what ``--only`` means."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from runnerkit.doctor import aws, computer, data, github, images, network, policy, quotas
from runnerkit.doctor.words import Group
from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.doctor.checking import Check

_ALL = tuple(
    check for module in (aws, quotas, network, images, github, policy, data, computer) for check in module.CHECKS
)
CHECKS: tuple[Check, ...] = tuple(sorted(_ALL, key=lambda check: list(Group).index(check.group)))


def chosen(only: Sequence[str]) -> tuple[Check, ...]:
    """The checks of these groups and names, which may be several in one text with commas; all when none is named.

    Raises:
        ConfigError: There is no such group or check.
    """
    only = [word.strip() for text in only for word in text.split(",") if word.strip()]
    known = {*map(str, Group), *(check.name for check in CHECKS)}
    for word in only:
        if word not in known:
            near = get_close_matches(word, sorted(known), n=1)
            hint = f"did you mean {near[0]}?" if near else f"groups are: {', '.join(Group)}"
            raise ConfigError(f"there is no check or group {word!r}", hint=f"{hint}; `runnerkit doctor --list` has all")
    return tuple(check for check in CHECKS if not only or {check.name, str(check.group)} & set(only))


def looks(checks: Sequence[Check]) -> frozenset[str]:
    """The looks that these checks need."""
    return frozenset(name for check in checks for name in check.reads)
