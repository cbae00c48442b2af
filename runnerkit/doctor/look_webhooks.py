"""Looking at webhooks: which hooks there are, and what GitHub delivered to ours of late."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runnerkit.doctor.facts_github import DeliverySeen, Webhooks
from runnerkit.doctor.github import LOOK_BACK
from runnerkit.errors import ConfigError, ForgeError
from runnerkit.github import places
from runnerkit.github.asks import ORGANIZATION_HOOKS, REPOSITORY_HOOKS, THE_APP, Ask
from runnerkit.github.hooks import Hooking
from runnerkit.github.views import items, record, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.github.client import Client
    from runnerkit.settings import GitHubSettings


def webhooks(client: Client, settings: GitHubSettings, url: str, repos: Sequence[str]) -> Webhooks:
    """The hook that sends to our address, with its deliveries; else which others there are."""
    hooking = Hooking(client, settings, url=url, repos=repos)
    rows = partial(_rows, client, _places(settings, repos))
    try:
        found = hooking.deliveries(client.clock.now() - LOOK_BACK)
    except ConfigError:
        others = tuple(dict.fromkeys(shown(text(record(row.get("config")).get("url")), url) for row in rows()))
        return Webhooks(shown(url, url), ours=False, others=others)
    events, active = _told(client, url, rows())
    seen = tuple(DeliverySeen(each.event, each.at, each.status) for each in found)
    return Webhooks(shown(url, url), ours=True, events=events, active=active, deliveries=seen)


def shown(address: str, ours: str) -> str:
    """A hook's address, as far as it is nobody's secret: of somebody else's service the path often is one.

    >>> shown("https://chat.example/services/T0/B0/secret", "https://ci.example/hooks")
    'https://chat.example'
    >>> shown("https://me:secret@ci.example/hook?key=secret", "https://ci.example/hooks")
    'https://ci.example/hook'
    """
    try:
        parts, theirs = urlsplit(address), urlsplit(address).hostname == urlsplit(ours).hostname
    except ValueError:
        return "an address that cannot be read"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path if theirs else ''}"


def _told(client: Client, url: str, rows: Sequence[dict[str, Any]]) -> tuple[tuple[str, ...], bool]:
    """The events of our hook, and whether it is on, which an App's never tells."""
    for row in rows:
        if text(record(row.get("config")).get("url")).rstrip("/").lower() == url.rstrip("/").lower():
            return tuple(map(str, row.get("events") or ())), row.get("active") is not False
    if not client.is_app:
        return (), True
    ask = Ask(verb="GET", path="/app", what="look at the App", repo="app", need=THE_APP)
    # None at all is told as such: an empty list would mean that nobody knows.
    return tuple(map(str, items(record(client.read(ask)).get("events")))) or ("none",), True


def _places(settings: GitHubSettings, repos: Sequence[str]) -> list[str]:
    """Where hooks may be, as :class:`Hooking` looks for them: at the organisation of a runner group, too."""
    every = [f"{settings.organization}/*"] if settings.organization else []
    return [*dict.fromkeys((*every, *repos))]


def _rows(client: Client, repos: Sequence[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for repo in repos:
        owner, every = places.owner(repo), places.name(repo) == "*"
        place, need = (f"/orgs/{owner}", ORGANIZATION_HOOKS) if every else (f"/repos/{repo}", REPOSITORY_HOOKS)
        what = f"list the webhooks of {repo}"
        with suppress(ForgeError):
            rows += client.rows(Ask(verb="GET", path=f"{place}/hooks", what=what, repo=repo, need=need))
    return rows
