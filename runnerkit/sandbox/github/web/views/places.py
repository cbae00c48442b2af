"""Where one looks around: all repositories, one of them, one of its commits."""

from dataclasses import dataclass

from runnerkit.sandbox.github.refusals import missing
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.web.views.changes import Checks, PullRow, checks_of, pull_row
from runnerkit.sandbox.github.web.views.rows import Head, RunRow, head, run_row

SHOWN = 8


@dataclass(frozen=True, slots=True)
class Place:
    """A repository in the list of all, with its newest run."""

    head: Head
    newest: RunRow | None
    runners: int


@dataclass(frozen=True, slots=True)
class Home:
    """All repositories, or those of ``owner``."""

    places: tuple[Place, ...]
    runs: tuple[RunRow, ...]
    owner: str | None = None
    organization: bool = False
    head: None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch and the commit it points to."""

    name: str
    sha: str


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as far as GitHub's side knows it."""

    sha: str
    message: str

    @property
    def subject(self) -> str:
        """The message's first line."""
        return self.message.partition("\n")[0]


@dataclass(frozen=True, slots=True)
class Overview:
    """A repository's own page."""

    head: Head
    branches: tuple[Branch, ...]
    commits: tuple[Commit, ...]
    pulls: tuple[PullRow, ...]
    runs: tuple[RunRow, ...]
    clone_path: str


@dataclass(frozen=True, slots=True)
class CommitView:
    """A commit's page: what was reported on it."""

    head: Head
    commit: Commit
    checks: Checks


@dataclass(frozen=True, slots=True)
class PullList:
    """A repository's pull requests (or issues), newest first."""

    head: Head
    pulls: tuple[PullRow, ...]
    show: str
    open: int
    closed: int


def home(state: State, owner: str | None = None) -> Home:
    """Copy the list of repositories."""
    with state.open(reading=True):
        account = state.account(owner) if owner else None
        found = [each for each in state.repositories.values() if account is None or each.owner == account.login]
        places = tuple(_place(state, each.full_name) for each in found)
        names = {each.full_name for each in found}
        runs = [each for each in reversed(state.live.runs.values()) if each.repository in names]
        newest = tuple(run_row(state, each) for each in runs[:SHOWN])
        login, kind = (account.login, account.kind) if account else (None, "")
        return Home(places, newest, login, kind == "Organization")


def _place(state: State, full_name: str) -> Place:
    repository = state.repository(full_name)
    newest = next((each for each in reversed(state.live.runs.values()) if each.repository == full_name), None)
    levels = {f"repos/{full_name}", f"orgs/{repository.owner}"}
    runners = sum(1 for each in state.live.runners.values() if each.level in levels)
    return Place(head(state, repository), run_row(state, newest) if newest else None, runners)


def overview(state: State, owner: str, repo: str) -> Overview:
    """Copy a repository's newest commits, pull requests and runs."""
    with state.open(reading=True):
        repository = state.repository(f"{owner}/{repo}")
        name = repository.full_name
        known = [Commit(sha, message) for (where, sha), message in reversed(state.commits.items()) if where == name]
        pulls = [each for each in reversed(state.issues.values()) if each.repository == name and each.pull]
        runs = [each for each in reversed(state.live.runs.values()) if each.repository == name]
        return Overview(
            head(state, repository),
            _branches(state, name),
            tuple(known[:SHOWN]),
            tuple(pull_row(state, each) for each in pulls if each.state == "open")[:SHOWN],
            tuple(run_row(state, each) for each in runs[:SHOWN]),
            f"/{name}.git",
        )


def _branches(state: State, full_name: str) -> tuple[Branch, ...]:
    refs = state.git.seen.get(full_name, {})
    start = "refs/heads/"
    return tuple(Branch(ref.removeprefix(start), sha) for ref, sha in refs.items() if ref.startswith(start))


def commit(state: State, owner: str, repo: str, sha: str) -> CommitView:
    """Copy what was reported on a commit, which may be abbreviated."""
    with state.open(reading=True):
        repository = state.repository(f"{owner}/{repo}")
        name = repository.full_name
        found = [each for where, each in state.commits if where == name and each.startswith(sha)]
        if not found:
            raise missing()
        seen = Commit(found[0], state.commits[name, found[0]])
        return CommitView(head(state, repository), seen, checks_of(state, name, found[0]))


def pulls(state: State, owner: str, repo: str, show: str = "open") -> PullList:
    """Copy the list of open or closed pull requests."""
    with state.open(reading=True):
        repository = state.repository(f"{owner}/{repo}")
        found = [each for each in state.issues.values() if each.repository == repository.full_name and each.pull]
        wanted = [each for each in reversed(found) if (each.state == "open") == (show == "open")]
        opened = sum(1 for each in found if each.state == "open")
        rows = tuple(pull_row(state, each) for each in wanted)
        return PullList(head(state, repository), rows, show, opened, len(found) - opened)
