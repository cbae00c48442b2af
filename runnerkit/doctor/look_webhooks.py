"""Looking at webhooks: which hooks there are, and what GitHub delivered to ours of late."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from runnerkit.doctor.facts_github import DeliverySeen, Webhooks
from runnerkit.doctor.github import LOOK_BACK
from runnerkit.errors import ConfigError, ForgeError
from runnerkit.github import places
from runnerkit.github.asks import ORGANIZATION_HOOKS, REPOSITORY_HOOKS, Ask
from runnerkit.github.hooks import Hooking
from runnerkit.github.views import record, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.github.client import Client
    from runnerkit.settings import GitHubSettings


def webhooks(client: Client, settings: GitHubSettings, url: str, repos: Sequence[str]) -> Webhooks:
    """The hook that sends to our address, with its deliveries; else which others there are."""
    hooking = Hooking(client, settings, url=url, repos=repos)
    try:
        found = hooking.deliveries(client.clock.now() - LOOK_BACK)
    except ConfigError:
        others = tuple(dict.fromkeys(text(record(row.get("config")).get("url")) for row in _rows(client, repos)))
        return Webhooks(url, ours=False, others=others)
    events, active = _told(client, url, repos)
    seen = tuple(DeliverySeen(each.event, each.at, each.status) for each in found)
    return Webhooks(url, ours=True, events=events, active=active, deliveries=seen)


def _told(client: Client, url: str, repos: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """The events of our hook at a repository or an organisation, and whether it is on; an App's hook tells neither."""
    for row in _rows(client, repos):
        if text(record(row.get("config")).get("url")).rstrip("/").lower() == url.rstrip("/").lower():
            return tuple(map(str, row.get("events") or ())), row.get("active") is not False
    return (), True


def _rows(client: Client, repos: Sequence[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for repo in repos:
        owner, every = places.owner(repo), places.name(repo) == "*"
        place, need = (f"/orgs/{owner}", ORGANIZATION_HOOKS) if every else (f"/repos/{repo}", REPOSITORY_HOOKS)
        what = f"list the webhooks of {repo}"
        with suppress(ForgeError):
            rows += client.rows(Ask(verb="GET", path=f"{place}/hooks", what=what, repo=repo, need=need))
    return rows
