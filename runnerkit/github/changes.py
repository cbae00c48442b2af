"""Commits, branches and pull requests by GitHub's git data API, which needs no checkout.

https://docs.github.com/en/rest/git
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runnerkit.errors import ForgeDenied, ForgeRejected, NotFound
from runnerkit.github import places, views
from runnerkit.github.answers import complaint, refused
from runnerkit.github.asks import Ask, Need, unreadable
from runnerkit.github.client import Client
from runnerkit.job.locks.offering import Pull, Since

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.ports import Clock
    from runnerkit.settings import GitHubSettings

_TOKEN = (("contents", "write"), ("metadata", "read"), ("pull_requests", "write"))
CONTENTS = Need("contents: write", "repo", _TOKEN)
PULLS = Need("pull-requests: write", "repo", _TOKEN)
_INVALID = 422
_ON_TOP = "not a fast forward"
# GitHub lists no more files than that of a comparison.
# https://docs.github.com/en/rest/commits/commits#compare-two-commits
MOST_COMPARED = 300


class GitHubChanges:
    """The port :class:`runnerkit.job.locks.offering.Changes`. The ``GITHUB_TOKEN`` of a workflow is enough.

    Raises:
        ConfigError: The settings name no usable address, credentials or repository.
    """

    def __init__(self, settings: GitHubSettings, *, clock: Clock, repos: Sequence[str] = ()) -> None:
        self._client = Client(settings, clock=clock, repos=repos)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def tip(self, repo: str, branch: str) -> str:
        """One call."""
        ask = _ask(repo, "GET", f"git/ref/heads/{quote(branch)}", f"find the branch {branch} of {repo}")
        return _sha(views.record(self._client.read(ask)).get("object"), ask.what)

    def text(self, repo: str, sha: str, path: str) -> str | None:
        """One call; of files over 1 MB GitHub gives no content.

        https://docs.github.com/en/rest/repos/contents
        """
        ask = _ask(repo, "GET", f"contents/{quote(path)}", f"read {path} of {repo} at {sha[:12]}")
        try:
            said = views.record(self._client.read(replace(ask, params={"ref": sha})))
            return base64.b64decode(views.text(said.get("content"))).decode() if said.get("type") == "file" else None
        except (NotFound, ValueError):
            return None

    def since(self, repo: str, base: str, head: str) -> Since:
        """One call."""
        what = f"compare {base[:12]} with {head[:12]} in {repo}"
        ask = _ask(repo, "GET", f"compare/{quote(base, safe='')}...{quote(head, safe='')}", what)
        said = views.record(self._client.read(ask))
        rows = [views.record(row) for row in views.items(said.get("files"))]
        names = [
            name for row in rows for key in ("filename", "previous_filename") if (name := views.text(row.get(key)))
        ]
        straight = views.text(said.get("status")) in {"ahead", "identical"}
        return Since(straight, names if len(rows) < MOST_COMPARED else None)

    def commit(self, repo: str, parent: str, files: Mapping[str, str], message: str) -> str:
        """Two calls when nothing would change, three otherwise. GitHub says who the author is: whose token it is."""
        what = f"commit {', '.join(files)} to {repo}"
        known = self._client.read(_ask(repo, "GET", f"git/commits/{parent}", what))
        base = _sha(views.record(known).get("tree"), what)
        entries = [{"path": path, "mode": "100644", "type": "blob", "content": text} for path, text in files.items()]
        tree = self._made(repo, "git/trees", what, {"base_tree": base, "tree": entries})
        if tree == base:
            return ""
        return self._made(repo, "git/commits", what, {"message": message, "tree": tree, "parents": [parent]})

    def _made(self, repo: str, place: str, what: str, body: Mapping[str, Any]) -> str:
        return _sha(self._client.read(_ask(repo, "POST", place, what, body)), what)

    def point(self, repo: str, branch: str, sha: str, *, new: bool = False, force: bool = False) -> bool:
        """One call; GitHub moves no branch backwards or sideways unless forced."""
        what = f"{'make' if new else 'move'} the branch {branch} of {repo}"
        if new:
            ask = _ask(repo, "POST", "git/refs", what, {"ref": f"refs/heads/{branch}", "sha": sha})
        else:
            ask = _ask(repo, "PATCH", f"git/refs/heads/{quote(branch)}", what, {"sha": sha, "force": force})
        answer = self._client.ask(replace(ask, fine=frozenset({_INVALID})))
        if not refused(answer.status):
            return True
        if _ON_TOP in answer.message.lower():
            return False
        fault = complaint(ask, answer)
        hint = "the branch may be protected: propose a pull request instead (pr)"
        raise ForgeRejected(fault.message, hint=hint) if isinstance(fault, ForgeRejected) else fault

    def pull(self, repo: str, head: str, base: str, title: str, body: str) -> Pull:
        """One call when it is there already, otherwise two."""
        what = f"open a pull request from {head} into {base} of {repo}"
        ask = _ask(repo, "GET", "pulls", what, need=PULLS)
        params: dict[str, str | int] = {"state": "all", "base": base, "head": f"{places.owner(repo)}:{head}"}
        rows = self._client.rows(replace(ask, params=params), remember=False)
        if rows:
            return _pull(rows[0], what, new=False)
        said = {"title": title, "head": head, "base": base, "body": body}
        try:
            return _pull(self._client.read(_ask(repo, "POST", "pulls", what, said, PULLS)), what, new=True)
        except ForgeDenied as error:
            if "create or approve" not in error.message:
                raise
            hint = "allow it: Settings, Actions, General, 'Allow GitHub Actions to create and approve pull requests'"
            raise ForgeDenied(error.message, hint=hint) from error


def _ask(
    repo: str, verb: str, place: str, what: str, body: Mapping[str, Any] | None = None, need: Need = CONTENTS
) -> Ask:
    path = f"/repos/{places.repository(repo)}/{place}"
    return Ask(verb=verb, path=path, what=what, repo=repo, need=need, body=body)


def _sha(said: object, what: str) -> str:
    sha = views.text(views.record(said).get("sha"))
    if not sha:
        raise unreadable(what)
    return sha


def _pull(said: object, what: str, *, new: bool) -> Pull:
    row = views.record(said)
    number = views.integer(row.get("number"))
    if number is None:
        raise unreadable(what)
    return Pull(number, views.text(row.get("html_url")), new, views.text(row.get("state")) == "open")
