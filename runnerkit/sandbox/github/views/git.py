"""What git holds, as GitHub shows it: commits, files, branches, comparisons."""

import base64
from urllib.parse import quote

from runnerkit.sandbox.github.exchange import Links
from runnerkit.sandbox.github.git.reading import Change, Commit, Entry
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.views.accounts import Json, node_id, user

LINE = 60


def commit(state: State, links: Links, full_name: str, found: Commit) -> Json:
    """Show a commit; author and committer are accounts where their names are logins."""
    url, html = f"{links.api}/repos/{full_name}", f"{links.web}/{full_name}/commit"
    author, committer = state.accounts.get(found.author.lower()), state.accounts.get(found.committer.lower())
    return {
        "sha": found.sha,
        "node_id": node_id("Commit", int(found.sha[:12], 16)),
        "url": f"{url}/commits/{found.sha}",
        "html_url": f"{html}/{found.sha}",
        "comments_url": f"{url}/commits/{found.sha}/comments",
        "author": author and user(links, author),
        "committer": committer and user(links, committer),
        "parents": [
            {"sha": each, "url": f"{url}/commits/{each}", "html_url": f"{html}/{each}"} for each in found.parents
        ],
        "commit": {
            "url": f"{url}/git/commits/{found.sha}",
            "message": found.message,
            "author": {"name": found.author, "email": found.author_email, "date": found.authored_at},
            "committer": {"name": found.committer, "email": found.committer_email, "date": found.committed_at},
            "comment_count": 0,
            "tree": {"sha": found.tree, "url": f"{url}/git/trees/{found.tree}"},
        },
    }


def change(links: Links, full_name: str, sha: str, found: Change) -> Json:
    """Show what happened to a file (``diff-entry``)."""
    path = quote(found.path)
    body = {
        "sha": found.sha,
        "filename": found.path,
        "status": found.status,
        "additions": found.additions,
        "deletions": found.deletions,
        "changes": found.additions + found.deletions,
        "blob_url": f"{links.web}/{full_name}/blob/{sha}/{path}",
        "raw_url": f"{links.web}/{full_name}/raw/{sha}/{path}",
        "contents_url": f"{links.api}/repos/{full_name}/contents/{path}?ref={sha}",
    }
    body |= {"patch": found.patch} if found.patch else {}
    return body | ({"previous_filename": found.previous} if found.previous else {})


def entry(links: Links, full_name: str, ref: str, found: Entry) -> Json:
    """Show a file or a folder without its content."""
    path = quote(found.path)
    url = f"{links.api}/repos/{full_name}/contents/{path}?ref={quote(ref, safe='')}"
    kind = "trees" if found.kind == "dir" else "blobs"
    git_url = f"{links.api}/repos/{full_name}/git/{kind}/{found.sha}"
    html = f"{links.web}/{full_name}/{'tree' if found.kind == 'dir' else 'blob'}/{quote(ref)}/{path}"
    raw = f"{links.web}/{full_name}/raw/{quote(ref)}/{path}" if found.kind == "file" else None
    return {
        "type": found.kind,
        "size": found.size,
        "name": found.path.rpartition("/")[2],
        "path": found.path,
        "sha": found.sha,
        "url": url,
        "git_url": git_url,
        "html_url": html,
        "download_url": raw,
        "_links": {"self": url, "git": git_url, "html": html},
    }


def file(links: Links, full_name: str, ref: str, found: Entry, data: bytes) -> Json:
    """Show a file with its content, in lines of base64."""
    text = base64.b64encode(data).decode()
    lines = "".join(f"{text[start : start + LINE]}\n" for start in range(0, len(text), LINE))
    return entry(links, full_name, ref, found) | {"content": lines, "encoding": "base64"}


def branch(links: Links, full_name: str, name: str, sha: str) -> Json:
    """Show a branch as lists do."""
    url = f"{links.api}/repos/{full_name}"
    return {"name": name, "commit": {"sha": sha, "url": f"{url}/commits/{sha}"}, "protected": False}


def full_branch(state: State, links: Links, full_name: str, name: str, found: Commit) -> Json:
    """Show a branch with its commit; none is protected here."""
    url = f"{links.api}/repos/{full_name}/branches/{name}"
    return {
        "name": name,
        "commit": commit(state, links, full_name, found),
        "_links": {"self": url, "html": f"{links.web}/{full_name}/tree/{name}"},
        "protected": False,
        "protection": {"enabled": False},
        "protection_url": f"{url}/protection",
    }


def ref(links: Links, full_name: str, name: str, sha: str) -> Json:
    """Show a ref by its full name."""
    url = f"{links.api}/repos/{full_name}/git"
    return {
        "ref": name,
        "node_id": node_id("Ref", int(sha[:12], 16)),
        "url": f"{url}/{name}",
        "object": {"type": "commit", "sha": sha, "url": f"{url}/commits/{sha}"},
    }
