"""One request to GitHub: what is sent, what it is for, and which permission it takes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from runnerkit.errors import ForgeError, ForgeUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOTHING: Mapping[Any, Any] = MappingProxyType({})
MESSAGE_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Need:
    """A permission that a request takes.

    ``text`` is how GitHub's settings call it, ``scope`` the same for a classic token; ``token`` is everything that an
    App's token for this kind of work asks for, so that one token serves all of it and holds nothing else.
    """

    text: str
    scope: str
    token: tuple[tuple[str, str], ...]


_CONTROL = (("actions", "write"), ("administration", "write"), ("metadata", "read"))
_ORG_CONTROL = (("actions", "write"), ("metadata", "read"), ("organization_self_hosted_runners", "write"))
_COMMENT = (("issues", "write"), ("metadata", "read"), ("pull_requests", "write"))


@dataclass(frozen=True, slots=True)
class Needs:
    """The permissions of the controller's requests, at one level (repository or organisation)."""

    runners: Need
    read_runners: Need
    runs: Need
    read_runs: Need


AT_REPOSITORY = Needs(
    runners=Need("administration: write", "repo", _CONTROL),
    read_runners=Need("administration: read", "repo", _CONTROL),
    runs=Need("actions: write", "repo", _CONTROL),
    read_runs=Need("actions: read", "repo", _CONTROL),
)
AT_ORGANIZATION = Needs(
    runners=Need("organization_self_hosted_runners: write", "admin:org", _ORG_CONTROL),
    read_runners=Need("organization_self_hosted_runners: read", "admin:org", _ORG_CONTROL),
    runs=Need("actions: write", "repo", _ORG_CONTROL),
    read_runs=Need("actions: read", "repo", _ORG_CONTROL),
)
COMMENTS = Need("issues: write and pull_requests: write", "repo", _COMMENT)
STATUSES = Need("statuses: write", "repo:status", (("metadata", "read"), ("statuses", "write")))
CHECKS = Need("checks: write of a GitHub App", "repo", (("checks", "write"), ("metadata", "read")))
ANNOTATIONS = Need("checks: read", "repo", (("checks", "read"), ("metadata", "read")))
GATES = Need(
    "actions: read and deployments: read",
    "repo",
    (("actions", "read"), ("deployments", "read"), ("metadata", "read")),
)
FILES = Need("contents: read", "repo", (("contents", "read"), ("metadata", "read")))
REPOSITORIES = Need("metadata: read", "repo", (("metadata", "read"),))
REPOSITORY_HOOKS = Need(
    "webhooks: write of the repository", "admin:repo_hook", (("metadata", "read"), ("repository_hooks", "write"))
)
ORGANIZATION_HOOKS = Need(
    "webhooks: write of the organisation", "admin:org_hook", (("metadata", "read"), ("organization_hooks", "write"))
)
VARIABLES = Need("variables: write", "repo", (("actions_variables", "write"), ("metadata", "read")))
SECRETS = Need("secrets: write", "repo", (("metadata", "read"), ("secrets", "write")))
ENVIRONMENTS = Need(
    "administration: write and actions: read",
    "repo",
    (("actions", "read"), ("administration", "write"), ("metadata", "read")),
)
THE_APP = Need("the App's own key", "", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request.

    Args:
        what: What it does, as it follows "GitHub refused to".
        repo: The repository on whose behalf, or its owner alone; it decides which token is used.
        fine: Statuses from 300 up that the caller understands itself.
        meanings: Statuses that mean something particular here, as the error to raise.
        background: Whether it may wait when few calls are left before the limit.
        registers: Whether it draws on GitHub's separate budget for registrations.
    """

    verb: str
    path: str
    what: str
    repo: str
    need: Need
    params: Mapping[str, str | int] = field(default_factory=lambda: _NOTHING)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    etag: str = ""
    fine: frozenset[int] = frozenset()
    meanings: Mapping[int, type[ForgeError]] = field(default_factory=lambda: _NOTHING)
    background: bool = False
    registers: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the names of ``headers`` are lower case."""

    status: int
    headers: Mapping[str, str]
    text: str = field(repr=False)

    def json(self, what: str) -> Any:  # noqa: ANN401 - JSON is anything
        """The body.

        Raises:
            ForgeUnavailable: It is not JSON, for example because a proxy answered.
        """
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError) as error:
            raise unreadable(what) from error

    @property
    def message(self) -> str:
        """GitHub's reason for a refusal with the details it gives; empty when it gives none."""
        try:
            body = json.loads(self.text)
        except (ValueError, RecursionError):
            return ""
        if not isinstance(body, dict):
            return ""
        details = body.get("errors")
        told = [body.get("message"), *map(_detail, details if isinstance(details, list) else [details])]
        text = "; ".join(str(each) for each in told if isinstance(each, str) and each)
        return "".join(letter for letter in text if letter.isprintable())[:MESSAGE_LIMIT]


def unreadable(what: str) -> ForgeUnavailable:
    """The error for an answer that is not what GitHub sends."""
    return ForgeUnavailable(
        f"the answer to the request to {what} could not be understood",
        hint="check that github.api_url is GitHub's API and that no proxy answers in its place",
    )


def _detail(error: object) -> str:
    if isinstance(error, str):
        return error
    if not isinstance(error, dict):
        return ""
    if error.get("message"):
        return str(error["message"])
    return " ".join(str(error[key]) for key in ("resource", "field", "code") if error.get(key))
