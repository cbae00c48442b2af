"""Accounts, repositories, groups, commits and issues: how they come into the world."""

import hashlib

from runnerkit.sandbox.github.records import Account, Group, Issue, Pull, Repository
from runnerkit.sandbox.github.state import DEFAULT_GROUP, State


def add_account(state: State, login: str, kind: str = "User") -> Account:
    """Create an account; an organisation begins with its default runner group, ``...[bot]`` is an App's.

    Raises:
        ValueError: the login belongs to an account of another kind.
    """
    kind = "Bot" if login.endswith("[bot]") else kind
    known = state.accounts.get(login.lower())
    if known is not None:
        if known.kind != kind:
            raise ValueError(
                f"{login} is a {known.kind.lower()} already; add the {kind.lower()} before its repositories"
            )
        return known
    account = Account(state.next_id("account"), login, kind, state.now())
    state.accounts[login.lower()] = account
    if kind == "Organization":
        state.groups[login.lower()] = {DEFAULT_GROUP: Group(DEFAULT_GROUP, login, "Default")}
    return account


def add_repository(state: State, full_name: str, *, private: bool = True, parent: str | None = None) -> Repository:
    """Create a repository and, where its owner is unknown, a user who owns it.

    Raises:
        ValueError: the name is not ``owner/name`` or is taken.
    """
    owner, slash, name = full_name.partition("/")
    if not (owner and slash and name) or "/" in name:
        raise ValueError(f"{full_name!r} is no repository; write owner/name, such as acme/train")
    if full_name.lower() in state.repositories:
        raise ValueError(f"{full_name} exists already")
    owner = state.accounts[owner.lower()].login if owner.lower() in state.accounts else add_account(state, owner).login
    repository = Repository(
        state.next_id("repository"),
        owner,
        name,
        private,
        state.now(),
        parent=parent and state.repository(parent).full_name,
    )
    state.repositories[full_name.lower()] = repository
    return repository


def add_group(
    state: State,
    org: str,
    name: str,
    *,
    visibility: str = "all",
    allows_public: bool = False,
    repositories: tuple[str, ...] = (),
) -> Group:
    """Create a runner group; ``repositories`` are those of a ``selected`` one."""
    owner = state.organization(org).login
    chosen = {state.repository(each).full_name for each in repositories}
    group = Group(DEFAULT_GROUP + state.next_id("group"), owner, name, visibility, allows_public, chosen)
    state.groups[owner.lower()][group.id] = group
    return group


def admits(group: Group, repository: Repository) -> bool:
    """Tell whether the group's runners take jobs of the repository."""
    if not repository.private and not group.allows_public:
        return False
    if group.visibility == "selected":
        return repository.full_name in group.repositories
    return repository.private or group.visibility == "all"


def add_commit(state: State, repository: str, sha: str | None = None, message: str = "") -> str:
    """Make a commit known to the repository and give its SHA (made up when none is given)."""
    full_name = state.repository(repository).full_name
    sha = sha or hashlib.sha1(f"{full_name} {state.next_id('commit')}".encode(), usedforsecurity=False).hexdigest()
    state.commits.setdefault((full_name, sha), message or f"Change {sha[:7]}")
    return sha


def add_issue(
    state: State, repository: str, title: str, login: str, pull: Pull | None = None, *, body: str = ""
) -> Issue:
    """Open an issue or a pull request under the repository's next number."""
    full_name = state.repository(repository).full_name
    now = state.now()
    number = state.next_id(f"number of {full_name}")
    author = add_account(state, login).login
    issue = Issue(state.next_id("issue"), full_name, number, title, author, now, now, pull=pull, body=body)
    state.issues[full_name, number] = issue
    return issue
