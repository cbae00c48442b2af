"""Webhooks that point at us: what GitHub tried to deliver, and the request to try again.

Sources: GitHub's "Handling failed webhook deliveries" (GitHub never repeats a delivery by itself; a repetition keeps
its GUID; deliveries are kept for three days) and its OpenAPI description of ``repos/list-webhook-deliveries``,
``orgs/list-webhook-deliveries`` and ``apps/list-webhook-deliveries`` (newest first, pages by cursor).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from runnerkit.errors import ConfigError, ForgeDenied, NotFound
from runnerkit.github import places, views
from runnerkit.github.asks import ORGANIZATION_HOOKS, REPOSITORY_HOOKS, THE_APP, Ask
from runnerkit.github.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from runnerkit.github.asks import Need
    from runnerkit.ports import Clock, Delivery
    from runnerkit.settings import GitHubSettings

THE_APPS_HOOK = 0
MOST_DELIVERY_PAGES = 20
FOUND_FOR = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where hooks are: of a repository, of an organisation, or the App's one."""

    path: str
    what: str
    repo: str
    need: Need


@dataclass(frozen=True, slots=True)
class _Hook:
    id: int
    path: str
    source: _Source


class Hooking:
    """Finds hooks, lists and repeats deliveries through a client; any number of threads may use it.

    Looks for hooks with our address at the App, else at every repository served and at the organisation of one served
    as a whole (``owner/*``) and of a runner group. Finding them costs a call each, once in ten minutes, a list of
    deliveries one for each hundred.

    Args:
        client: The client.
        settings: Who we are at GitHub.
        url: Our address as it is written in the hooks; case and a slash at its end do not matter.
        repos: The repositories served. Empty: those of the settings.
    """

    def __init__(self, client: Client, settings: GitHubSettings, *, url: str, repos: Sequence[str] = ()) -> None:
        self._client = client
        self._url = _same(url)
        self._sources = tuple(_sources(settings, repos or settings.repositories))
        self._lock = threading.Lock()
        self._found: dict[int, _Hook] = {}
        self._found_at: datetime | None = None

    @property
    def warnings(self) -> Sequence[str]:
        """What could not be read, latest last; each thing once."""
        return tuple(self._client.warnings)

    def deliveries(self, since: datetime) -> Sequence[Delivery]:
        """What GitHub sent to our address since then, newest first; at most two thousand of a hook.

        Raises:
            ConfigError: No hook that we may see has our address.
            ForgeDenied: The token may see hooks nowhere (webhooks: read).
        """
        found = [each for hook in self._hooks().values() for each in self._deliveries_of(hook, since)]
        return sorted(found, key=lambda each: (each.at, each.id), reverse=True)

    def redeliver(self, delivery: Delivery) -> None:
        """Ask GitHub to send it once more, under the same GUID; never repeated behind the caller's back.

        Raises:
            NotFound: The hook is gone, or GitHub has forgotten the delivery.
            ForgeDenied: The token may not do that (webhooks: write).
        """
        hook = self._found.get(delivery.hook_id) or self._hooks().get(delivery.hook_id)
        if hook is None:
            raise NotFound(f"no hook {delivery.hook_id} has our address (any more)")
        what = f"deliver {delivery.event} {delivery.id} of {hook.source.what} again"
        self._client.ask(_asked(hook.source, f"{hook.path}/deliveries/{delivery.id}/attempts", what, "POST"))

    # --- hooks --------------------------------------------------------------------------------------------------------

    def _hooks(self) -> Mapping[int, _Hook]:
        with self._lock:
            now = self._client.clock.now()
            if self._found_at is None or now - self._found_at > FOUND_FOR or not self._found:
                self._found = self._look()
                self._found_at = now
            return self._found

    def _look(self) -> dict[int, _Hook]:
        found: dict[int, _Hook] = {}
        refusals: list[ForgeDenied] = []
        for source in self._sources:
            try:
                found.update((hook.id, hook) for hook in self._hooks_at(source))
                if THE_APPS_HOOK in found:
                    break  # it hears of everything, and the App may be allowed no others
            except NotFound as error:
                self._client.warn(error.message)
            except ForgeDenied as error:
                self._client.warn(error.message)
                refusals.append(error)
        if not found and refusals:
            raise refusals[0]
        if not found:
            raise ConfigError(
                f"no webhook that this token may see sends to {self._url}",
                hint="make one there, or correct serve.public_url to the address that is written in it",
            )
        return found

    def _hooks_at(self, source: _Source) -> list[_Hook]:
        what = f"list the webhooks of {source.what}"
        if source.need is THE_APP:
            config = views.record(self._client.page(_asked(source, f"{source.path}/config", what)).body)
            ours = _same(views.text(config.get("url"))) == self._url
            return [_Hook(THE_APPS_HOOK, source.path, source)] if ours else []
        rows = self._client.rows(_asked(source, source.path, what), each=views.record)
        numbers = [views.integer(row.get("id")) for row in rows if self._is_ours(row)]
        return [_Hook(number, f"{source.path}/{number}", source) for number in numbers if number is not None]

    def _is_ours(self, row: Mapping[str, Any]) -> bool:
        return _same(views.text(views.record(row.get("config")).get("url"))) == self._url

    # --- deliveries ---------------------------------------------------------------------------------------------------

    def _deliveries_of(self, hook: _Hook, since: datetime) -> list[Delivery]:
        ask = _asked(hook.source, f"{hook.path}/deliveries", f"list the deliveries of {hook.source.what}")
        ask = replace(ask, params={"per_page": 100}, background=True)
        found: list[Delivery] = []
        for _ in range(MOST_DELIVERY_PAGES):
            rows, following = self._client.some(ask)
            page = [each for row in rows if (each := views.delivery(row, hook.id)) is not None]
            found += [each for each in page if each.at >= since]
            cursor = parse_qs(urlsplit(following).query).get("cursor", [""])[0]
            if not cursor or any(each.at < since for each in page):
                return found
            ask = replace(ask, params={**ask.params, "cursor": cursor})
        self._client.warn(f"{hook.source.what} had more than {len(found)} deliveries; older ones were not looked at")
        return found


class GitHubHooks(Hooking):
    """The port :class:`runnerkit.ports.Hooks` on GitHub, for those who need no forge besides.

    Args:
        settings: Where GitHub is and who we are there.
        url: As for :class:`Hooking`.
        clock: Time, and the waiting between tries.
        repos: As for :class:`Hooking`.

    Raises:
        ConfigError: The settings name no usable address, credentials or repository.
    """

    def __init__(self, settings: GitHubSettings, *, url: str, clock: Clock, repos: Sequence[str] = ()) -> None:
        super().__init__(Client(settings, clock=clock, repos=repos), settings, url=url, repos=repos)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def _asked(source: _Source, path: str, what: str, verb: str = "GET") -> Ask:
    return Ask(verb=verb, path=path, what=what, repo=source.repo, need=source.need)


def _sources(settings: GitHubSettings, repos: Iterable[str]) -> Iterable[_Source]:
    served = [places.served(repo) for repo in repos]
    if settings.app_id is not None:
        yield _Source("/app/hook", "the App", next(map(places.owner, served), "app"), THE_APP)
    owners = {places.owner(repo).lower(): places.owner(repo) for repo in served if places.name(repo) == "*"}
    if settings.organization:
        owners.setdefault(settings.organization.lower(), settings.organization)
    for owner in owners.values():
        yield _Source(f"/orgs/{owner}/hooks", owner, owner, ORGANIZATION_HOOKS)
    for repo in served:
        if places.name(repo) != "*":
            yield _Source(f"/repos/{repo}/hooks", repo, repo, REPOSITORY_HOOKS)


def _same(url: str) -> str:
    return url.strip().rstrip("/").lower()
