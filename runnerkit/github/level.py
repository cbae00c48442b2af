"""Where runners are registered: at each repository, or in one runner group of an organisation."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from runnerkit.errors import ConfigError
from runnerkit.github import places
from runnerkit.github.asks import AT_ORGANIZATION, AT_REPOSITORY, Ask, Needs
from runnerkit.github.views import integer, record, text

if TYPE_CHECKING:
    from runnerkit.github.client import Client
    from runnerkit.settings import GitHubSettings

# A repository has no groups, yet the field is required; this is the id of every default group.
DEFAULT_GROUP = 1


class Level:
    """The one place that knows whether runners belong to a repository or to an organisation's group."""

    def __init__(self, client: Client, settings: GitHubSettings) -> None:
        self._client = client
        self._settings = settings
        self._organization = settings.organization if settings.runner_group else None
        self._group = settings.runner_group or ""
        self._lock = threading.Lock()
        self._group_id: int | None = None

    @property
    def needs(self) -> Needs:
        """The permissions that requests take here."""
        return AT_ORGANIZATION if self._organization else AT_REPOSITORY

    @property
    def of_organization(self) -> bool:
        """Whether runners are registered in an organisation's group."""
        return self._organization is not None

    def place(self, repo: str) -> str:
        """``octo-org/train``, or ``octo-org (group gpu)``, which is the same for all of its repositories.

        Raises:
            ConfigError: No repository name, or one that the organisation's runners can never serve.
        """
        places.repository(repo)
        if self._organization is None:
            return repo
        if places.owner(repo).lower() != self._organization.lower():
            raise ConfigError(
                f"runners of the organisation {self._organization} cannot serve {repo}",
                hint="serve it by another configuration, without github.runner_group or with its own organisation's",
            )
        return self._settings.place(repo)

    def path(self, repo: str) -> str:
        """Where its runners are in the API.

        Raises:
            ConfigError: As for :meth:`place`.
        """
        self.place(repo)
        return f"/orgs/{self._organization}/actions/runners" if self._organization else f"/repos/{repo}/actions/runners"

    def group_id(self, repo: str) -> int:
        """The id of the group to register in, asked for once.

        Raises:
            ConfigError: The organisation has no group of that name; the message lists those it has.
        """
        if self._organization is None:
            return DEFAULT_GROUP
        with self._lock:
            if self._group_id is None:
                self._group_id = self._look_up(repo)
            return self._group_id

    def forget(self) -> None:
        """Ask for the group again next time: GitHub did not know it any more."""
        with self._lock:
            self._group_id = None

    def holds(self, row: object, repo: str) -> bool:
        """Whether a runner of the list belongs here; an organisation's list shows those of every group."""
        group = integer(record(row).get("runner_group_id"))
        return self._organization is None or group in {None, self.group_id(repo)}

    def _look_up(self, repo: str) -> int:
        ask = Ask(
            verb="GET",
            path=f"/orgs/{self._organization}/actions/runner-groups",
            what=f"list the runner groups of {self._organization}",
            repo=repo,
            need=self.needs.read_runners,
        )
        groups = {text(record(row).get("name")): row for row in self._client.rows(ask, "runner_groups")}
        found = integer(record(_named(groups, self._group)).get("id"))
        if found is not None:
            return found
        raise ConfigError(
            f"the organisation {self._organization} has no runner group {self._group!r}",
            hint=f"set github.runner_group to one of {', '.join(map(repr, sorted(groups)))}, or create it there",
        )


def _named(groups: dict[str, Any], name: str) -> object:
    folded = {each.casefold(): row for each, row in groups.items()}
    return groups.get(name, folded.get(name.casefold()))
