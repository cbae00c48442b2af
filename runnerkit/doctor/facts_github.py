"""What the looks at GitHub see: plain values. Times are aware UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class TokenSeen:
    """What signs in to GitHub: ``kind`` is fine-grained, classic, app, actions, user or other."""

    kind: str
    who: str = ""
    expires_at: datetime | None = None
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Power:
    """Whether a feature has its permission: True, False, or None: nobody could tell."""

    feature: str
    needs: str
    allowed: bool | None
    required: bool = True
    why: str = ""


@dataclass(frozen=True, slots=True)
class Rate:
    """GitHub's hourly budget of calls; a limit of 0: a server that has none."""

    limit: int
    remaining: int
    reset: datetime


@dataclass(frozen=True, slots=True)
class RepositorySeen:
    """A repository that is served; ``visible`` False: it does not exist, or the token may not see it.

    ``owner/*`` is one too where none of it can be seen. ``problem`` is why, where that is known; ``specs`` the text of
    its ``.github/runnerkit.toml``.
    """

    name: str
    visible: bool
    private: bool | None = None
    archived: bool = False
    specs: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class RunnerGroup:
    """The runner group of the configuration: None in ``open_to`` means all repositories of the organisation."""

    name: str
    exists: bool
    open_to: frozenset[str] | None = None
    public: bool = False
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeliverySeen:
    """A webhook that GitHub sent; ``status`` 0: it got no answer."""

    event: str
    at: datetime
    status: int


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Hooks that may be meant for us: their addresses, whether one is ours, and what was delivered to it lately."""

    url: str
    ours: bool
    others: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    active: bool = True
    deliveries: tuple[DeliverySeen, ...] = ()


@dataclass(frozen=True, slots=True)
class EnvironmentSeen:
    """An environment of a repository."""

    repo: str
    name: str
    reviewed: bool


@dataclass(frozen=True, slots=True)
class WorkflowJob:
    """A job of a workflow file, as far as it concerns us.

    ``labels`` are those of its ``runs-on``; an expression in a scope is replaced by a number, any other one stays.
    ``environments`` are its own and those of the jobs it needs. ``wants_identity``: it asks AWS for credentials by
    OIDC; ``has_identity``: it may. ``launches``: it launches machines for the jobs after it.
    """

    name: str
    labels: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    wants_identity: bool = False
    has_identity: bool = False
    launches: bool = False


@dataclass(frozen=True, slots=True)
class WorkflowSeen:
    """A workflow file; ``problem`` says why it cannot be read.

    ``settings`` are the variables and secrets that it reads, as ``vars.NAME`` and ``secrets.NAME``: several where one
    of them is enough, none where something else stands in for them.
    """

    repo: str
    path: str
    events: tuple[str, ...] = ()
    jobs: tuple[WorkflowJob, ...] = ()
    problem: str = ""
    settings: tuple[tuple[str, ...], ...] = ()


ENVIRONMENTS = "environments"


@dataclass(frozen=True, slots=True)
class SettingsSeen:
    """Variables and secrets that a repository's workflows can read.

    ``hidden``: kinds that the token may not list, and ``environments`` where those of environments are.
    """

    repo: str
    names: frozenset[str]
    hidden: tuple[str, ...] = ()
