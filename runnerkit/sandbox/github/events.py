"""What happens in the world, told as GitHub's webhooks tell it: to hooks, and to what triggers workflows."""

from dataclasses import replace
from typing import Any

from runnerkit.sandbox.github.exchange import Links
from runnerkit.sandbox.github.git import reading
from runnerkit.sandbox.github.people import add_account
from runnerkit.sandbox.github.records import Comment, Happening, Issue, Pull
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.views import accounts, changes
from runnerkit.sandbox.github.views.accounts import Json

NOTHING = "0" * 40
BRANCH = "refs/heads/"
TAG = "refs/tags/"
BOT = "github-actions[bot]"
MOST_COMMITS = 20


def links(state: State) -> Links:
    """Give the addresses that payloads carry."""
    return Links(state.web, state.web)


def common(state: State, full_name: str, login: str) -> Json:
    """Say where it happened and who did it; every payload holds this."""
    at, found = links(state), state.repository(full_name)
    owner = state.account(found.owner)
    body = {
        "repository": accounts.repository(state, at, found),
        "sender": accounts.user(at, state.accounts.get(login.lower()) or add_account(state, login)),
    }
    return body | ({"organization": accounts.user(at, owner)} if owner.kind == "Organization" else {})


def push(state: State, full_name: str, ref: str, before: str, after: str, login: str) -> None:
    """Tell that a ref moved; ``before`` or ``after`` is `NOTHING` where it was made or deleted."""
    state.tell(pushed(state, full_name, ref, before, after, login))


def pushed(state: State, full_name: str, ref: str, before: str, after: str, login: str) -> Happening:
    """Describe a push without telling of it."""
    git, gone = state.git, after == NOTHING
    default = state.repository(full_name).default_branch
    start = _compared_with(state, full_name, default, before, after)
    made = [] if gone else _commits(state, full_name, start, after)
    files = () if gone else reading.changed_files(git, full_name, start, after)
    # An annotated tag is an object of its own; what runs, runs at the commit that it is about.
    tagged = None if gone or not ref.startswith(TAG) else reading.resolve(git, full_name, ref)
    sha = "" if gone else tagged or after
    at, pusher = links(state), {"name": login, "email": f"{login}@users.noreply.example"}
    forced = NOTHING not in {before, after} and not reading.contains(git, full_name, after, before)
    payload = common(state, full_name, login) | {
        "ref": ref,
        "before": before,
        "after": after,
        "base_ref": None,
        "created": before == NOTHING,
        "deleted": gone,
        "forced": forced,
        "compare": f"{at.web}/{full_name}/compare/{before[:12]}...{after[:12]}",
        "commits": made,
        "head_commit": made[-1] if made else (None if gone else commit(state, full_name, after)),
        "pusher": pusher,
    }
    return Happening(
        full_name,
        "push",
        login,
        ref=ref,
        sha=sha,
        head_sha=sha,
        changed=files if ref.startswith(BRANCH) else None,
        payload=payload,
        by_workflow=login == BOT,
    )


def _compared_with(state: State, full_name: str, default: str, before: str, after: str) -> str | None:
    # A new branch is compared with where it left the default one.
    if after == NOTHING:
        return None
    if before != NOTHING:
        return before
    trunk = reading.resolve(state.git, full_name, BRANCH + default)
    found = trunk and reading.merge_base(state.git, full_name, trunk, after)
    return None if found == after else found or None


def _commits(state: State, full_name: str, start: str | None, after: str) -> list[Json]:
    """Show the commits of a push, oldest first."""
    which = [after] if start is None else [f"{start}..{after}"]
    found = reading.commits(state.git, full_name, *which, most=MOST_COMMITS)
    return [_shown(state, full_name, each) for each in reversed(found)]


def commit(state: State, full_name: str, sha: str) -> Json:
    """Show one commit as payloads do."""
    return _shown(state, full_name, reading.commits(state.git, full_name, sha, most=1)[0])


def _shown(state: State, full_name: str, found: reading.Commit) -> Json:
    changed = reading.changes(
        state.git, full_name, found.parents[0] if found.parents else None, found.sha, patches=False
    )
    by_status = {name: [each.path for each in changed if each.status == name] for name in ("added", "removed")}
    return {
        "id": found.sha,
        "tree_id": found.tree,
        "distinct": True,
        "message": found.message,
        "timestamp": found.committed_at,
        "url": f"{links(state).web}/{full_name}/commit/{found.sha}",
        "author": {"name": found.author, "email": found.author_email, "username": found.author},
        "committer": {"name": found.committer, "email": found.committer_email, "username": found.committer},
        **by_status,
        "modified": [each.path for each in changed if each.status not in by_status],
    }


def pull_request(state: State, issue: Issue, pull: Pull, action: str, login: str, **more: Any) -> None:  # noqa: ANN401 - JSON
    """Tell what became of a pull request."""
    git, full_name = state.git, issue.repository
    base = reading.merge_base(git, full_name, pull.base_sha, pull.head_sha) if pull.base_sha else None
    payload = common(state, full_name, login) | {
        "action": action,
        "number": issue.number,
        "pull_request": changes.pull_request(state, links(state), issue, pull),
        **more,
    }
    happening = Happening(
        full_name,
        "pull_request",
        login,
        action,
        ref=BRANCH + pull.base_ref if pull.merged else f"refs/pull/{issue.number}/merge",
        sha=pull.merge_sha or "",
        head_sha=pull.head_sha,
        base_ref=pull.base_ref,
        head_ref=pull.head_ref,
        changed=reading.changed_files(git, full_name, base, pull.head_sha) if base else None,
        pull_number=issue.number,
        payload=payload,
        by_workflow=login == BOT,
    )
    state.tell(happening)
    # No webhook has this name; its workflows are those of the default branch, and are trusted with its secrets.
    ref = BRANCH + state.repository(full_name).default_branch
    tip = reading.resolve(git, full_name, ref) or ""
    state.trigger(replace(happening, event="pull_request_target", ref=ref, sha=tip))


def comment(state: State, found: Comment, action: str, login: str, **more: Any) -> None:  # noqa: ANN401 - JSON
    """Tell of a comment; its workflows run on the default branch."""
    at, issue = links(state), state.issue(found.repository, found.number)
    body = {"action": action, "issue": changes.issue(state, at, issue), "comment": changes.comment(state, at, found)}
    _on_default(state, found.repository, "issue_comment", action, login, body | more)


def issue(state: State, found: Issue, action: str, login: str) -> None:
    """Tell what became of an issue."""
    body = {"action": action, "issue": changes.issue(state, links(state), found)}
    _on_default(state, found.repository, "issues", action, login, body)


def _on_default(state: State, full_name: str, event: str, action: str, login: str, body: Json) -> None:
    ref = BRANCH + state.repository(full_name).default_branch
    sha = reading.resolve(state.git, full_name, ref) or ""
    payload = common(state, full_name, login) | body
    state.tell(
        Happening(
            full_name, event, login, action, ref=ref, sha=sha, head_sha=sha, payload=payload, by_workflow=login == BOT
        )
    )
