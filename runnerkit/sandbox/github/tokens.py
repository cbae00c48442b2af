"""Tokens and App JWTs: who calls, and what that caller was given."""

import secrets
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from runnerkit.sandbox.github.records import App, Installation
from runnerkit.sandbox.github.refusals import Reason, Refused, invalid

BEARER_PARTS = 2
INSTALLATION_TOKEN_LIFE = timedelta(hours=1)
LONGEST_JWT = 600
PREFIXES = {"classic": "ghp_", "fine-grained": "github_pat_", "app-installation": "ghs_", "actions": "ghs_"}
SCOPES = ("repo", "admin:org", "admin:org_hook", "workflow")
GENEROUS = {
    "actions": "write",
    "actions_variables": "write",
    "administration": "write",
    "checks": "write",
    "contents": "write",
    "deployments": "write",
    "issues": "write",
    "metadata": "read",
    "organization_hooks": "write",
    "organization_self_hosted_runners": "write",
    "pull_requests": "write",
    "repository_hooks": "write",
    "secrets": "write",
    "statuses": "write",
}
# What a workflow's `permissions:` can name; administration and organisation permissions are not among it.
WORKFLOW_PERMISSIONS = {
    name: GENEROUS[name]
    for name in GENEROUS
    if name not in {"actions_variables", "administration", "repository_hooks", "secrets"}
    and not name.startswith("organization_")
}
RANKS = {"read": 1, "write": 2, "admin": 3}


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; ``repositories`` is None where it reaches all that its login reaches.

    ``account`` is whose installation it belongs to; its login is then that of the App's bot.
    """

    value: str
    kind: str
    login: str
    permissions: Mapping[str, str]
    scopes: frozenset[str] = frozenset()
    repositories: frozenset[str] | None = None
    expires_at: datetime | None = None
    installation_id: int | None = None
    app_id: int | None = None
    account: str = ""

    @property
    def place(self) -> str:
        """The account it was given for."""
        return self.account or self.login

    @property
    def is_app(self) -> bool:
        """Whether GitHub sees an App behind it."""
        return self.kind in {"app-installation", "actions"}

    def allows(self, permission: str, level: str) -> bool:
        """Tell whether the token holds a permission at ``level`` or above."""
        return RANKS.get(self.permissions.get(permission, ""), 0) >= RANKS[level]


def default_permissions(kind: str, asked: Mapping[str, str] | None) -> dict[str, str]:
    """Complete the permissions of a new token.

    Raises:
        ValueError: the kind is unknown, or a ``GITHUB_TOKEN`` would hold what none can hold.
    """
    if kind not in PREFIXES:
        raise ValueError(f"no kind of token {kind!r}; there are {', '.join(PREFIXES)}")
    if kind == "classic":
        if asked:
            raise ValueError("a classic token has scopes, not permissions; pass scopes=")
        return {}
    held = WORKFLOW_PERMISSIONS if kind == "actions" else GENEROUS
    permissions = {"metadata": "read"} | dict(held if asked is None else asked)
    beyond = sorted(permissions.keys() - WORKFLOW_PERMISSIONS.keys()) if kind == "actions" else []
    if beyond:
        raise ValueError(f"a GITHUB_TOKEN never holds {', '.join(beyond)}; use a fine-grained or App token")
    return permissions


class Tokens:
    """All tokens ever given out."""

    def __init__(self) -> None:
        self.registrations: dict[str, tuple[str, datetime]] = {}
        self._known: dict[str, Token] = {}
        self._lock = threading.Lock()

    def issue(self, kind: str, login: str, permissions: Mapping[str, str], **more: Any) -> Token:  # noqa: ANN401 - Token's fields
        """Make a token under a fresh secret."""
        token = Token(PREFIXES[kind] + secrets.token_urlsafe(30), kind, login, permissions, **more)
        with self._lock:
            self._known[token.value] = token
        return token

    def find(self, authorization: str, now: datetime) -> Token | None:
        """Find the caller by the Authorization header; None for nobody.

        Raises:
            Refused: 401 for a token that is unknown or expired.
        """
        if not authorization:
            return None
        token = self._known.get(authorization.rsplit(maxsplit=1)[-1])
        if token is None or (token.expires_at is not None and token.expires_at <= now):
            raise Refused(Reason.UNAUTHENTICATED, "Bad credentials")
        return token

    def registration(self, level: str, expires_at: datetime) -> str:
        """Make a token that registers runners at ``level``; it opens nothing of the API."""
        value = "A" + secrets.token_hex(14).upper()
        with self._lock:
            self.registrations[value] = (level, expires_at)
        return value

    def revoke(self, value: str) -> None:
        """Make a token unknown."""
        with self._lock:
            self._known.pop(value, None)


def verify_jwt(apps: Iterable[App], authorization: str) -> App:
    """Find the App whose JWT this is; times are those of the real clock, as the caller has no other.

    Raises:
        Refused: 401 with GitHub's reason.
    """
    words = authorization.split()
    if len(words) != BEARER_PARTS or words[0].lower() != "bearer":
        raise Refused(Reason.UNAUTHENTICATED, "A JSON web token could not be decoded")
    try:
        claims = jwt.decode(words[1], options={"verify_signature": False})
        app = next(each for each in apps if str(claims.get("iss")) in {str(each.id), each.client_id})
    except jwt.PyJWTError as error:
        raise Refused(Reason.UNAUTHENTICATED, "A JSON web token could not be decoded") from error
    except StopIteration:
        raise Refused(Reason.UNAUTHENTICATED, "'Issuer' claim ('iss') must be an Integer or a client id") from None
    _check_claims(claims)
    if app.public_key is not None:
        try:
            jwt.decode(words[1], app.public_key, algorithms=["RS256"], options={"verify_aud": False})
        except jwt.PyJWTError as error:
            raise Refused(Reason.UNAUTHENTICATED, "A JSON web token could not be decoded") from error
    return app


def _check_claims(claims: Mapping[str, Any]) -> None:
    now = time.time()
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int | float) or issued > now:
        raise Refused(
            Reason.UNAUTHENTICATED, "'Issued at' claim ('iat') must be an Integer representing the time in the past"
        )
    if not isinstance(expires, int | float) or expires <= now:
        raise Refused(Reason.UNAUTHENTICATED, "'Expiration time' claim ('exp') must be a numeric value in the future")
    if expires > now + LONGEST_JWT:
        raise Refused(Reason.UNAUTHENTICATED, "'Expiration time' claim ('exp') is too far in the future")


def narrowed(installation: Installation, asked: Mapping[str, str], names: Iterable[str] | None) -> dict[str, Any]:
    """Work out what a new installation token holds: at most what the installation does.

    Raises:
        Refused: 422 when more is asked for.
    """
    for permission, level in asked.items():
        if RANKS[level] > RANKS.get(installation.permissions.get(permission, ""), 0):
            raise invalid("The permissions requested are not granted to this installation.")
    repositories = installation.repositories if names is None else frozenset(names)
    if repositories and installation.repositories is not None and not repositories <= installation.repositories:
        raise invalid("There is at least one repository that does not exist or is not accessible to the parent.")
    return {"permissions": dict(asked or installation.permissions), "repositories": repositories}
