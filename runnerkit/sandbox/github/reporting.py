"""Comments, commit statuses and check runs: what may be written and how long it may be."""

from typing import Any

from runnerkit.sandbox.github.records import Check, Comment, Status
from runnerkit.sandbox.github.refusals import Reason, Refused, forbidden, invalid, missing
from runnerkit.sandbox.github.state import State

LONGEST_COMMENT = 65_536
LONGEST_OUTPUT = 65_535
LONGEST_DESCRIPTION = 140
MOST_STATUSES = 1000


def comment_on(state: State, repository: str, number: int, body: str, login: str, app_id: int | None) -> Comment:
    """Write a comment on an issue or pull request.

    Raises:
        Refused: 404 without such an issue, 403 when it is locked, 422 for an empty or too long body.
    """
    issue = state.issue(repository, number)
    if issue.locked:
        raise forbidden("Unable to create comment because issue is locked.")
    _check_body(body)
    now = state.now()
    comment = Comment(state.next_id("comment"), repository, number, body, login, now, now, app_id)
    state.comments[comment.id] = comment
    issue.updated_at = now
    return comment


def _check_body(body: str) -> None:
    if not body.strip():
        raise invalid("Validation Failed: body cannot be blank")
    if len(body) > LONGEST_COMMENT:
        raise invalid(f"Validation Failed: body is too long (maximum is {LONGEST_COMMENT} characters)")


def find_comment(state: State, repository: str, comment_id: int) -> Comment:
    """Find a comment of a repository."""
    found = state.comments.get(comment_id)
    if found is None or found.repository != repository:
        raise missing()
    return found


def edit_comment(state: State, repository: str, comment_id: int, body: str) -> Comment:
    """Replace a comment's text."""
    comment = find_comment(state, repository, comment_id)
    _check_body(body)
    comment.body, comment.updated_at = body, state.now()
    return comment


def set_status(state: State, repository: str, sha: str, said: dict[str, Any], login: str) -> Status:
    """Add a commit status.

    Raises:
        Refused: 422 for an unknown commit, a long description, or the 1001st status of a context.
    """
    _check_commit(state, repository, sha)
    description, context = said.get("description"), said.get("context", "default")
    if description is not None and len(description) > LONGEST_DESCRIPTION:
        raise invalid(f"Validation Failed: description is too long (maximum is {LONGEST_DESCRIPTION} characters)")
    same = [each for each in statuses_of(state, repository, sha) if each.context.lower() == context.lower()]
    if len(same) >= MOST_STATUSES:
        raise invalid("This SHA and context has reached the maximum number of statuses.")
    status = Status(
        state.next_id("status"),
        repository,
        sha,
        said["state"],
        context,
        description,
        said.get("target_url") or None,
        login,
        state.now(),
    )
    state.statuses.append(status)
    return status


def statuses_of(state: State, repository: str, sha: str) -> list[Status]:
    """List a commit's statuses, newest first."""
    return [each for each in reversed(state.statuses) if each.repository == repository and each.sha == sha]


def _check_commit(state: State, repository: str, sha: str) -> None:
    if (repository, sha) not in state.commits:
        raise invalid(f"No commit found for SHA: {sha}")


def create_check(state: State, repository: str, said: dict[str, Any], app_id: int) -> Check:
    """Create a check run for an App."""
    _check_commit(state, repository, said["head_sha"])
    now = state.now()
    # A job's id is also the id of its check run, so both are drawn from one sequence.
    check = Check(state.next_id("job"), repository, said["head_sha"], said["name"], app_id, now)
    _apply(state, check, said)
    state.checks[check.id] = check
    return check


def find_check(state: State, repository: str, check_id: int) -> Check:
    """Find a check run that an App made."""
    found = state.checks.get(check_id)
    if found is None or found.repository != repository:
        raise missing()
    return found


def edit_check(state: State, repository: str, check_id: int, said: dict[str, Any], app_id: int) -> Check:
    """Change a check run; only the App that made it may."""
    check = find_check(state, repository, check_id)
    if check.app_id != app_id:
        raise Refused(
            Reason.FORBIDDEN,
            f"Invalid app_id `{app_id}` - check run can only be modified by the GitHub App that created it.",
        )
    _apply(state, check, said)
    return check


def _apply(state: State, check: Check, said: dict[str, Any]) -> None:
    output = said.get("output") or {}
    for part in ("summary", "text"):
        if len(output.get(part) or "") > LONGEST_OUTPUT:
            raise invalid(f"Invalid request.\n\nOnly {LONGEST_OUTPUT} characters are allowed; {part} has more.")
    check.name = said.get("name", check.name)
    check.details_url = said.get("details_url", check.details_url)
    check.external_id = said.get("external_id", check.external_id)
    check.title = output.get("title", check.title)
    check.summary = output.get("summary", check.summary)
    check.text = output.get("text", check.text)
    check.annotations.extend(output.get("annotations", []))
    check.conclusion = said.get("conclusion", check.conclusion)
    check.status = "completed" if said.get("conclusion") else said.get("status", check.status)
    if check.status == "completed" and check.completed_at is None:
        check.completed_at = state.now()
