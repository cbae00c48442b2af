"""Git's own objects: trees and commits that no branch points to yet."""

from typing import Any

from runnerkit.sandbox.github.exchange import Answer, Exchange, permission, route
from runnerkit.sandbox.github.git import objects, reading
from runnerkit.sandbox.github.git.reading import Commit
from runnerkit.sandbox.github.git.store import GitFailed
from runnerkit.sandbox.github.git.writing import Author
from runnerkit.sandbox.github.people import add_account
from runnerkit.sandbox.github.refusals import invalid, missing
from runnerkit.sandbox.github.views.accounts import node_id

REPO = "/repos/{owner}/{repo}/git"
READ, WRITE = permission("contents", "read"), permission("contents", "write")


@route("GET", f"{REPO}/commits/{{commit_sha}}", needs=READ)
def get_git_commit(at: Exchange) -> Answer:
    """Show a commit as git has it."""
    found = reading.find_commit(at.state.git, at.full_name, at.path["commit_sha"])
    if found is None:
        raise missing()
    return Answer(200, _shown(at, found))


@route("POST", f"{REPO}/trees", needs=WRITE)
def create_tree(at: Exchange) -> Answer:
    """Make a tree from another and the files that are different in it; only those given by their content."""
    base = at.body.get("base_tree")
    rows = at.body["tree"]
    if any("content" not in row or row.get("type", "blob") != "blob" for row in rows):
        raise invalid("Only blobs with their content are made here.")
    files = {row["path"]: (row.get("mode", "100644"), row["content"].encode()) for row in rows}
    try:
        sha = objects.make_tree(at.state.git, at.full_name, base, files)
    except (GitFailed, ValueError) as error:
        raise invalid(f"tree.path contains a malformed path component: {error}") from error
    url = f"{at.links.api}/repos/{at.full_name}/git/trees/{sha}"
    return Answer(201, {"sha": sha, "url": url, "tree": [], "truncated": False})


@route("POST", f"{REPO}/commits", needs=WRITE)
def create_commit(at: Exchange) -> Answer:
    """Make a commit of whoever calls; no branch moves."""
    said: dict[str, Any] = at.body
    author = Author(add_account(at.state, at.login).login, at.state.now())
    try:
        sha = objects.make_commit(
            at.state.git, at.full_name, said["tree"], said.get("parents", []), said["message"], author
        )
    except GitFailed as error:
        raise invalid(f"Tree SHA or parent does not exist: {error.said}") from error
    made = reading.commits(at.state.git, at.full_name, sha, most=1)[0]
    return Answer(201, _shown(at, made))


def _shown(at: Exchange, found: Commit) -> dict[str, Any]:
    url, html = f"{at.links.api}/repos/{at.full_name}/git", f"{at.links.web}/{at.full_name}/commit"
    return {
        "sha": found.sha,
        "node_id": node_id("Commit", int(found.sha[:12], 16)),
        "url": f"{url}/commits/{found.sha}",
        "html_url": f"{html}/{found.sha}",
        "author": {"name": found.author, "email": found.author_email, "date": found.authored_at},
        "committer": {"name": found.committer, "email": found.committer_email, "date": found.committed_at},
        "message": found.message,
        "tree": {"sha": found.tree, "url": f"{url}/trees/{found.tree}"},
        "parents": [
            {"sha": each, "url": f"{url}/commits/{each}", "html_url": f"{html}/{each}"} for each in found.parents
        ],
        "verification": {
            "verified": False,
            "reason": "unsigned",
            "signature": None,
            "payload": None,
            "verified_at": None,
        },
    }
