"""Pull requests between branches that git knows."""

from runnerkit.sandbox.github import events
from runnerkit.sandbox.github.git import reading, writing
from runnerkit.sandbox.github.git.store import GitFailed
from runnerkit.sandbox.github.people import add_account, add_commit, add_issue
from runnerkit.sandbox.github.records import Issue, Pull, Repository
from runnerkit.sandbox.github.refusals import Reason, Refused, invalid
from runnerkit.sandbox.github.state import State

BRANCH = "refs/heads/"
METHODS = ("merge", "squash", "rebase")


def ready(state: State, repository: Repository) -> str:
    """Make sure that a repository has its folder (a fork's begins as its parent's), and give its name."""
    if repository.parent is not None:
        ready(state, state.repository(repository.parent))
    state.git.folder(repository.full_name, repository.parent)
    return repository.full_name


def open_request(
    state: State,
    base: Repository,
    *,
    head: str,
    title: str,
    body: str = "",
    login: str = "octocat",
    into: str | None = None,
    source: Repository | None = None,
) -> Issue:
    """Open a pull request from branch ``head`` (of the fork ``source``) into branch ``into``.

    Raises:
        Refused: 422 where a branch is missing, nothing differs, or the same is open already.
    """
    into, source = into or base.default_branch, source or base
    head_sha = reading.resolve(state.git, ready(state, source), BRANCH + head)
    base_sha = reading.resolve(state.git, ready(state, base), BRANCH + into)
    if head_sha is None or base_sha is None:
        field = "head" if head_sha is None else "base"
        raise invalid(
            f"Validation Failed: PullRequest {field} is invalid; there is no branch {(head_sha and into) or head}"
        )
    _refuse_twins(state, base.full_name, (source.full_name, head, into))
    pull = Pull(source.full_name, head, head_sha, into, base_sha=base_sha, body=body)
    issue = Issue(0, base.full_name, 0, title, login, state.now(), state.now(), pull=pull)
    _bring(state, issue, pull, f"refs/runnerkit/{head_sha}")
    if reading.contains(state.git, base.full_name, base_sha, head_sha):
        raise invalid(f"Validation Failed: No commits between {into} and {head}")
    issue = add_issue(state, base.full_name, title, login, pull)
    refresh(state, issue, pull)
    events.pull_request(state, issue, pull, "opened", issue.login)
    return issue


def _refuse_twins(state: State, full_name: str, wanted: tuple[str, str, str]) -> None:
    for issue in state.issues.values():
        pull = issue.pull
        if pull is None or issue.repository != full_name or issue.state != "open":
            continue
        if (pull.head_repository, pull.head_ref, pull.base_ref) == wanted:
            owner = pull.head_repository.partition("/")[0]
            raise invalid(f"Validation Failed: A pull request already exists for {owner}:{pull.head_ref}.")


def _bring(state: State, issue: Issue, pull: Pull, ref: str) -> None:
    if pull.head_repository == issue.repository:
        writing.move(state.git, issue.repository, ref, pull.head_sha)
    else:
        writing.borrow(state.git, issue.repository, pull.head_repository, pull.head_sha, ref)


def refresh(state: State, issue: Issue, pull: Pull) -> None:
    """Work out anew what merging would give; ``refs/pull/N/head`` and ``.../merge`` follow."""
    git, full_name, place = state.git, issue.repository, f"refs/pull/{issue.number}"
    _bring(state, issue, pull, f"{place}/head")
    add_commit(state, full_name, pull.head_sha, _subject(state, full_name, pull.head_sha))
    author = writing.Author(issue.login, state.now())
    text = f"Merge {pull.head_sha} into {pull.base_sha}"
    pull.merge_sha = writing.merge(git, full_name, pull.base_sha, pull.head_sha, text, author)
    pull.mergeable = pull.merge_sha is not None
    if pull.merge_sha is not None:
        writing.move(git, full_name, f"{place}/merge", pull.merge_sha)
    start = reading.merge_base(git, full_name, pull.base_sha, pull.head_sha)
    changed = reading.changes(git, full_name, start, pull.head_sha, patches=False)
    pull.commits = reading.count(git, full_name, pull.base_sha, pull.head_sha)[0]
    pull.additions, pull.deletions = sum(each.additions for each in changed), sum(each.deletions for each in changed)
    pull.changed_files = len(changed)


def _subject(state: State, full_name: str, sha: str) -> str:
    return reading.commits(state.git, full_name, sha, most=1)[0].message


def set_state(state: State, issue: Issue, wanted: str, login: str) -> None:
    """Close or reopen an issue or a pull request; what has that state already is left alone.

    Raises:
        Refused: 422 for a merged pull request or one whose branch is gone; neither can be reopened.
    """
    if issue.state == wanted:
        return
    if issue.pull is not None and issue.pull.merged:
        raise invalid("Validation Failed: state cannot be changed. The pull request is merged.")
    if issue.pull is not None and issue.pull.base_sha and wanted == "open":
        _catch_up(state, issue, issue.pull)
    issue.state, issue.updated_at = wanted, state.now()
    issue.closed_at = state.now() if wanted == "closed" else None
    action = "closed" if wanted == "closed" else "reopened"
    if issue.pull is None:
        events.issue(state, issue, action, login)
    else:
        events.pull_request(state, issue, issue.pull, action, login)


def _catch_up(state: State, issue: Issue, pull: Pull) -> None:
    head = reading.resolve(state.git, pull.head_repository, BRANCH + pull.head_ref)
    base = reading.resolve(state.git, issue.repository, BRANCH + pull.base_ref)
    if head is None or base is None:
        gone = pull.head_ref if head is None else pull.base_ref
        raise invalid(f"Validation Failed: state cannot be changed. The {gone} branch has been deleted.")
    pull.head_sha, pull.base_sha = head, base
    refresh(state, issue, pull)


def merge_request(
    state: State, issue: Issue, pull: Pull, login: str, *, method: str = "merge", message: str = "", sha: str = ""
) -> str:
    """Merge a pull request and give the SHA that the base branch has then.

    Raises:
        Refused: 405 where it cannot be merged, 409 where a branch moved meanwhile.
    """
    if issue.state != "open" or not pull.mergeable or not pull.base_sha:
        raise Refused(Reason.NOT_ALLOWED, "Pull Request is not mergeable")
    if sha and sha != pull.head_sha:
        raise Refused(Reason.CONFLICT, "Head branch was modified. Review and try the merge again.")
    text = (
        message or f"Merge pull request #{issue.number} from {pull.head_repository.partition('/')[0]}/{pull.head_ref}"
    )
    author = writing.Author(add_account(state, login).login, state.now())
    made = writing.merge(state.git, issue.repository, pull.base_sha, pull.head_sha, f"{text}\n\n{issue.title}", author)
    if made is None:
        raise Refused(Reason.NOT_ALLOWED, "Pull Request is not mergeable")
    if method != "merge":
        text = message or f"{issue.title} (#{issue.number})"
        made = writing.squash(state.git, issue.repository, pull.base_sha, made, text, author)
    try:
        writing.move(state.git, issue.repository, BRANCH + pull.base_ref, made, pull.base_sha)
    except GitFailed as error:
        raise Refused(Reason.CONFLICT, "Base branch was modified. Review and try the merge again.") from error
    note_merged(state, issue, pull, made, login)
    return made


def note_merged(state: State, issue: Issue, pull: Pull, made: str, login: str) -> None:
    """Write down that a pull request is merged, by hand or with the button."""
    pull.merged, pull.merge_sha, pull.merged_by = True, made, add_account(state, login).login
    issue.state, issue.closed_at = "closed", state.now()
    issue.updated_at = state.now()
    events.pull_request(state, issue, pull, "closed", login)
