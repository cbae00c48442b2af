"""The merge queue: what a pull request would make of its base branch is built and checked before it is merged."""

from runnerkit.sandbox.github import events
from runnerkit.sandbox.github.git import noticing, reading, writing
from runnerkit.sandbox.github.people import add_account
from runnerkit.sandbox.github.records import Happening, Issue, Pull
from runnerkit.sandbox.github.refusals import Reason, Refused
from runnerkit.sandbox.github.state import State

QUEUE = "gh-readonly-queue"


def enqueue(state: State, issue: Issue, pull: Pull, login: str) -> str:
    """Make a merge group of one pull request on a branch of its own, and ask for checks of it; gives its SHA.

    Raises:
        Refused: 405 where it cannot be merged.
    """
    if issue.state != "open" or not pull.mergeable or not pull.base_sha:
        raise Refused(Reason.NOT_ALLOWED, "Pull Request is not mergeable")
    full_name, branch = issue.repository, f"{QUEUE}/{pull.base_ref}/pr-{issue.number}-{pull.base_sha}"
    author = writing.Author(add_account(state, login).login, state.now())
    text = f"Merge pull request #{issue.number} from {pull.head_ref}\n\n{issue.title}"
    made = writing.merge(state.git, full_name, pull.base_sha, pull.head_sha, text, author)
    if made is None:
        raise Refused(Reason.NOT_ALLOWED, "Pull Request is not mergeable")
    writing.move(state.git, full_name, events.BRANCH + branch, made)
    noticing.notice(state, full_name, login)
    state.tell(_asked(state, issue, pull, made, branch, login))
    return made


def dequeue(state: State, issue: Issue, pull: Pull, login: str) -> None:
    """Delete the group's branch: it was merged, or taken out of the queue."""
    branch = f"{QUEUE}/{pull.base_ref}/pr-{issue.number}-{pull.base_sha}"
    if reading.resolve(state.git, issue.repository, events.BRANCH + branch) is not None:
        writing.move(state.git, issue.repository, events.BRANCH + branch, None)
        noticing.notice(state, issue.repository, login)


def _asked(state: State, issue: Issue, pull: Pull, sha: str, branch: str, login: str) -> Happening:
    ref = events.BRANCH + branch
    group = {
        "head_sha": sha,
        "head_ref": ref,
        "base_sha": pull.base_sha,
        "base_ref": events.BRANCH + pull.base_ref,
        "head_commit": events.commit(state, issue.repository, sha),
    }
    payload = events.common(state, issue.repository, login) | {"action": "checks_requested", "merge_group": group}
    return Happening(
        issue.repository,
        "merge_group",
        login,
        "checks_requested",
        ref=ref,
        sha=sha,
        head_sha=sha,
        base_ref=pull.base_ref,
        payload=payload,
    )
