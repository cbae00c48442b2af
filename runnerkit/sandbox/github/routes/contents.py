"""Files, branches, refs, commits and comparisons: what git holds."""

import base64
import binascii

from runnerkit.sandbox.github.exchange import Answer, Exchange, permission, route
from runnerkit.sandbox.github.git import noticing, reading, requests, writing
from runnerkit.sandbox.github.git.store import GitFailed
from runnerkit.sandbox.github.git.stories import push_files
from runnerkit.sandbox.github.refusals import Reason, Refused, invalid, missing
from runnerkit.sandbox.github.views import changes, git

REPO = "/repos/{owner}/{repo}"
FILE = f"{REPO}/contents/{{path}}"
REF = f"{REPO}/git/refs/{{ref}}"
READ, WRITE = permission("contents", "read"), permission("contents", "write")
MOST_COMMITS = 1000
MOST_COMPARED = 250


def _resolved(at: Exchange, ref: str) -> str:
    sha = reading.resolve(at.state.git, at.full_name, ref)
    if sha is None:
        raise missing()
    return sha


@route("GET", FILE, needs=READ)
def get_contents(at: Exchange) -> Answer:
    """Show a file, also as it is (``application/vnd.github.raw``), or list a folder."""
    ref = at.query.get("ref", at.repository.default_branch)
    sha = _resolved(at, ref)
    found = reading.find_entry(at.state.git, at.full_name, sha, at.path.get("path", ""))
    if found is None:
        raise missing()
    if found.kind == "dir":
        listed = reading.entries(at.state.git, at.full_name, sha, found.path)
        return Answer(200, [git.entry(at.links, at.full_name, ref, each) for each in listed])
    data = reading.read_file(at.state.git, at.full_name, sha, found.path) or b""
    if "raw" in at.accept:
        return Answer(200, data=data, content_type="application/vnd.github.raw; charset=utf-8")
    return Answer(200, git.file(at.links, at.full_name, ref, found, data))


@route("PUT", FILE, needs=WRITE)
def put_contents(at: Exchange) -> Answer:
    """Commit one file; one that is there is changed only by who names its blob."""
    branch, path = at.body.get("branch", at.repository.default_branch), at.path["path"]
    tip = reading.resolve(at.state.git, at.full_name, f"refs/heads/{branch}")
    before = reading.find_entry(at.state.git, at.full_name, tip, path) if tip else None
    if before is not None and "sha" not in at.body:
        raise invalid('Invalid request.\n\n"sha" wasn\'t supplied.')
    if before is not None and before.sha != at.body["sha"]:
        raise Refused(Reason.CONFLICT, f"{path} does not match {at.body['sha']}")
    try:
        data = base64.b64decode(at.body["content"])
        sha = push_files(
            at.state, at.repository, {path: data}, branch=branch, message=at.body["message"], login=at.login
        )
    except (binascii.Error, ValueError) as error:
        raise invalid(f"content is not valid Base64 or the path is malformed: {error}") from error
    made = reading.commits(at.state.git, at.full_name, sha, most=1)[0]
    entry = reading.find_entry(at.state.git, at.full_name, sha, path)
    shown = git.commit(at.state, at.links, at.full_name, made)
    body = {
        "content": entry and git.entry(at.links, at.full_name, branch, entry),
        "commit": shown["commit"] | {name: shown[name] for name in ("sha", "node_id", "html_url", "parents")},
    }
    return Answer(200 if before else 201, body)


@route("GET", f"{REPO}/commits", needs=READ)
def list_commits(at: Exchange) -> Answer:
    """List the commits of a branch, newest first; with ``path`` those that changed it."""
    sha = _resolved(at, at.query.get("sha", at.repository.default_branch))
    found = reading.commits(at.state.git, at.full_name, sha, path=at.query.get("path", ""), most=MOST_COMMITS)
    return at.page(found, lambda each: git.commit(at.state, at.links, at.full_name, each))


@route("GET", f"{REPO}/commits/{{ref}}", needs=READ)
def get_commit(at: Exchange) -> Answer:
    """Show a commit by its SHA, a branch or a tag."""
    found = reading.find_commit(at.state.git, at.full_name, at.path["ref"])
    if found is not None:
        changed = reading.changes(at.state.git, at.full_name, found.parents[0] if found.parents else None, found.sha)
        files = [git.change(at.links, at.full_name, found.sha, each) for each in changed]
        return Answer(200, git.commit(at.state, at.links, at.full_name, found) | {"files": files})
    message = at.state.commits.get((at.full_name, at.path["ref"]))
    if message is None:
        raise missing()
    return Answer(200, changes.commit(at.links, at.full_name, at.path["ref"], message))


@route("GET", f"{REPO}/compare/{{basehead}}", needs=READ)
def compare(at: Exchange) -> Answer:
    """Compare two commits, the older side where their histories part."""
    names = at.path["basehead"].split("...")
    if len(names) != len(("base", "head")):
        raise missing()
    store, name = at.state.git, at.full_name
    base, head = (_resolved(at, each.rpartition(":")[2]) for each in names)
    start = reading.merge_base(store, name, base, head)
    if start is None:
        raise missing()
    ahead, behind = reading.count(store, name, base, head)
    listed = list(reversed(reading.commits(store, name, f"{base}..{head}", most=MOST_COMPARED)))
    place = f"{at.links.web}/{name}/compare/{at.path['basehead']}"
    ends = {"base_commit": base, "merge_base_commit": start}
    body = {
        "url": at.url,
        "html_url": place,
        "permalink_url": f"{at.links.web}/{name}/compare/{base[:7]}...{head[:7]}",
        "diff_url": f"{place}.diff",
        "patch_url": f"{place}.patch",
        **{key: _commit(at, sha) for key, sha in ends.items()},
        "status": _status(ahead, behind),
        "ahead_by": ahead,
        "behind_by": behind,
        "total_commits": ahead,
        "commits": [git.commit(at.state, at.links, name, each) for each in listed],
        "files": [git.change(at.links, name, head, each) for each in reading.changes(store, name, start, head)],
    }
    return Answer(200, body)


def _commit(at: Exchange, sha: str) -> dict[str, object]:
    return git.commit(at.state, at.links, at.full_name, reading.commits(at.state.git, at.full_name, sha, most=1)[0])


def _status(ahead: int, behind: int) -> str:
    if ahead and behind:
        return "diverged"
    return "ahead" if ahead else "behind" if behind else "identical"


@route("GET", f"{REPO}/branches", needs=READ)
def list_branches(at: Exchange) -> Answer:
    """List the branches by name."""
    refs = at.state.git.refs(at.full_name)
    heads = [(name.removeprefix("refs/heads/"), sha) for name, sha in refs.items() if name.startswith("refs/heads/")]
    return at.page(heads, lambda each: git.branch(at.links, at.full_name, *each))


@route("GET", f"{REPO}/branches/{{branch}}", needs=READ)
def get_branch(at: Exchange) -> Answer:
    """Show a branch."""
    name = at.path["branch"]
    found = reading.find_commit(at.state.git, at.full_name, f"refs/heads/{name}")
    if found is None:
        raise Refused(Reason.MISSING, "Branch not found")
    return Answer(200, git.full_branch(at.state, at.links, at.full_name, name, found))


@route("GET", f"{REPO}/git/ref/{{ref}}", needs=READ)
def get_ref(at: Exchange) -> Answer:
    """Show a ref, such as ``heads/main``."""
    name = f"refs/{at.path['ref']}"
    return Answer(200, git.ref(at.links, at.full_name, name, _resolved(at, name)))


@route("POST", f"{REPO}/git/refs", needs=WRITE)
def create_ref(at: Exchange) -> Answer:
    """Make a branch or a tag at a commit."""
    name, sha = at.body["ref"], reading.resolve(at.state.git, at.full_name, at.body["sha"])
    if sha is None:
        raise invalid("Object does not exist")
    if not name.startswith(("refs/heads/", "refs/tags/")):
        raise invalid("Reference name must start with 'refs/heads/' or 'refs/tags/'.")
    if reading.resolve(at.state.git, at.full_name, name) is not None:
        raise invalid("Reference already exists")
    _move(at, name, sha)
    return Answer(201, git.ref(at.links, at.full_name, name, sha))


@route("PATCH", REF, needs=WRITE)
def move_ref(at: Exchange) -> Answer:
    """Move a branch; backwards or sideways only with ``force``."""
    name, sha = f"refs/{at.path['ref']}", reading.resolve(at.state.git, at.full_name, at.body["sha"])
    before = reading.resolve(at.state.git, at.full_name, name)
    if sha is None or before is None:
        raise invalid("Reference does not exist" if before is None else "Object does not exist")
    if not at.body.get("force") and not reading.contains(at.state.git, at.full_name, sha, before):
        raise invalid("Update is not a fast forward")
    _move(at, name, sha)
    return Answer(200, git.ref(at.links, at.full_name, name, sha))


@route("DELETE", REF, needs=WRITE)
def delete_ref(at: Exchange) -> Answer:
    """Delete a branch or a tag."""
    name = f"refs/{at.path['ref']}"
    if reading.resolve(at.state.git, at.full_name, name) is None:
        raise invalid("Reference does not exist")
    _move(at, name, None)
    return Answer(204)


def _move(at: Exchange, name: str, sha: str | None) -> None:
    requests.ready(at.state, at.repository)
    try:
        writing.move(at.state.git, at.full_name, name, sha)
    except GitFailed as error:
        raise invalid(f"{name} cannot be moved: {error.said}") from error
    noticing.notice(at.state, at.full_name, at.login)
