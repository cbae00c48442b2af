"""Runner records: list, look up, register just in time, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.errors import ForgeError, ForgeRejected, NameTaken, NotFound, RunnerBusy
from runnerkit.github import views
from runnerkit.github.asks import Ask, unreadable
from runnerkit.github.shared import Shared
from runnerkit.model import Registration
from runnerkit.names import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.github.client import Client
    from runnerkit.github.level import Level
    from runnerkit.model import Runner
    from runnerkit.ports import RunnerPackage

WORK_FOLDER = "_work"
_MISSING = 404
_CONFLICT = 409
_UNPROCESSABLE = 422


class Runners:
    """The half of the forge that is about runners."""

    def __init__(self, client: Client, level: Level) -> None:
        self._client = client
        self._level = level
        self._shared: Shared[Sequence[object]] = Shared(client.clock)

    def place(self, repo: str) -> str:
        """The level at which runners for the repository are registered.

        Raises:
            ConfigError: No repository name, or one that the configured organisation's runners can never serve.
        """
        return self._level.place(repo)

    def downloads(self, repo: str) -> Sequence[RunnerPackage]:
        """The runner applications that GitHub offers just now."""
        ask = Ask(
            verb="GET",
            path=f"{self._level.path(repo)}/downloads",
            what=f"list the runner downloads for {repo}",
            repo=repo,
            need=self._level.needs.read_runners,
        )
        body = self._client.read(ask)
        if not isinstance(body, list):
            raise unreadable(ask.what)
        return [package for row in body if (package := views.package(row)) is not None]

    def runners(self, repo: str) -> Sequence[Runner]:
        """Every runner of the level; one call for each hundred, and free while nothing changes.

        Within some seconds one listing of an organisation's group answers for each of its repositories once.
        """
        rows = self._shared.take(self._level.place(repo), repo.lower(), lambda: self._rows(repo))
        return self._understood([row for row in rows if self._level.holds(row, repo)], repo)

    def runner(self, repo: str, runner_id: int) -> Runner | None:
        """One runner by id; None when GitHub says there is none."""
        ask = Ask(
            verb="GET",
            path=f"{self._level.path(repo)}/{int(runner_id)}",
            what=f"show runner {runner_id} of {repo}",
            repo=repo,
            need=self._level.needs.read_runners,
        )
        try:
            body = self._client.page(ask).body
        except NotFound:
            return None
        found = self._seen(body, repo)
        if found is None:
            raise unreadable(ask.what)
        return found

    def runner_named(self, repo: str, name: str) -> Runner | None:
        """One runner by name; None when there is none. GitHub does not tell letters by case."""
        rows = self._client.rows(self._listing(repo, name), "runners", remember=False)
        named = (each for each in self._understood(rows, repo) if each.name.casefold() == name.casefold())
        return next(named, None)

    def register(self, repo: str, name: str, labels: Sequence[str]) -> Registration:
        """Register a just-in-time runner with exactly these labels, by one POST that is never repeated.

        Raises:
            NameTaken: The name is registered.
            ForgeUnavailable: Whether it happened is unknown; :meth:`runner_named` tells.
            ForgeRejected: GitHub takes the request not at all, or not with these labels.
            ForgeDenied: The token may not register runners.
        """
        ask = Ask(
            verb="POST",
            path=f"{self._level.path(repo)}/generate-jitconfig",
            what=f"register runner {name} for {repo}",
            repo=repo,
            need=self._level.needs.runners,
            body={
                "name": name,
                "runner_group_id": self._level.group_id(repo),
                "labels": list(labels),
                "work_folder": WORK_FOLDER,
            },
            meanings={_CONFLICT: NameTaken},
            registers=True,
        )
        try:
            told = views.record(self._client.read(ask))
        except NotFound:
            self._level.forget()
            raise
        runner, secret = self._seen(told.get("runner"), repo), views.text(told.get("encoded_jit_config"))
        if runner is None or not secret:
            raise unreadable(ask.what)
        self._check_labels(runner, labels)
        return Registration(runner, Secret(secret))

    def deregister(self, repo: str, runner_id: int) -> bool:
        """Delete a runner record: True when GitHub deleted it, False when it knows none.

        Raises:
            RunnerBusy: GitHub thinks that a job is running there.
        """
        ask = Ask(
            verb="DELETE",
            path=f"{self._level.path(repo)}/{int(runner_id)}",
            what=f"delete runner {runner_id} of {repo}",
            repo=repo,
            need=self._level.needs.runners,
            fine=frozenset({_MISSING}),
            meanings={_UNPROCESSABLE: RunnerBusy},
        )
        return self._client.ask(ask).status != _MISSING

    def _rows(self, repo: str) -> Sequence[object]:
        return self._client.rows(self._listing(repo), "runners")

    def _listing(self, repo: str, name: str | None = None) -> Ask:
        return Ask(
            verb="GET",
            path=self._level.path(repo),
            what=f"list the runners of {repo}" if name is None else f"look up runner {name} of {repo}",
            repo=repo,
            need=self._level.needs.read_runners,
            params={} if name is None else {"name": name},
        )

    def _seen(self, row: object, repo: str) -> Runner | None:
        return views.runner(row, repo, self._level.place(repo))

    def _understood(self, rows: Sequence[object], repo: str) -> Sequence[Runner]:
        found: dict[int, Runner] = {}
        for row in rows:
            runner = self._seen(row, repo)
            if runner is None:
                self._client.warn(f"GitHub listed a runner of {repo} without an id or a name; it was left out")
            else:
                found.setdefault(runner.id, runner)
        return list(found.values())

    def _check_labels(self, runner: Runner, labels: Sequence[str]) -> None:
        missing = {label.lower() for label in labels} - {label.lower() for label in runner.labels}
        if not missing:
            return
        rest = "it was deleted again"
        try:
            self.deregister(runner.repo, runner.id)
        except ForgeError as error:
            rest = f"deleting it again failed ({error.message})"
        raise ForgeRejected(
            f"GitHub registered runner {runner.name} without the labels {', '.join(sorted(missing))}; {rest}",
            hint="use labels of letters, digits and the signs - _ = / . +",
        )
