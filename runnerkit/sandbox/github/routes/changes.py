"""Commits, issues and pull requests: what the fleet and the reports look up."""

from collections.abc import Iterable

from runnerkit.sandbox.github.exchange import Answer, Exchange, permission, route
from runnerkit.sandbox.github.records import Issue, Pull
from runnerkit.sandbox.github.refusals import missing
from runnerkit.sandbox.github.views import changes

REPO = "/repos/{owner}/{repo}"
PULLS_READ, ISSUES_READ = permission("pull_requests", "read"), permission("issues", "read", "pull_requests")


@route("GET", f"{REPO}/commits/{{ref}}", needs=permission("contents", "read"))
def get_commit(at: Exchange) -> Answer:
    """Show a commit by its full SHA."""
    message = at.state.commits.get((at.full_name, at.path["ref"]))
    if message is None:
        raise missing()
    return Answer(200, changes.commit(at.links, at.full_name, at.path["ref"], message))


@route("GET", f"{REPO}/issues/{{issue_number}}", needs=ISSUES_READ)
def get_issue(at: Exchange) -> Answer:
    """Show an issue or a pull request as an issue."""
    return Answer(200, changes.issue(at.state, at.links, at.state.issue(at.full_name, at.path["issue_number"])))


@route("GET", f"{REPO}/pulls/{{pull_number}}", needs=PULLS_READ)
def get_pull(at: Exchange) -> Answer:
    """Show a pull request."""
    issue = at.state.issue(at.full_name, at.path["pull_number"])
    if issue.pull is None:
        raise missing()
    return Answer(200, changes.pull_request(at.state, at.links, issue, issue.pull))


def _pulls(at: Exchange) -> Iterable[tuple[Issue, Pull]]:
    mine = [each for each in at.state.issues.values() if each.repository == at.full_name]
    for issue in sorted(mine, key=lambda each: -each.number):
        if issue.pull is not None:
            yield issue, issue.pull


def _show(at: Exchange, found: tuple[Issue, Pull]) -> dict[str, object]:
    return changes.pull_simple(at.state, at.links, *found)


@route("GET", f"{REPO}/pulls", needs=PULLS_READ)
def list_pulls(at: Exchange) -> Answer:
    """List pull requests, newest first; open ones unless asked otherwise."""
    state, head, base = at.query.get("state", "open"), at.query.get("head"), at.query.get("base")
    found = [
        (issue, pull)
        for issue, pull in _pulls(at)
        if state in {"all", issue.state}
        and head in {None, f"{pull.head_repository.partition('/')[0]}:{pull.head_ref}"}
        and base in {None, pull.base_ref}
    ]
    return at.page(found, lambda each: _show(at, each))


@route("GET", f"{REPO}/commits/{{commit_sha}}/pulls", needs=PULLS_READ)
def list_commit_pulls(at: Exchange) -> Answer:
    """List the pull requests whose head the commit is."""
    found = [each for each in _pulls(at) if each[1].head_sha == at.path["commit_sha"]]
    return at.page(found, lambda each: _show(at, each))
