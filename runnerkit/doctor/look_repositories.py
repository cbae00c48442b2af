"""Looking at repositories: those that a person names, and those of `owner/*` as a controller would serve them."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

from runnerkit.doctor.facts_github import RepositorySeen
from runnerkit.doctor.gathering import Once
from runnerkit.ec2.parallel import each
from runnerkit.errors import ForgeDenied, ForgeError, NotFound
from runnerkit.github import places
from runnerkit.github.asks import FILES, REPOSITORIES, THE_APP, Ask
from runnerkit.github.facts import Facts
from runnerkit.github.level import Level
from runnerkit.github.views import record, text, truth
from runnerkit.understanding import REPOSITORY_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runnerkit.github.client import Client
    from runnerkit.settings import GitHubSettings

MOST_REPOSITORIES = 20
MISSING = 404


class RepositoryLooks:
    """The looks at repositories; one that is out of reach hides no other.

    Args:
        client: Who we are at GitHub.
        settings: Section ``[github]``.
        served: The repositories to serve; ``owner/*`` is all of an owner's.
        good: Raises what is wrong with what signs in as such.
    """

    def __init__(
        self, client: Client, settings: GitHubSettings, served: Sequence[str], good: Callable[[], None]
    ) -> None:
        self._client = client
        self._served = tuple(served)
        self._facts = Facts(client, Level(client, settings))
        self._good = good
        self._owners = Once(self._all_owners)
        self._named = Once(self._all_named)

    def names(self) -> tuple[str, ...]:
        """The repositories that are looked at, those of `owner/*` among them."""
        return self._named()[:MOST_REPOSITORIES]

    def more(self) -> int:
        """How many others are served."""
        return len(self._named()) - len(self.names())

    def _all_named(self) -> tuple[str, ...]:
        """What a person names comes first."""
        alone = [repo for repo in self._served if places.name(repo) != "*"]
        theirs = [repo for found, _ in self._owners() for repo in found]
        return tuple({repo.lower(): repo for repo in reversed((*alone, *theirs))}.values())[::-1]

    def _all_owners(self) -> list[tuple[Sequence[str], RepositorySeen]]:
        """For each `owner/*` its repositories, and what is told where there are none."""
        return each(self._owner, [repo for repo in self._served if places.name(repo) == "*"])

    def _owner(self, every: str) -> tuple[Sequence[str], RepositorySeen]:
        found: Sequence[str] = ()
        problem = "no repository that this token may see"
        try:
            found = self._facts.repositories(places.owner(every))
        except ForgeDenied as error:
            self._good()
            problem = error.message
        return found, RepositorySeen(every, visible=False, problem=problem)

    def repositories(self) -> tuple[RepositorySeen, ...]:
        """Each of them, and each ``owner/*`` of which none can be seen."""
        return (*each(self._repository, self.names()), *(none for found, none in self._owners() if not found))

    def _repository(self, name: str) -> RepositorySeen:
        ask = Ask(verb="GET", path=f"/repos/{name}", what=f"look at {name}", repo=name, need=REPOSITORIES)
        try:
            row = record(self._client.ask(ask).json("look at it"))
        except NotFound:
            return RepositorySeen(name, visible=False)
        except ForgeDenied as error:
            self._good()
            return RepositorySeen(name, visible=self._installed(name), problem=error.message)
        seen = RepositorySeen(name, visible=True, private=truth(row.get("private")), archived=bool(row.get("archived")))
        try:
            return replace(seen, specs=self.file(name, REPOSITORY_FILE))
        except ForgeError:
            return seen

    def _installed(self, name: str) -> bool:
        """Whether the App is there: it gets no token at all for several repositories of which one is out of reach."""
        if not self._client.is_app:
            return False
        what = f"find the App's installation for {name}"
        path, fine = f"/repos/{name}/installation", frozenset({MISSING})
        ask = Ask(verb="GET", path=path, what=what, repo=name, need=THE_APP, fine=fine)
        return self._client.ask(ask).status != MISSING

    def file(self, repo: str, path: str) -> str:
        """A text file of a repository.

        Raises:
            ForgeError: There is none, or the token may not read it.
        """
        what = f"read {path} of {repo}"
        ask = Ask(verb="GET", path=f"/repos/{repo}/contents/{path}", what=what, repo=repo, need=FILES)
        row = record(self._client.ask(ask).json("read it"))
        return base64.b64decode(text(row.get("content"))).decode("utf-8", "replace")
