"""What GitHub and AWS hand out: registrations, releases, comments, leftovers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from runnerkit.model.observed import Runner
    from runnerkit.names import Secret


@dataclass(frozen=True, slots=True)
class Registration:
    """A fresh runner record and the secret that lets one machine be it."""

    runner: Runner
    jit_config: Secret = field(repr=False)


@dataclass(frozen=True, slots=True)
class Release:
    """A release of GitHub's runner application, and when it came out (aware UTC; None when nobody tells)."""

    version: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on an issue or pull request."""

    id: int
    body: str
    author: str
    url: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something a launch or a bake made that outlived it.

    ``kind`` is volume, launch-template, parameter, builder or security-group.
    """

    kind: str
    id: str
    region: str
    name: str
    created_at: datetime
