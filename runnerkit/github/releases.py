"""The releases of GitHub's runner application, read seldom: what was read, or that it failed, is kept on disk."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runnerkit.errors import ForgeError, ForgeUnavailable
from runnerkit.files import write_whole
from runnerkit.github import views
from runnerkit.github.asks import Ask, unreadable
from runnerkit.model import Release

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from runnerkit.github.client import Client
    from runnerkit.github.level import Level
    from runnerkit.ports import Clock, RunnerPackage
    from runnerkit.settings import GitHubSettings

RUNNER = "actions/runner"
# More than a year's worth; what lacks all of them is too old by any rule.
LISTED = 10
KEPT = timedelta(hours=6)
KEPT_WITHOUT_DATES = timedelta(hours=1)
KEPT_FAILURE = timedelta(minutes=10)
_SERVER_PATH = "/api/v3"
_VERSION = re.compile(r"/v(\d+\.\d+\.\d+)/")
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError)


class Releases:
    """The part of the forge that knows how old the runner is.

    Args:
        client: Who asks.
        level: Whose permission it takes.
        settings: Where GitHub is, and who asks there.
        folder: Where answers are kept between processes; None: in memory only.
        clock: Tells their age.
        downloads: Lists the packages that GitHub offers; the way out when releases cannot be read.
    """

    def __init__(
        self,
        client: Client,
        level: Level,
        *,
        settings: GitHubSettings,
        folder: Path | None,
        clock: Clock,
        downloads: Callable[[str], Sequence[RunnerPackage]],
    ) -> None:
        self._client = client
        self._level = level
        # The rule holds for github.com and data residency; a server brings its own runner.
        self._ruled = not urlsplit(settings.api_url).path.rstrip("/").endswith(_SERVER_PATH)
        # Of all askers, and of this one: what one token cannot read is nobody else's answer.
        keys = (settings.api_url, f"{settings.api_url} {_who(settings)}")
        self._paths = () if folder is None else tuple(_path(folder, key) for key in keys)
        self._clock = clock
        self._downloads = downloads
        self._memory: dict[str, Any] | None = None
        self._lock = threading.Lock()

    def of(self, repo: str) -> Sequence[Release]:
        """The last releases, newest first; the newest alone and undated where GitHub does not list them.

        Raises:
            ForgeError: Neither could be read, now or some minutes ago.
        """
        if not self._ruled:
            return ()
        with self._lock:
            held = self._held()
            if held is None:
                held = self._ask(repo)
                self._keep(held)
        if held["failed"]:
            raise ForgeUnavailable(f"the releases of GitHub's runner could not be read: {held['failed']}")
        return [Release(each["version"], views.moment(each["at"])) for each in held["releases"]]

    def _ask(self, repo: str) -> dict[str, Any]:
        try:
            found, kept = self._listed(repo), KEPT
            if not found:
                found, kept = self._offered(repo), KEPT_WITHOUT_DATES
        except ForgeError as first:
            try:
                found, kept = self._offered(repo), KEPT_WITHOUT_DATES
            except ForgeError:
                return self._entry([], KEPT_FAILURE, first.message)
        return self._entry(found, kept)

    def _entry(self, found: Sequence[Release], kept: timedelta, failed: str = "") -> dict[str, Any]:
        rows = [{"version": each.version, "at": each.at.isoformat() if each.at else ""} for each in found]
        return {"until": (self._clock.now() + kept).timestamp(), "failed": failed, "releases": rows}

    def _listed(self, repo: str) -> list[Release]:
        ask = Ask(
            verb="GET",
            path=f"/repos/{RUNNER}/releases",
            what="list the releases of GitHub's runner",
            repo=repo,
            need=self._level.needs.read_runners,
            params={"per_page": LISTED},
        )
        body = self._client.read(ask)
        if not isinstance(body, list):
            raise unreadable(ask.what)
        return [release for row in body if (release := views.release(row)) is not None]

    def _offered(self, repo: str) -> list[Release]:
        found = (_VERSION.search(package.url) for package in self._downloads(repo))
        return [Release(version, None) for version in sorted({match[1] for match in found if match})]

    def _held(self) -> dict[str, Any] | None:
        known = (self._memory, *map(_read, self._paths))
        self._memory = next((each for each in known if each and self._is_young(each)), None)
        return self._memory

    def _is_young(self, held: dict[str, Any]) -> bool:
        return 0 < float(held["until"]) - self._clock.now().timestamp() <= KEPT.total_seconds()

    def _keep(self, held: dict[str, Any]) -> None:
        self._memory = held
        if self._paths:
            dated = any(each["at"] for each in held["releases"])
            with suppress(OSError):
                write_whole(self._paths[0 if dated else 1], json.dumps(held))


def _path(folder: Path, key: str) -> Path:
    return folder / f"runner-releases-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def _who(settings: GitHubSettings) -> str:
    return settings.app_id or (settings.token.get_secret_value() if settings.token else "")


def _read(path: Path) -> dict[str, Any] | None:
    with suppress(*_UNREADABLE):
        read = json.loads(path.read_bytes())
        return {"until": float(read["until"]), "failed": str(read["failed"]), "releases": _rows(read)}
    return None


def _rows(read: dict[str, Any]) -> list[dict[str, str]]:
    return [{"version": str(each["version"]), "at": str(each["at"])} for each in read["releases"]]
