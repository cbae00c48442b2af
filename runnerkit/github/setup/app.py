"""A GitHub App as its maker sees it: the exchange of the code, where it is installed, its webhook.

Sources: GitHub's OpenAPI description of ``apps/create-from-manifest`` (the code is good once, for an hour),
``apps/list-installations``, ``apps/get-authenticated``, ``apps/update-webhook-config-for-app``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runnerkit.errors import ForgeRejected, ForgeUnavailable, NotFound
from runnerkit.github import places
from runnerkit.github.answers import complaint, refused
from runnerkit.github.asks import THE_APP, Ask, unreadable
from runnerkit.github.client import Client
from runnerkit.github.views import integer, record, text
from runnerkit.github.wire import Wire
from runnerkit.names import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.ports import Clock
    from runnerkit.settings import GitHubSettings

# The code is good once: a repetition can find it used, and never makes a second App.
TRIES = 3
PAUSE = 2.0
LOOK_EVERY = 3.0


@dataclass(frozen=True, slots=True)
class NewApp:
    """What GitHub gives the maker of an App, once."""

    id: int
    slug: str
    pem: Secret
    webhook_secret: Secret | None
    permissions: Mapping[str, str] = field(default_factory=dict)


def convert(api_url: str, code: str, clock: Clock) -> NewApp:
    """Exchange the code for the App's id, key and webhook secret. Nobody has to be signed in for that.

    Raises:
        ForgeRejected: GitHub does not know the code (any more).
        ForgeUnavailable: GitHub could not be reached three times.
        ConfigError: The address cannot be an API's.
    """
    what = "exchange the code for the App's key"
    ask = Ask(verb="POST", path=f"/app-manifests/{quote(code, safe='')}/conversions", what=what, repo="", need=THE_APP)
    wire = Wire(places.base_url(api_url))
    try:
        return _new_app(_exchanged(wire, ask, clock), what)
    except NotFound as error:
        raise ForgeRejected(
            f"could not {what}: GitHub does not know the code (status 404)",
            hint="it is good once, for an hour. If the App is listed in the owner's settings, make a private key there"
            " and set github.app_id and github.private_key_file; otherwise run the command again",
        ) from error
    finally:
        wire.close()


def _exchanged(wire: Wire, ask: Ask, clock: Clock) -> Any:  # noqa: ANN401 - JSON is anything
    for attempt in range(1, TRIES + 1):
        try:
            answer = wire.send(ask, "")
            if refused(answer.status):
                raise complaint(ask, answer)
            return answer.json(ask.what)
        except ForgeUnavailable:
            if attempt == TRIES:
                raise
            clock.wait(PAUSE)
    raise unreadable(ask.what)


def _new_app(told: object, what: str) -> NewApp:
    row = record(told)
    number, slug, pem = integer(row.get("id")), text(row.get("slug")), text(row.get("pem"))
    if number is None or not pem:
        raise unreadable(what)
    secret = text(row.get("webhook_secret"))
    return NewApp(number, slug, Secret(pem), Secret(secret) if secret else None, _levels(row.get("permissions")))


def _levels(told: object) -> dict[str, str]:
    return {str(name): level for name, level in record(told).items() if isinstance(level, str)}


@dataclass(frozen=True, slots=True)
class Reach:
    """Where an App is installed, and what it may do there."""

    missing: tuple[str, ...]
    held: Mapping[str, str]


class TheApp:
    """An App, asked about itself with its own key.

    Args:
        settings: With ``app_id`` and the key.
        clock: Time, and the waiting between two looks.

    Raises:
        ConfigError: The settings name no App, or a key that cannot be used.
    """

    def __init__(self, settings: GitHubSettings, clock: Clock) -> None:
        self._client = Client(settings, clock=clock)
        self._clock = clock
        self.slug, self.owner, self.personal = "", "", False
        self.permissions: dict[str, str] = {}

    def look(self) -> None:
        """Read who it is.

        Raises:
            ForgeDenied: The key is not this App's.
        """
        told = record(self._client.read(_ask("GET", "/app", "read what the App is")))
        owner = record(told.get("owner"))
        self.slug, self.owner = text(told.get("slug")), text(owner.get("login"))
        self.permissions, self.personal = _levels(told.get("permissions")), owner.get("type") == "User"

    def reach(self, repos: Sequence[str]) -> Reach:
        """Where it is installed; one free look when nothing has changed, and one for each repository otherwise."""
        held: dict[str, str] = {}
        missing = []
        for repo in repos:
            found = self._installation(repo)
            if found is None:
                missing.append(repo)
            else:
                held = _levels(found.get("permissions"))
        return Reach(tuple(missing), held)

    def _installation(self, repo: str) -> Mapping[str, Any] | None:
        owner = places.owner(repo)
        wanted = [f"/orgs/{owner}", f"/users/{owner}"] if repo.endswith("/*") else [f"/repos/{repo}"]
        for place in wanted:
            try:
                ask = _ask("GET", f"{place}/installation", f"find the App's installation for {repo}")
                return record(self._client.read(ask))
            except NotFound:
                continue
        return None

    def wait(self, repos: Sequence[str], seconds: float) -> Reach:
        """Wait until it is installed where it is to serve, for so many seconds at most."""
        until = self._clock.now().timestamp() + seconds
        reach = self.reach(repos)
        installations = _ask("GET", "/app/installations", "list the App's installations")
        while reach.missing and self._clock.now().timestamp() < until:
            self._clock.wait(LOOK_EVERY)
            # While it is installed nowhere there is one list to look at, which is free as long as it stays empty.
            if self._client.page(installations).body:
                reach = self.reach(repos)
        return reach

    def hook_url(self) -> str:
        """Where its webhook is sent; empty when it has none."""
        try:
            told = self._client.read(_ask("GET", "/app/hook/config", "read the App's webhook"))
        except NotFound:
            return ""
        return text(record(told).get("url"))

    def set_hook(self, url: str, secret: Secret | None) -> None:
        """Send its webhook elsewhere, signed with a secret.

        Raises:
            NotFound: It has no webhook; that can be changed in its settings alone.
        """
        body = {"url": url, "content_type": "json"} | ({"secret": secret.reveal()} if secret else {})
        self._client.ask(_ask("PATCH", "/app/hook/config", "change the App's webhook", body))

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def _ask(verb: str, path: str, what: str, body: Mapping[str, Any] | None = None) -> Ask:
    return Ask(verb=verb, path=path, what=what, repo="app", need=THE_APP, body=body)
