"""Values: what is wished for at a repository, what is there, and one step from the one to the other."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runnerkit.names import Secret

# GitHub lets nobody mark a variable or an environment, so one more variable lists what was made.
RECORD = "RUNNERKIT_SETUP"
EVENTS = ("workflow_job", "workflow_run")
MOST_REVIEWERS = 6


class Verb(StrEnum):
    """What happens to a thing."""

    CREATE = "create"
    CHANGE = "change"
    KEEP = "keep"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing at one place.

    Attributes:
        verb: What happens to it.
        kind: webhook, variable, secret, environment or record.
        place: The repository, or the organisation.
        name: Its name, or the webhook's address.
        why: For people: the value, or why it stays.
    """

    verb: Verb
    kind: str
    place: str
    name: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be at a place.

    Attributes:
        hook_url: Where its webhook is sent; empty: it is to have none of ours.
        hook_secret: What the webhook is signed with.
        variables: Names and values.
        secrets: Names and values.
        environment: The environment that people approve in; empty: none.
        reviewers: Who approves, as logins.
        replace: Whether variables with another value are overwritten, and webhooks that are right written again.
    """

    hook_url: str = ""
    hook_secret: Secret | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    environment: str = ""
    reviewers: tuple[str, ...] = ()
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook of ours."""

    id: int
    events: tuple[str, ...]
    active: bool
    content_type: str


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment: ``reviewers`` are pairs of User or Team and an id, ``logins`` the names of those that are people.

    ``rules`` is what else protects it, as GitHub takes it back; what is not said there again would be switched off.
    """

    reviewers: tuple[tuple[str, int], ...] = ()
    logins: frozenset[str] = frozenset()
    rules: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """What ``setup github`` made at a repository; a variable is told by a digest of its value.

    ``earlier`` are environments that were made before the last one, with their reviewers.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    environment: str = ""
    reviewers: tuple[str, ...] = ()
    earlier: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def text(self) -> str:
        """As it is kept in the variable."""
        told = {
            "variables": dict(sorted(self.variables.items())),
            "secrets": sorted(self.secrets),
            "environment": self.environment,
            "reviewers": sorted(self.reviewers),
            "earlier": {name: sorted(who) for name, who in sorted(self.earlier.items())},
        }
        return json.dumps({name: value for name, value in told.items() if value}, separators=(",", ":"))

    @property
    def is_empty(self) -> bool:
        """Whether nothing was made."""
        return not (self.variables or self.secrets or self.environment)


def read_record(text: str) -> Record:
    """The record in a variable's text; what cannot be read is an empty one, so that nothing is removed by mistake."""
    try:
        told = json.loads(text)
    except ValueError:
        return Record()
    if not isinstance(told, dict):
        return Record()
    variables, earlier = told.get("variables"), told.get("earlier")
    return Record(
        {str(k): str(v) for k, v in variables.items()} if isinstance(variables, dict) else {},
        _texts(told.get("secrets")),
        str(told.get("environment") or ""),
        _texts(told.get("reviewers")),
        {str(name): _texts(who) for name, who in earlier.items()} if isinstance(earlier, dict) else {},
    )


def _texts(told: object) -> tuple[str, ...]:
    return tuple(each for each in told if isinstance(each, str)) if isinstance(told, list) else ()


def digest(value: str) -> str:
    """Twelve digits that tell whether a variable is still what it was made."""
    return hashlib.sha256(value.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Seen:
    """What is there: ``environment`` is None where there is none of that name, ``secrets`` are names.

    ``earlier`` are those that the record lists besides.
    """

    hooks: tuple[Hook, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    environment: Environment | None = None
    earlier: Mapping[str, Environment] = field(default_factory=dict)

    @property
    def record(self) -> Record:
        """What was made by us."""
        return read_record(self.variables.get(RECORD, "{}"))
