"""Issues, and pull requests as the issues that they also are."""

from typing import Any

from runnerkit.sandbox.github import events, people
from runnerkit.sandbox.github.exchange import Answer, Exchange, permission, route
from runnerkit.sandbox.github.git import requests
from runnerkit.sandbox.github.views import changes

ISSUES = "/repos/{owner}/{repo}/issues"
ISSUE = f"{ISSUES}/{{issue_number}}"
READ, WRITE = permission("issues", "read", "pull_requests"), permission("issues", "write", "pull_requests")


@route("GET", ISSUES, needs=READ)
def list_issues(at: Exchange) -> Answer:
    """List issues and pull requests, newest first; open ones unless asked otherwise."""
    wanted, creator = at.query.get("state", "open"), at.query.get("creator")
    mine = [each for each in at.state.issues.values() if each.repository == at.full_name]
    found = [each for each in mine if wanted in {"all", each.state} and creator in {None, each.login}]
    found.sort(key=lambda each: -each.number)
    return at.page(found, lambda each: changes.issue(at.state, at.links, each))


@route("POST", ISSUES, needs=permission("issues", "write"))
def create_issue(at: Exchange) -> Answer:
    """Open an issue."""
    issue = people.add_issue(at.state, at.full_name, str(at.body["title"]), at.login, body=at.body.get("body", ""))
    events.issue(at.state, issue, "opened", at.login)
    body = changes.issue(at.state, at.links, issue)
    return Answer(201, body, {"Location": body["url"]})


@route("GET", ISSUE, needs=READ)
def get_issue(at: Exchange) -> Answer:
    """Show an issue or a pull request as an issue."""
    return Answer(200, changes.issue(at.state, at.links, at.state.issue(at.full_name, at.path["issue_number"])))


@route("PATCH", ISSUE, needs=WRITE)
def edit_issue(at: Exchange) -> Answer:
    """Change title and text; close or reopen."""
    issue = at.state.issue(at.full_name, at.path["issue_number"])
    said: dict[str, Any] = at.body or {}
    issue.title, issue.updated_at = str(said.get("title", issue.title)), at.state.now()
    if "body" in said:
        holder = issue.pull or issue
        holder.body = said["body"] or ""
    if "state" in said:
        requests.set_state(at.state, issue, said["state"], at.login)
    return Answer(200, changes.issue(at.state, at.links, issue))
