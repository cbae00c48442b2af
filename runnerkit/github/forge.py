"""GitHub as the fleet sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.github.budget import RESERVE, Budget
from runnerkit.github.client import Client
from runnerkit.github.facts import Facts
from runnerkit.github.hooks import Hooking
from runnerkit.github.level import Level
from runnerkit.github.releases import Releases
from runnerkit.github.reports import Reporting
from runnerkit.github.runners import Runners
from runnerkit.github.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runnerkit.model import Release
    from runnerkit.ports import Clock
    from runnerkit.settings import GitHubSettings


class GitHubForge(Runners, Runs, Facts):
    """The port :class:`runnerkit.ports.Forge` on GitHub; any number of threads may use it.

    Making one talks to nobody. Registering costs one call, a list of runners one for each hundred, a job one, the
    active jobs two lists and one for each run that is not over; what has not changed since is free. What an App's token
    and the id of a runner group cost comes once on top. A quiet repository costs three requests a look (two lists of
    runs, one of runners), all of them free; with an organisation's group the list of runners is shared.

    Args:
        settings: Where GitHub is, who we are there, and at which level runners are registered.
        clock: Time, and the waiting between tries.
        repos: The repositories served (``owner/*``: all of an owner's); an App's tokens are narrowed to them. Empty:
            those of the settings.
        reserve: The share of the hourly limit that listing queued jobs leaves to registrations.
        cache_dir: Where the releases of GitHub's runner are kept between processes; None: nowhere.

    Raises:
        ConfigError: The settings name no usable address, credentials or repository.
    """

    def __init__(
        self,
        settings: GitHubSettings,
        *,
        clock: Clock,
        repos: Sequence[str] = (),
        reserve: float = RESERVE,
        cache_dir: Path | None = None,
    ) -> None:
        client = Client(settings, clock=clock, repos=repos, reserve=reserve)
        level = Level(client, settings)
        self._settings, self._repos = settings, tuple(repos)
        Runners.__init__(self, client, level)
        Runs.__init__(self, client, level)
        Facts.__init__(self, client, level)
        self.reports = Reporting(client)
        self._releases = Releases(
            client, level, settings=settings, folder=cache_dir, clock=clock, downloads=self.downloads
        )

    def releases(self, repo: str) -> Sequence[Release]:
        """The last releases of the runner application, newest first; empty at a GitHub Enterprise Server.

        Read at most every few hours. Where they are not listed it is the newest alone, without a date.
        """
        return self._releases.of(repo)

    def hooks(self, url: str) -> Hooking:
        """The port :class:`runnerkit.ports.Hooks` for hooks with this address, within the same limits as the forge."""
        return Hooking(self._client, self._settings, url=url, repos=self._repos)

    @property
    def budget(self) -> Budget:
        """What is left of the hourly limit, as GitHub last told."""
        return self._client.budget

    @property
    def warnings(self) -> Sequence[str]:
        """What GitHub sent that could not be used, latest last; each thing once."""
        return tuple(self._client.warnings)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()
