"""Pull requests, and what is reported on commits; all but the pages are called while the state is open."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from runnerkit.sandbox.github.jobs import jobs_of
from runnerkit.sandbox.github.records import Check, Comment, Issue, Pull, Run, Status
from runnerkit.sandbox.github.refusals import missing
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.web.looks import Look, look, status_look, together
from runnerkit.sandbox.github.web.views.rows import Head, head, job_row, run_look


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One line among the checks: a status, an App's check run or a job."""

    source: str
    name: str
    look: Look
    text: str
    url: str | None
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Checks:
    """All that was reported on a commit; ``kind`` speaks for all of it."""

    rows: tuple[CheckRow, ...]
    kind: str

    def count(self, kind: str) -> int:
        """Count those of a kind."""
        return sum(1 for row in self.rows if row.look.kind == kind)


@dataclass(frozen=True, slots=True)
class PullRow:
    """A pull request in a list; its state is open, merged or closed."""

    url: str
    number: int
    title: str
    login: str
    state: str
    head: str
    base: str
    comments: int
    created_at: datetime
    kind: str


@dataclass(frozen=True, slots=True)
class Said:
    """The opening text or a comment; badges say who speaks."""

    anchor: str
    login: str
    body: str
    at: datetime
    edited_at: datetime | None
    badges: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """How much a pull request changes, and whether Git can merge it."""

    commits: int
    files: int
    additions: int
    deletions: int
    mergeable: bool


@dataclass(frozen=True, slots=True)
class PullView:
    """A pull request's page, or an issue's (then without ``checks``)."""

    head: Head
    row: PullRow
    sha: str
    fork: str | None
    said: tuple[Said, ...]
    checks: Checks | None
    locked: bool
    size: Size | None
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckView:
    """An App's check run."""

    head: Head
    row: CheckRow
    sha: str
    app: str
    title: str
    summary: str
    text: str
    notes: tuple[tuple[str, str, str], ...]


def pull_view(state: State, owner: str, repo: str, number: int) -> PullView:
    """Copy a pull request or an issue with what was said and reported."""
    with state.open(reading=True):
        repository = state.repository(f"{owner}/{repo}")
        name = repository.full_name
        issue = state.issue(name, number)
        pull = issue.pull
        comments = [each for each in state.comments.values() if (each.repository, each.number) == (name, number)]
        opening = Said(
            "opening",
            issue.login,
            issue.body or (pull.body if pull else ""),
            issue.created_at,
            None,
            _badges(state, issue, None),
        )
        said = [opening, *(_said(state, issue, each) for each in sorted(comments, key=lambda each: each.id))]
        return PullView(
            head(state, repository),
            pull_row(state, issue),
            pull.head_sha if pull else "",
            pull.head_repository if pull and pull.head_repository != name else None,
            tuple(said),
            checks_of(state, name, pull.head_sha) if pull else None,
            issue.locked,
            _size(pull) if pull else None,
            tuple(dict.fromkeys(each.login for each in said)),
        )


def _size(pull: Pull) -> Size:
    return Size(pull.commits, pull.changed_files, pull.additions, pull.deletions, pull.mergeable)


def _said(state: State, issue: Issue, found: Comment) -> Said:
    edited = found.updated_at if found.updated_at != found.created_at else None
    badges = _badges(state, issue, found)
    return Said(f"issuecomment-{found.id}", found.login, found.body, found.created_at, edited, badges)


def _badges(state: State, issue: Issue, found: Comment | None) -> tuple[str, ...]:
    login = found.login if found else issue.login
    badges = []
    if found and (found.app_id is not None or login.endswith("[bot]")):
        app = state.apps.get(found.app_id or 0)
        badges.append(f"bot · {app.slug}" if app and f"{app.slug}[bot]" != login else "bot")
    if login.lower() == state.repository(issue.repository).owner.lower():
        badges.append("owner")
    if found and login == issue.login:
        badges.append("author")
    return tuple(badges)


def pull_row(state: State, issue: Issue) -> PullRow:
    """Copy a pull request, or an issue, as a line of a list."""
    pull = issue.pull or Pull("", "", "", "")
    where = (issue.repository, issue.number)
    comments = sum(1 for each in state.comments.values() if (each.repository, each.number) == where)
    kind = checks_of(state, issue.repository, pull.head_sha).kind if issue.pull else "neutral"
    fork = pull.head_repository.partition("/")[0] if pull.head_repository != issue.repository else ""
    return PullRow(
        f"/{quote(issue.repository)}/{'pull' if issue.pull else 'issues'}/{issue.number}",
        issue.number,
        issue.title,
        issue.login,
        "merged" if pull.merged else issue.state,
        f"{fork}:{pull.head_ref}" if fork else pull.head_ref,
        pull.base_ref,
        comments,
        issue.created_at,
        kind,
    )


def checks_of(state: State, name: str, sha: str) -> Checks:
    """Copy all that was reported on a commit, the newest status of each context and run of each workflow."""
    statuses = {each.context: each for each in state.statuses if (each.repository, each.sha) == (name, sha)}
    checks = [each for each in state.checks.values() if (each.repository, each.sha) == (name, sha)]
    runs = {
        (each.path or each.workflow, each.event): each
        for each in state.live.runs.values()
        if (each.repository, each.head_sha) == (name, sha)
    }
    rows = [row for run in runs.values() for row in _run_rows(state, run)]
    rows += [_check_row(state, each) for each in checks]
    rows += [_status_row(each) for each in statuses.values()]
    return Checks(tuple(rows), together([row.look for row in rows]))


def _run_rows(state: State, run: Run) -> list[CheckRow]:
    home = f"/{quote(run.repository)}/actions/runs/{run.id}"
    found = jobs_of(state.live.jobs, run.latest)
    if not found:
        word = "The workflow is not valid" if run.problem else "No job yet"
        return [CheckRow(f"{run.workflow} ({run.event})", run.workflow, run_look(state, run), word, home)]
    rows = [job_row(state, job, run) for job in found]
    return [
        CheckRow(
            f"{run.workflow} ({run.event})",
            f"{run.workflow} / {row.name}",
            row.look,
            row.wait.text if row.wait else row.look.word,
            row.url,
            row.started_at,
            row.ended_at,
        )
        for row in rows
    ]


def _check_row(state: State, found: Check) -> CheckRow:
    app = state.apps.get(found.app_id)
    seen = look(found.status, found.conclusion)
    url = f"/{quote(found.repository)}/runs/{found.id}"
    source = f"check by {app.slug}" if app else "check"
    return CheckRow(source, found.name, seen, found.title or seen.word, url, found.started_at, found.completed_at)


def _status_row(found: Status) -> CheckRow:
    seen = status_look(found.state)
    url = found.target_url if (found.target_url or "").startswith(("https://", "http://", "/")) else None
    return CheckRow(f"status by {found.login}", found.context, seen, found.description or seen.word, url)


def check_view(state: State, owner: str, repo: str, check_id: int) -> CheckView:
    """Copy an App's check run."""
    with state.open(reading=True):
        repository = state.repository(f"{owner}/{repo}")
        found = state.checks.get(check_id)
        if found is None or found.repository != repository.full_name:
            raise missing()
        app = state.apps.get(found.app_id)
        return CheckView(
            head(state, repository),
            _check_row(state, found),
            found.sha,
            app.slug if app else "",
            found.title or "",
            found.summary or "",
            found.text or "",
            tuple(_annotation(each) for each in found.annotations),
        )


def _annotation(told: dict[str, object]) -> tuple[str, str, str]:
    level = {"failure": "error", "notice": "notice"}.get(str(told.get("annotation_level")), "warning")
    return level, f"{told.get('path', '')}:{told.get('start_line', '')}", str(told.get("message", ""))
