"""What happened, and whom it is told to."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(slots=True)
class Happening:
    """Something that can trigger workflows; ``payload`` is what a webhook tells of it.

    ``sha`` is what workflows check out (a pull request's merge commit), ``head_sha`` the commit their runs are shown
    at; ``changed`` lists the files, None where there is nothing to compare. Nothing is triggered without a ``sha`` (a
    deleted branch, a pull request that conflicts) and by what was done with a ``GITHUB_TOKEN`` (``by_workflow``).
    """

    repository: str
    event: str
    actor: str
    action: str | None = None
    ref: str = ""
    sha: str = ""
    head_sha: str = ""
    base_ref: str = ""
    head_ref: str = ""
    changed: tuple[str, ...] | None = None
    pull_number: int | None = None
    payload: dict[str, Any] = field(default_factory=dict)
    by_workflow: bool = False


@dataclass(slots=True)
class Hook:
    """A webhook of a repository or an organisation (``level`` as in `Runner`), or the one of an App (``apps/ID``)."""

    id: int
    level: str
    url: str
    events: tuple[str, ...]
    created_at: datetime
    secret: str = ""
    content_type: str = "json"
    active: bool = True


@dataclass(slots=True)
class Delivery:
    """One attempt to tell a hook something; ``guid`` stays the same when it is delivered again."""

    id: int
    guid: str
    hook_id: int
    event: str
    action: str | None
    body: str
    at: datetime
    status: int = 0
    answer: str = ""
    repository_id: int | None = None
    installation_id: int | None = None
    redelivery: bool = False
    duration: float = 0.0
