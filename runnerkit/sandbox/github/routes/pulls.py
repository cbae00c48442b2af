"""Pull requests: opened, listed, changed and merged."""

from collections.abc import Iterable
from typing import Any

from runnerkit.sandbox.github.events import pull_request as tell
from runnerkit.sandbox.github.exchange import Answer, Exchange, permission, route
from runnerkit.sandbox.github.git import noticing, reading, requests
from runnerkit.sandbox.github.records import Issue, Pull
from runnerkit.sandbox.github.refusals import invalid, missing
from runnerkit.sandbox.github.views import changes, git

PULLS = "/repos/{owner}/{repo}/pulls"
PULL = f"{PULLS}/{{pull_number}}"
READ, WRITE = permission("pull_requests", "read"), permission("pull_requests", "write")
MERGE = permission("contents", "write")


def _find(at: Exchange) -> tuple[Issue, Pull]:
    issue = at.state.issue(at.full_name, at.path["pull_number"])
    if issue.pull is None:
        raise missing()
    return issue, issue.pull


def _all(at: Exchange) -> Iterable[tuple[Issue, Pull]]:
    mine = [each for each in at.state.issues.values() if each.repository == at.full_name]
    for issue in sorted(mine, key=lambda each: -each.number):
        if issue.pull is not None:
            yield issue, issue.pull


def _show(at: Exchange, found: tuple[Issue, Pull]) -> dict[str, object]:
    return changes.pull_simple(at.state, at.links, *found)


@route("GET", PULLS, needs=READ)
def list_pulls(at: Exchange) -> Answer:
    """List pull requests, newest first; open ones unless asked otherwise."""
    state, head, base = at.query.get("state", "open"), at.query.get("head"), at.query.get("base")
    found = [
        (issue, pull)
        for issue, pull in _all(at)
        if state in {"all", issue.state}
        and head in {None, f"{pull.head_repository.partition('/')[0]}:{pull.head_ref}"}
        and base in {None, pull.base_ref}
    ]
    return at.page(found, lambda each: _show(at, each))


@route("POST", PULLS, needs=WRITE)
def create_pull(at: Exchange) -> Answer:
    """Open a pull request; ``head`` may name a fork's owner, as in ``octocat:longer``."""
    said: dict[str, Any] = at.body
    if "title" not in said:
        raise invalid("Validation Failed: title is missing; pull requests from issues are not made here.")
    owner, _, branch = said["head"].rpartition(":")
    source = _fork(at, owner, said.get("head_repo")) if owner else None
    issue = requests.open_request(
        at.state,
        at.repository,
        head=branch,
        title=said["title"],
        body=said.get("body", ""),
        login=at.login,
        into=said["base"],
        source=source,
    )
    body = _full(at, issue)
    return Answer(201, body, {"Location": body["url"]})


def _fork(at: Exchange, owner: str, named: str | None) -> Any:  # noqa: ANN401 - a Repository or a refusal
    if owner.lower() == at.repository.owner.lower() and named is None:
        return at.repository
    for each in at.state.repositories.values():
        mine = each.owner.lower() == owner.lower() and each.parent == at.full_name
        if mine and named in {None, each.name, each.full_name}:
            return each
    raise invalid(f"Validation Failed: PullRequest head is invalid; {owner} has no fork of {at.full_name}.")


def _full(at: Exchange, issue: Issue) -> dict[str, Any]:
    if issue.pull is None:
        raise missing()
    return changes.pull_request(at.state, at.links, issue, issue.pull)


@route("GET", PULL, needs=READ)
def get_pull(at: Exchange) -> Answer:
    """Show a pull request."""
    return Answer(200, changes.pull_request(at.state, at.links, *_find(at)))


@route("PATCH", PULL, needs=WRITE)
def edit_pull(at: Exchange) -> Answer:
    """Change title and text; close or reopen."""
    issue, pull = _find(at)
    said: dict[str, Any] = at.body or {}
    if {"title", "body"} & said.keys():
        before = {"title": {"from": issue.title}} if "title" in said else {"body": {"from": pull.body}}
        issue.title, pull.body = said.get("title", issue.title), said.get("body", pull.body)
        issue.updated_at = at.state.now()
        tell(at.state, issue, pull, "edited", at.login, changes=before)
    if "state" in said:
        requests.set_state(at.state, issue, said["state"], at.login)
    return Answer(200, _full(at, issue))


@route("GET", f"{PULL}/commits", needs=READ)
def list_pull_commits(at: Exchange) -> Answer:
    """List a pull request's commits, oldest first."""
    _, pull = _find(at)
    if not pull.base_sha:
        return at.page([], dict)
    found = reading.commits(at.state.git, at.full_name, f"{pull.base_sha}..{pull.head_sha}")
    return at.page(reversed(found), lambda each: git.commit(at.state, at.links, at.full_name, each))


@route("GET", f"{PULL}/files", needs=READ)
def list_files(at: Exchange) -> Answer:
    """List the files a pull request changes, against where it left its base."""
    _, pull = _find(at)
    store, name = at.state.git, at.full_name
    if not pull.base_sha:
        return at.page([], dict)
    start = reading.merge_base(store, name, pull.base_sha, pull.head_sha)
    found = reading.changes(store, name, start, pull.head_sha)
    return at.page(found, lambda each: git.change(at.links, name, pull.head_sha, each))


@route("GET", f"{PULL}/merge", needs=READ)
def is_merged(at: Exchange) -> Answer:
    """Say 204 for a merged pull request, 404 for any other."""
    if not _find(at)[1].merged:
        raise missing()
    return Answer(204)


@route("PUT", f"{PULL}/merge", needs=MERGE)
def merge(at: Exchange) -> Answer:
    """Merge a pull request."""
    issue, pull = _find(at)
    said: dict[str, Any] = at.body or {}
    text = "\n\n".join(each for each in (said.get("commit_title"), said.get("commit_message")) if each)
    method, guard = said.get("merge_method", "merge"), said.get("sha", "")
    sha = requests.merge_request(at.state, issue, pull, at.login, method=method, message=text, sha=guard)
    noticing.notice(at.state, at.full_name, at.login)
    return Answer(200, {"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


@route("GET", "/repos/{owner}/{repo}/commits/{commit_sha}/pulls", needs=READ)
def list_commit_pulls(at: Exchange) -> Answer:
    """List the pull requests whose head the commit is."""
    found = [each for each in _all(at) if each[1].head_sha == at.path["commit_sha"]]
    return at.page(found, lambda each: _show(at, each))
