"""Who runnerkit is at GitHub: a token somebody made, or a GitHub App that makes short-lived, narrow ones.

Sources: GitHub's OpenAPI description of ``apps/create-installation-access-token`` (narrowing by ``repositories`` and
``permissions``, life of one hour) and "Generating a JSON Web Token for a GitHub App".
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from runnerkit.errors import ConfigError, ForgeDenied, ForgeError, ForgeRejected, NotFound
from runnerkit.github import places
from runnerkit.github.asks import THE_APP, Answer, Ask, unreadable
from runnerkit.github.views import integer, moment, record, text
from runnerkit.names import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

    from github.Auth import AppAuth
    from pydantic import SecretStr

    from runnerkit.ports import Clock
    from runnerkit.settings import GitHubSettings

RENEW_BEFORE = timedelta(minutes=5)
# GitHub's bound on the repositories of one token request; with more the token is narrowed by permissions only.
MOST_REPOSITORIES = 500

Exchange = Callable[[Ask, str, str], Answer]
"""Sends a request with an Authorization header on behalf of a caller, and raises what GitHub's refusal means."""


class Credentials(Protocol):
    """What authorises a request."""

    def caller(self, ask: Ask) -> str:
        """Whose limits the request draws on."""

    def authorization(self, ask: Ask, exchange: Exchange) -> str:
        """The Authorization header for it; may ask GitHub for a token first.

        Raises:
            ForgeError: No token was to be had.
        """

    def renew(self, ask: Ask, used: str) -> bool:
        """Forget the token that was used for it, as GitHub no longer takes it; True when there can be another."""


def credentials(settings: GitHubSettings, clock: Clock, repos: Iterable[str]) -> Credentials:
    """The credentials that the settings describe.

    Raises:
        ConfigError: They describe none, or two, or one that cannot be used.
    """
    if settings.token is not None and settings.app_id is not None:
        raise ConfigError("github.token and github.app_id are both set", hint="keep the one that is to be used")
    if settings.token is not None:
        return TokenCredentials(_clean_token(settings.token))
    if settings.app_id is not None:
        return AppCredentials(settings, clock, repos)
    raise ConfigError(
        "there is nothing to sign in to GitHub with: neither github.token nor github.app_id is set",
        hint="make a fine-grained token with administration: write and actions: write on the repositories to serve,"
        " or install a GitHub App with these permissions",
    )


class TokenCredentials:
    """One token of any kind: fine-grained, classic, an App's, or that of a workflow."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def __repr__(self) -> str:
        return "TokenCredentials(***)"

    def caller(self, ask: Ask) -> str:  # noqa: ARG002 - the same for every request
        """There is one."""
        return "token"

    def authorization(self, ask: Ask, exchange: Exchange) -> str:  # noqa: ARG002 - needs nothing from GitHub
        """The token itself."""
        return f"Bearer {self._token.reveal()}"

    def renew(self, ask: Ask, used: str) -> bool:  # noqa: ARG002 - no request makes another
        """There is no other."""
        return False


@dataclass(frozen=True, slots=True)
class _Token:
    header: Secret
    expires_at: datetime


class AppCredentials:
    """A GitHub App: finds its installations and asks them for tokens that can do no more than is needed.

    A token is good for the repositories served there (all of the installation's where an owner is served as a whole)
    and for one kind of work; it is renewed before it expires.

    Raises:
        ConfigError: The private key is missing or is not one.
    """

    def __init__(self, settings: GitHubSettings, clock: Clock, repos: Iterable[str]) -> None:
        self._clock = clock
        self._organization = settings.organization if settings.runner_group else None
        self._installation = settings.installation_id
        self._served = frozenset(repos)
        self._app_id = settings.app_id or ""
        self._app = _app(self._app_id, _private_key(settings))
        self._lock = threading.RLock()
        self._installations: dict[str, int] = {}
        self._tokens: dict[object, _Token] = {}

    def __repr__(self) -> str:
        return f"AppCredentials(app_id={self._app_id!r})"

    def caller(self, ask: Ask) -> str:
        """Each installation has limits of its own, and so has the App itself."""
        if ask.need is THE_APP:
            return self._caller
        return f"installation {self._installation or places.owner(ask.repo).lower()}"

    def authorization(self, ask: Ask, exchange: Exchange) -> str:
        """A token of the installation that serves the repository, fresh or kept; the App's own where it is to be that.

        Raises:
            ForgeDenied: The App is not installed there, or was not given a permission.
            ForgeError: No token was to be had for another reason.
        """
        if ask.need is THE_APP:
            return self._signed()
        key, names = self._key(ask)
        with self._lock:
            token = self._tokens.get(key)
            if token is None or token.expires_at - self._clock.now() < RENEW_BEFORE:
                token = self._tokens[key] = self._fresh(ask, names, exchange, token)
            return token.header.reveal()

    def renew(self, ask: Ask, used: str) -> bool:
        """The next request gets a fresh token: one that another thread has got meanwhile, or a new one."""
        if ask.need is THE_APP:
            return False
        key, _ = self._key(ask)
        with self._lock:
            if key in self._tokens and self._tokens[key].header.reveal() == used:
                del self._tokens[key]
        return True

    def _key(self, ask: Ask) -> tuple[object, tuple[str, ...]]:
        owner = places.owner(ask.repo).lower()
        ours = {repo for repo in self._served if places.owner(repo).lower() == owner}
        if places.is_account(ask.repo) or any(places.name(repo) == "*" for repo in ours):
            return (owner, ask.need.token, ()), ()
        known = ask.repo.lower() in {repo.lower() for repo in ours}
        names = tuple(sorted(places.name(repo) for repo in (ours if known else {ask.repo})))
        return (owner, ask.need.token, names), names

    def _fresh(self, ask: Ask, names: tuple[str, ...], exchange: Exchange, old: _Token | None) -> _Token:
        try:
            return self._request(ask, names, exchange)
        except ForgeError as error:
            if error.retryable and old is not None and self._clock.now() < old.expires_at:
                return old
            raise

    def _request(self, ask: Ask, names: tuple[str, ...], exchange: Exchange) -> _Token:
        body: dict[str, Any] = {"permissions": dict(ask.need.token)}
        if 0 < len(names) <= MOST_REPOSITORIES:
            body["repositories"] = list(names)
        request = Ask(
            verb="POST",
            path=f"/app/installations/{self._find(ask, exchange)}/access_tokens",
            what=f"give the App a token for {ask.repo}",
            repo=ask.repo,
            need=THE_APP,
            body=body,
        )
        try:
            answer = exchange(request, self._signed(), self._caller)
        except ForgeRejected as error:
            raise _too_much(ask, names, error) from error
        except NotFound as error:
            raise self._not_installed(ask) from error
        return _token(request, answer)

    def _find(self, ask: Ask, exchange: Exchange) -> int:
        owner = places.owner(ask.repo).lower()
        found = self._installation or self._installations.get(owner)
        if found is None:
            found = self._installations[owner] = self._look_up(ask, exchange)
        return found

    def _look_up(self, ask: Ask, exchange: Exchange) -> int:
        what = f"find the App's installation for {ask.repo}"
        *others, last = [
            Ask(verb="GET", path=f"{place}/installation", what=what, repo=ask.repo, need=THE_APP)
            for place in self._places(ask)
        ]
        for request in others:
            with suppress(NotFound):
                return self._told(request, exchange)
        try:
            return self._told(last, exchange)
        except NotFound as error:
            raise self._not_installed(ask) from error

    def _told(self, request: Ask, exchange: Exchange) -> int:
        answer = exchange(request, self._signed(), self._caller)
        found = integer(record(answer.json(request.what)).get("id"))
        if found is None:
            raise unreadable(request.what)
        return found

    def _places(self, ask: Ask) -> tuple[str, ...]:
        if self._organization:
            return (f"/orgs/{self._organization}",)
        owner, every = places.owner(ask.repo), places.name(ask.repo) in {"", "*"}
        return (f"/orgs/{owner}", f"/users/{owner}") if every else (f"/repos/{ask.repo}",)

    @property
    def _caller(self) -> str:
        return f"app {self._app_id}"

    def _signed(self) -> str:
        return f"Bearer {self._app.create_jwt()}"

    def _not_installed(self, ask: Ask) -> ForgeDenied:
        self._installations.clear()
        which = f"App {self._app_id}" + (f" (installation {self._installation})" if self._installation else "")
        return ForgeDenied(
            f"the GitHub {which} is not installed where it could serve {ask.repo}",
            hint="install it there, or correct github.app_id and github.installation_id",
        )


def _token(request: Ask, answer: Answer) -> _Token:
    told = record(answer.json(request.what))
    secret, expires_at = text(told.get("token")), moment(told.get("expires_at"))
    if not secret or expires_at is None:
        raise unreadable(request.what)
    return _Token(Secret(f"Bearer {secret}"), expires_at)


def _too_much(ask: Ask, names: Iterable[str], error: ForgeRejected) -> ForgeDenied:
    wanted = ", ".join(f"{permission}: {level}" for permission, level in ask.need.token)
    # One of several that is out of reach keeps the App from all of them, and GitHub does not tell which it is.
    where = ", ".join(f"{places.owner(ask.repo)}/{name}" for name in names) or ask.repo
    return ForgeDenied(
        f"the App cannot {ask.what}: {error.message}",
        hint=f"give the App these permissions and access to {where}, and accept them in its installation: {wanted}",
    )


def _clean_token(token: SecretStr) -> Secret:
    secret = token.get_secret_value().strip()
    if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise ConfigError("github.token is empty or holds characters that no token has", hint="paste it once more")
    return Secret(secret)


def _private_key(settings: GitHubSettings) -> str:
    if settings.private_key is not None:
        return settings.private_key.get_secret_value()
    if settings.private_key_file is None:
        raise ConfigError(
            "github.app_id is set without a private key",
            hint="set github.private_key_file to the PEM file that GitHub made for the App, or github.private_key",
        )
    try:
        return Path(settings.private_key_file).expanduser().read_text()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise ConfigError(f"github.private_key_file {settings.private_key_file!r} cannot be read: {reason}") from error


def _app(app_id: str, private_key: str) -> AppAuth:
    # Only an App needs cryptography, which takes a quarter of a second to import.
    from github.Auth import AppAuth
    from jwt import PyJWTError

    hint = "use the PEM file that GitHub made for the App (it begins with -----BEGIN RSA PRIVATE KEY-----)"
    if not app_id.strip() or not private_key.strip():
        raise ConfigError("github.app_id or the App's private key is empty", hint=hint)
    try:
        app = AppAuth(app_id.strip(), private_key)
        app.create_jwt()
    except (PyJWTError, ValueError, TypeError) as error:
        raise ConfigError("the private key of github.app_id is not an RSA key in PEM form", hint=hint) from error
    return app
