"""What people look at: pull requests, comments, statuses, checks."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(slots=True)
class Pull:
    """What makes an issue a pull request; ``merge_sha`` is the commit its workflows check out, or the merged one."""

    head_repository: str
    head_ref: str
    head_sha: str
    base_ref: str
    merged: bool = False
    base_sha: str = ""
    body: str = ""
    mergeable: bool = True
    merge_sha: str | None = None
    merged_by: str | None = None
    commits: int = 1
    additions: int = 1
    deletions: int = 0
    changed_files: int = 1


@dataclass(slots=True)
class Issue:
    """An issue; with ``pull``, a pull request."""

    id: int
    repository: str
    number: int
    title: str
    login: str
    created_at: datetime
    updated_at: datetime
    state: str = "open"
    locked: bool = False
    pull: Pull | None = None
    body: str = ""
    closed_at: datetime | None = None


@dataclass(slots=True)
class Comment:
    """A comment on an issue or a pull request; ``app_id`` names the App that wrote it."""

    id: int
    repository: str
    number: int
    body: str
    login: str
    created_at: datetime
    updated_at: datetime
    app_id: int | None = None


@dataclass(slots=True)
class Status:
    """A commit status; the newest of a context counts."""

    id: int
    repository: str
    sha: str
    state: str
    context: str
    description: str | None
    target_url: str | None
    login: str
    created_at: datetime


@dataclass(slots=True)
class Check:
    """A check run made by an App."""

    id: int
    repository: str
    sha: str
    name: str
    app_id: int
    started_at: datetime
    status: str = "queued"
    conclusion: str | None = None
    completed_at: datetime | None = None
    external_id: str = ""
    details_url: str | None = None
    title: str | None = None
    summary: str | None = None
    text: str | None = None
    annotations: list[dict[str, Any]] = field(default_factory=list)
