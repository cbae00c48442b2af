"""Finding out which refs moved, whoever moved them, and telling the world."""

from runnerkit.sandbox.github import events
from runnerkit.sandbox.github.git import reading, requests
from runnerkit.sandbox.github.people import add_commit
from runnerkit.sandbox.github.records import Issue, Pull
from runnerkit.sandbox.github.state import State


def notice(state: State, full_name: str, login: str) -> None:
    """Compare the refs with those seen last; tell of pushes, then of the pull requests they concern."""
    before, after = state.git.seen[full_name], state.git.refs(full_name)
    state.git.seen[full_name] = after
    moved = [ref for ref in sorted(before.keys() | after.keys()) if before.get(ref) != after.get(ref)]
    for ref in moved:
        _remember_commits(state, full_name, before.get(ref), after.get(ref))
        events.push(state, full_name, ref, before.get(ref, events.NOTHING), after.get(ref, events.NOTHING), login)
    for ref in moved:
        if ref.startswith(events.BRANCH):
            _follow(state, full_name, ref.removeprefix(events.BRANCH), after.get(ref), login)


def _remember_commits(state: State, full_name: str, before: str | None, after: str | None) -> None:
    if after is None:
        return
    which = [after] if before is None else [after, f"^{before}"]
    for each in reading.commits(state.git, full_name, *which):
        add_commit(state, full_name, each.sha, each.message)


def _follow(state: State, full_name: str, branch: str, sha: str | None, login: str) -> None:
    for issue in list(state.issues.values()):
        pull = issue.pull
        # Those that a test told into being have no commits that git could follow.
        if pull is None or issue.state != "open" or not pull.base_sha:
            continue
        if (pull.head_repository, pull.head_ref) == (full_name, branch):
            _head_moved(state, issue, pull, sha, login)
        elif (issue.repository, pull.base_ref) == (full_name, branch) and sha is not None:
            _base_moved(state, issue, pull, sha, login)


def _head_moved(state: State, issue: Issue, pull: Pull, sha: str | None, login: str) -> None:
    if sha is None:
        requests.set_state(state, issue, "closed", login)
        return
    before, pull.head_sha = pull.head_sha, sha
    issue.updated_at = state.now()
    requests.refresh(state, issue, pull)
    events.pull_request(state, issue, pull, "synchronize", login, before=before, after=sha)


def _base_moved(state: State, issue: Issue, pull: Pull, sha: str, login: str) -> None:
    pull.base_sha = sha
    if reading.contains(state.git, issue.repository, sha, pull.head_sha):
        requests.note_merged(state, issue, pull, sha, login)
    else:
        requests.refresh(state, issue, pull)
