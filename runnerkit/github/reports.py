"""Results and reasons on GitHub: comments, commit statuses, check runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runnerkit.github import places, views
from runnerkit.github.asks import CHECKS, COMMENTS, STATUSES, Ask, unreadable
from runnerkit.github.client import Client

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.model import Comment
    from runnerkit.ports import Clock
    from runnerkit.settings import GitHubSettings


class Reporting:
    """Writes reports through a client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def comments(self, repo: str, number: int) -> Sequence[Comment]:
        """Every comment on an issue or pull request, oldest first."""
        path = f"/repos/{places.repository(repo)}/issues/{int(number)}/comments"
        ask = Ask(verb="GET", path=path, what=f"list the comments on {repo}#{number}", repo=repo, need=COMMENTS)
        now = self._client.clock.now()
        found = {row.id: row for each in self._client.rows(ask) if (row := views.comment(each, now)) is not None}
        return [found[number] for number in sorted(found)]

    def comment(self, repo: str, number: int, body: str, *, replace: int | None = None) -> Comment:
        """Write a comment, or replace the text of an existing one by its id.

        Raises:
            NotFound: The issue, or the comment to replace, does not exist.
            ForgeRejected: GitHub does not take the text, for example as too long.
        """
        place = f"{int(number)}/comments" if replace is None else f"comments/{int(replace)}"
        ask = Ask(
            verb="POST" if replace is None else "PATCH",
            path=f"/repos/{places.repository(repo)}/issues/{place}",
            what=f"comment on {repo}#{number}" if replace is None else f"edit comment {replace} on {repo}#{number}",
            repo=repo,
            need=COMMENTS,
            body={"body": body},
        )
        written = views.comment(self._client.read(ask), self._client.clock.now())
        if written is None:
            raise unreadable(ask.what)
        return written

    def status(self, repo: str, sha: str, state: str, context: str, description: str = "", url: str = "") -> None:
        """Set a commit status: error, failure, pending or success; descriptions end at 140 characters."""
        body = {"state": state, "context": context}
        if description:
            body["description"] = views.shortened(description, views.DESCRIPTION_LIMIT)
        if url:
            body["target_url"] = url
        ask = Ask(
            verb="POST",
            path=f"/repos/{places.repository(repo)}/statuses/{quote(sha, safe='')}",
            what=f"set the status {context!r} of {sha[:12]} of {repo}",
            repo=repo,
            need=STATUSES,
            body=body,
        )
        self._client.ask(ask)

    def check(self, repo: str, sha: str, name: str, conclusion: str, title: str, summary: str) -> int:
        """Create a completed check run and return its id; a summary ends at 65,535 characters.

        Raises:
            ForgeDenied: The token is not an App's.
        """
        body: dict[str, Any] = {
            "name": name,
            "head_sha": sha,
            "status": "completed",
            "conclusion": conclusion,
            "output": {"title": title, "summary": views.shortened(summary, views.SUMMARY_LIMIT)},
        }
        ask = Ask(
            verb="POST",
            path=f"/repos/{places.repository(repo)}/check-runs",
            what=f"create the check run {name!r} on {sha[:12]} of {repo}",
            repo=repo,
            need=CHECKS,
            body=body,
        )
        created = views.integer(views.record(self._client.read(ask)).get("id"))
        if created is None:
            raise unreadable(ask.what)
        return created


class GitHubReports(Reporting):
    """The port :class:`runnerkit.ports.Reports` on GitHub, for those who need no forge besides.

    The ``GITHUB_TOKEN`` of a workflow is enough for it, given the permissions that the errors name.

    Raises:
        ConfigError: The settings name no usable address, credentials or repository.
    """

    def __init__(self, settings: GitHubSettings, *, clock: Clock, repos: Sequence[str] = ()) -> None:
        super().__init__(Client(settings, clock=clock, repos=repos))

    def close(self) -> None:
        """Close all connections."""
        self._client.close()
