"""Commits, issues, pull requests and what is reported on them, as GitHub shows them."""

from runnerkit.sandbox.github.clock import stamp
from runnerkit.sandbox.github.exchange import Links
from runnerkit.sandbox.github.records import Check, Comment, Issue, Job, Pull, Run, Status
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.views.accounts import Json, app, node_id, repository, user


def comment(state: State, links: Links, found: Comment) -> Json:
    """Show a comment."""
    url, html = f"{links.api}/repos/{found.repository}/issues", f"{links.web}/{found.repository}/issues"
    return {
        "id": found.id,
        "node_id": node_id("IssueComment", found.id),
        "url": f"{url}/comments/{found.id}",
        "html_url": f"{html}/{found.number}#issuecomment-{found.id}",
        "issue_url": f"{url}/{found.number}",
        "body": found.body,
        "user": user(links, state.account(found.login)),
        "created_at": stamp(found.created_at),
        "updated_at": stamp(found.updated_at),
        "author_association": "MEMBER",
        "performed_via_github_app": None if found.app_id is None else app(state, links, state.apps[found.app_id]),
    }


def issue(state: State, links: Links, found: Issue) -> Json:
    """Show an issue, or a pull request as the issue that it also is."""
    home = f"{links.api}/repos/{found.repository}"
    url, web = f"{home}/issues/{found.number}", f"{links.web}/{found.repository}"
    written = sum(1 for each in state.comments.values() if _on(each, found))
    body = _common(state, links, found) | {
        "url": url,
        "repository_url": home,
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "html_url": f"{web}/{'pull' if found.pull else 'issues'}/{found.number}",
        "comments": written,
    }
    if found.pull is not None:
        pull_url = f"{web}/pull/{found.number}"
        body["pull_request"] = {
            "url": f"{home}/pulls/{found.number}",
            "html_url": pull_url,
            "diff_url": f"{pull_url}.diff",
            "patch_url": f"{pull_url}.patch",
        }
    return body


def _on(comment: Comment, issue: Issue) -> bool:
    return (comment.repository, comment.number) == (issue.repository, issue.number)


def _common(state: State, links: Links, found: Issue) -> Json:
    return {
        "id": found.id,
        "node_id": node_id("Issue", found.id),
        "number": found.number,
        "title": found.title,
        "body": (found.pull or found).body or None,
        "user": user(links, state.account(found.login)),
        "state": found.state,
        "locked": found.locked,
        "labels": [],
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "author_association": "MEMBER",
        "created_at": stamp(found.created_at),
        "updated_at": stamp(found.updated_at),
        "closed_at": None if found.state == "open" else stamp(found.closed_at or found.updated_at),
    }


def pull_simple(state: State, links: Links, found: Issue, pull: Pull) -> Json:
    """Show a pull request as lists do (``pull-request-simple``)."""
    home = f"{links.api}/repos/{found.repository}"
    url, html = f"{home}/pulls/{found.number}", f"{links.web}/{found.repository}/pull/{found.number}"
    where = {
        "self": url,
        "html": html,
        "issue": f"{home}/issues/{found.number}",
        "comments": f"{home}/issues/{found.number}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{home}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": f"{home}/statuses/{pull.head_sha}",
    }
    return _common(state, links, found) | {
        "url": url,
        "html_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        **{f"{name}_url": address for name, address in where.items() if name not in {"self", "html"}},
        "_links": {name: {"href": address} for name, address in where.items()},
        "head": _end(state, links, pull.head_repository, pull.head_ref, pull.head_sha),
        "base": _end(state, links, found.repository, pull.base_ref, pull.base_sha or _base_sha(state, found)),
        "auto_merge": None,
        "draft": False,
        "merge_commit_sha": pull.merge_sha,
        "merged_at": stamp(found.closed_at or found.updated_at) if pull.merged else None,
        "requested_reviewers": [],
        "requested_teams": [],
    }


def _base_sha(state: State, found: Issue) -> str:
    return next(sha for name, sha in state.commits if name == found.repository)


def _end(state: State, links: Links, full_name: str, ref: str, sha: str) -> Json:
    found = state.repository(full_name)
    return {
        "label": f"{found.owner}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": user(links, state.account(found.owner)),
        "repo": repository(state, links, found),
    }


def pull_request(state: State, links: Links, found: Issue, pull: Pull) -> Json:
    """Show a pull request asked for by number (``pull-request``)."""
    return pull_simple(state, links, found, pull) | {
        "merged": pull.merged,
        "mergeable": None if pull.merged else pull.mergeable,
        "rebaseable": None if pull.merged else pull.mergeable,
        "mergeable_state": _mergeable_state(pull),
        "merged_by": None if pull.merged_by is None else user(links, state.account(pull.merged_by)),
        "comments": sum(1 for each in state.comments.values() if _on(each, found)),
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": pull.commits,
        "additions": pull.additions,
        "deletions": pull.deletions,
        "changed_files": pull.changed_files,
    }


def _mergeable_state(pull: Pull) -> str:
    if pull.merged:
        return "unknown"
    return "clean" if pull.mergeable else "dirty"


def commit(links: Links, full_name: str, sha: str, message: str) -> Json:
    """Show a commit; its author is nobody GitHub knows."""
    url = f"{links.api}/repos/{full_name}"
    return {
        "sha": sha,
        "node_id": node_id("Commit", int(sha[:12], 16)),
        "url": f"{url}/commits/{sha}",
        "html_url": f"{links.web}/{full_name}/commit/{sha}",
        "comments_url": f"{url}/commits/{sha}/comments",
        "author": {},
        "committer": {},
        "parents": [],
        "commit": {
            "url": f"{url}/git/commits/{sha}",
            "message": message,
            "author": None,
            "committer": None,
            "comment_count": 0,
            "tree": {"sha": sha, "url": f"{url}/git/trees/{sha}"},
        },
    }


def status(state: State, links: Links, found: Status) -> Json:
    """Show a commit status with its creator."""
    return simple_status(links, found) | {"creator": user(links, state.account(found.login))}


def simple_status(links: Links, found: Status) -> Json:
    """Show a commit status as the combined status embeds it."""
    since = stamp(found.created_at)
    return {
        "id": found.id,
        "node_id": node_id("StatusContext", found.id),
        "url": f"{links.api}/repos/{found.repository}/statuses/{found.sha}",
        "avatar_url": f"{links.web}/avatars/{found.login}",
        "state": found.state,
        "description": found.description,
        "target_url": found.target_url,
        "context": found.context,
        "created_at": since,
        "updated_at": since,
    }


def check(state: State, links: Links, found: Check) -> Json:
    """Show an App's check run."""
    body = _check(links, found.repository, found.id, found.sha, found.name) | {"check_suite": {"id": found.app_id}}
    return body | {
        "external_id": found.external_id,
        "details_url": found.details_url or body["html_url"],
        "status": found.status,
        "conclusion": found.conclusion,
        "started_at": stamp(found.started_at),
        "completed_at": found.completed_at and stamp(found.completed_at),
        "output": body["output"]
        | {"title": found.title, "summary": found.summary, "text": found.text}
        | {"annotations_count": len(found.annotations)},
        "app": app(state, links, state.apps[found.app_id]),
    }


def job_check(links: Links, found: Job, run: Run) -> Json:
    """Show the check run that every job has."""
    body = _check(links, found.repository, found.id, run.head_sha, found.name) | {"check_suite": {"id": run.id}}
    return body | {
        "status": found.status,
        "conclusion": found.conclusion,
        "started_at": found.started_at and stamp(found.started_at),
        "completed_at": found.completed_at and stamp(found.completed_at),
        "output": body["output"] | {"annotations_count": len(found.annotations)},
    }


def _check(links: Links, full_name: str, number: int, sha: str, name: str) -> Json:
    url, html = f"{links.api}/repos/{full_name}/check-runs/{number}", f"{links.web}/{full_name}/runs/{number}"
    return {
        "id": number,
        "node_id": node_id("CheckRun", number),
        "head_sha": sha,
        "external_id": "",
        "name": name,
        "url": url,
        "html_url": html,
        "details_url": html,
        "app": None,
        "pull_requests": [],
        "output": {
            "title": None,
            "summary": None,
            "text": None,
            "annotations_count": 0,
            "annotations_url": f"{url}/annotations",
        },
    }


def job_annotation(message: str) -> Json:
    """Show what the service or the runner said about a job."""
    return {
        "path": ".github",
        "start_line": 1,
        "end_line": 1,
        "start_column": None,
        "end_column": None,
        "annotation_level": "failure",
        "title": "",
        "message": message,
        "raw_details": "",
        "blob_href": "",
    }
