"""What is to be done, given what is wanted and what was found. Decides; does nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from runnerkit import tags
from runnerkit.setup.differing import differences
from runnerkit.setup.words import DIRECT, SETUP, SHARED, STACK, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.setup.words import Found, Resource


class Do(StrEnum):
    """What is done about one thing."""

    MAKE = "make"
    CHANGE = "change"
    KEEP = "keep"  # it is as it should be
    LEAVE = "leave"  # it is not ours to touch, and need not be
    BLOCK = "block"  # it is not ours to touch, and stands in the way
    REMOVE = "remove"


WORK = frozenset({Do.MAKE, Do.CHANGE, Do.REMOVE})


@dataclass(frozen=True, slots=True)
class Step:
    """What is done about one thing, and why."""

    resource: Resource
    do: Do
    why: str
    changes: tuple[str, ...] = ()
    found: Found | None = None

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            "do": str(self.do),
            "kind": str(self.resource.kind),
            "name": self.resource.name,
            "region": self.resource.region,
            "why": self.why,
            "changes": list(self.changes),
        }


def planned(wanted: Sequence[Resource], found: Mapping[str, Found | None], owner: str) -> tuple[Step, ...]:
    """What is to be done so that everything is there.

    Args:
        wanted: The table.
        found: What there is, by the keys of the table.
        owner: Whose things are ours.
    """
    return tuple(_step(each, found.get(each.key), owner) for each in wanted)


def unasked(
    every: Sequence[Resource], found: Mapping[str, Found | None], wanted: Sequence[Resource], owner: str
) -> tuple[Step, ...]:
    """What is ours, and was not asked for this time."""
    asked = {(each.kind, each.name, each.region) for each in wanted}
    why = "ours, but not asked for this time; `--remove` removes it with the rest"
    return tuple(
        Step(each, Do.LEAVE, why, found=there)
        for each in every
        if (there := found.get(each.key))
        and (each.kind, each.name, each.region) not in asked
        and each.kind not in SHARED
        and _maker(there, owner) == DIRECT
    )


def removal(
    every: Sequence[Resource], found: Mapping[str, Found | None], owner: str, users: Mapping[str, Sequence[str]]
) -> tuple[Step, ...]:
    """What is to be done so that nothing of ours is left, the last made first.

    Args:
        every: The table of everything that could ever be made.
        found: What there is.
        owner: Whose things are ours.
        users: Who uses a thing, in words, by the keys of the table.
    """
    there = [(each, is_there) for each in every if (is_there := found.get(each.key)) is not None]
    return tuple(_removal(each, is_there, owner, users.get(each.key, ())) for each, is_there in reversed(there))


def is_ours(found: Found, owner: str) -> bool:
    """Whether it may be changed and removed: it bears the owner's tag, and that of the direct way."""
    return _maker(found, owner) == DIRECT


def _step(resource: Resource, found: Found | None, owner: str) -> Step:
    if found is None:
        return Step(resource, Do.MAKE, resource.why)
    changes = differences(resource.properties, found.properties)
    if resource.kind in SHARED:
        return _shared(resource, found, owner, changes)
    maker = _maker(found, owner)
    if maker != DIRECT:
        return _others(resource, found, maker, changes)
    missing = sorted(key for key, value in resource.tags.items() if found.tags.get(key) != value)
    changes += (f"tags: + {', '.join(missing)}",) if missing and resource.tags else ()
    if changes:
        return Step(resource, Do.CHANGE, resource.why, changes, found)
    return Step(resource, Do.KEEP, "as it should be" + _also(found), (), found)


def _shared(resource: Resource, found: Found, owner: str, changes: tuple[str, ...]) -> Step:
    if not changes:
        return Step(resource, Do.KEEP, "is there; there is one for each account", (), found)
    if is_ours(found, owner):
        return Step(resource, Do.CHANGE, resource.why, changes, found)
    return Step(
        resource, Do.BLOCK, "somebody else made it, and it lacks what is needed: change it there", changes, found
    )


def _others(resource: Resource, found: Found, maker: str, changes: tuple[str, ...]) -> Step:
    if maker == STACK:
        why = "a CloudFormation stack made it"
        do = Do.BLOCK if changes else Do.KEEP
        return Step(
            resource, do, why + ("; update the stack by a template of --print" if changes else ""), changes, found
        )
    if maker and resource.kind is Kind.GROUP:
        do = Do.BLOCK if changes else Do.KEEP
        return Step(resource, do, "a launch made it" + ("; take its rules away" if changes else ""), changes, found)
    if resource.kind is Kind.PROFILE and not found.tags and not changes:
        # CloudFormation gives these no tags; that one carries our role and nothing else, so it is ours to use.
        return Step(resource, Do.KEEP, "it carries that role already; nothing says who made it", (), found)
    why = f"somebody else's: it lacks the tags {tags.OWNER} and {SETUP} of this installation"
    return Step(resource, Do.BLOCK, why, changes, found)


def _removal(resource: Resource, found: Found, owner: str, users: Sequence[str]) -> Step:
    maker = _maker(found, owner)
    if resource.kind is Kind.SPOT_ROLE:
        return Step(resource, Do.LEAVE, "EC2's own; every spot machine of the account needs it", (), found)
    if maker == STACK:
        return Step(resource, Do.LEAVE, "a CloudFormation stack made it; delete the stack", (), found)
    if maker != DIRECT:
        return Step(resource, Do.LEAVE, "not made by this set-up", (), found)
    if users or found.extras:
        why = f"in use: {'; '.join((*users, *found.extras))}"
        return Step(resource, Do.BLOCK, why, (), found)
    return Step(resource, Do.REMOVE, "made by this set-up", (), found)


def _maker(found: Found, owner: str) -> str:
    """Who made it: the value of our tag, or "launch" with the owner's tag alone; nothing when it is not the owner's."""
    if found.tags.get(tags.OWNER) != owner:
        return ""
    return found.tags.get(SETUP, "launch")


def _also(found: Found) -> str:
    return f"; others have added: {', '.join(found.extras)}" if found.extras else ""
