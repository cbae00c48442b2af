"""The local GitHub as Python holds it: make a world, make it unpleasant, see what was asked of it."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import partial
from types import TracebackType
from typing import Self

from runnerkit.sandbox.direct import past_proxies
from runnerkit.sandbox.github import aging, people
from runnerkit.sandbox.github.clock import Clock, WorldClock
from runnerkit.sandbox.github.engine.credentials import add_app, bot_app
from runnerkit.sandbox.github.engine.starting import happened
from runnerkit.sandbox.github.engine.stories import WorkflowStories
from runnerkit.sandbox.github.faults import Faults
from runnerkit.sandbox.github.git import reading
from runnerkit.sandbox.github.git.stories import GitStories
from runnerkit.sandbox.github.hooks.stories import HookStories
from runnerkit.sandbox.github.limits import Limits
from runnerkit.sandbox.github.records import Account, App, Group, Installation, Issue, Pull, Repository
from runnerkit.sandbox.github.scripting import Scripting
from runnerkit.sandbox.github.server import Server
from runnerkit.sandbox.github.service import Call, Service
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.stories import Stories
from runnerkit.sandbox.github.tokens import GENEROUS, SCOPES, Tokens, default_permissions
from runnerkit.sandbox.github.web import Pages


class GitHubWorld(Stories, GitStories, WorkflowStories, HookStories, Scripting):
    """A GitHub of one's own, served on 127.0.0.1 while the context is open.

    Every request and every answer is checked against GitHub's OpenAPI description: `refused_requests` lists what
    callers did wrong (they got a 422), `violations` what this service did wrong, which must be nothing.

    Example::

        with GitHubWorld() as world:
            world.add_repository("acme/train")
            token = world.add_token("fine-grained")
            job = world.queue_job("acme/train", ["gpu"])
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or WorldClock()
        self.state = State(self.clock, aging.settle)
        self.options = self.state.options
        self.tokens = Tokens()
        self.limits = Limits(self.clock)
        self.faults = Faults()
        self.service = Service(self.state, self.tokens, self.limits, self.faults)
        self._server = Server(self.service)
        # Comments may show the images of repositories here, as they may at GitHub.
        self.service.pages = Pages(self.state, image_origins=(self._server.url,))
        self.state.workflow_files = partial(reading.workflow_files, self.state.git)
        self.state.ref_sha = partial(reading.resolve, self.state.git)
        self.state.triggers.append(partial(happened, self.state))
        self.state.web = self._server.url

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Begin to serve."""
        self._server.start()

    def close(self) -> None:
        """Release what is held, end long polls and stop serving."""
        self.faults.clear()
        self.service.close()
        self._server.close()
        self.state.git.close()

    @property
    def url(self) -> str:
        """The API's address; ``url + "/api/v3"`` is the same in the style of GitHub Enterprise Server."""
        return self._server.url

    def environment(self, repository: str | None = None, token: str | None = None) -> dict[str, str]:
        """Give the variables with which GitHub's runner points a step to it; where a proxy is set, the way past it."""
        variables = {
            "GITHUB_API_URL": self.url,
            "GITHUB_SERVER_URL": self.url,
            "GITHUB_GRAPHQL_URL": f"{self.url}/graphql",
            **past_proxies(),
        }
        if repository is not None:
            variables |= {"GITHUB_REPOSITORY": repository, "GITHUB_REPOSITORY_OWNER": repository.partition("/")[0]}
        return variables | ({"GITHUB_TOKEN": token} if token else {})

    @property
    def calls(self) -> list[Call]:
        """What was asked of the API, in order of the answers."""
        return list(self.service.calls)

    def count(self, method: str = "*", path: str = "*", status: int | None = None) -> int:
        """Count the calls whose path matches a file-name pattern."""
        return sum(
            1
            for call in self.calls
            if method in {"*", call.method} and fnmatchcase(call.path, path) and status in {None, call.status}
        )

    @property
    def violations(self) -> list[str]:
        """What this service answered against GitHub's description."""
        return list(self.service.violations)

    @property
    def refused_requests(self) -> list[str]:
        """What callers asked against GitHub's description."""
        return list(self.service.refused_requests)

    def add_user(self, login: str) -> Account:
        """Add a user; one who is known already stays."""
        with self.state.open():
            return people.add_account(self.state, login)

    def add_organization(self, login: str) -> Account:
        """Add an organisation with its default runner group."""
        with self.state.open():
            return people.add_account(self.state, login, "Organization")

    def add_repository(self, full_name: str, *, private: bool = True, parent: str | None = None) -> Repository:
        """Add a repository with one commit; ``parent`` makes it a fork."""
        with self.state.open():
            repository = people.add_repository(self.state, full_name, private=private, parent=parent)
            people.add_commit(self.state, full_name)
            return repository

    def add_group(
        self,
        org: str,
        name: str,
        *,
        visibility: str = "all",
        allows_public: bool = False,
        repositories: Iterable[str] = (),
    ) -> Group:
        """Add a runner group to an organisation."""
        with self.state.open():
            return people.add_group(
                self.state,
                org,
                name,
                visibility=visibility,
                allows_public=allows_public,
                repositories=tuple(repositories),
            )

    def add_commit(self, repository: str, sha: str | None = None, message: str = "") -> str:
        """Add a commit and give its SHA."""
        with self.state.open():
            return people.add_commit(self.state, repository, sha, message)

    def add_issue(self, repository: str, title: str = "Something is slow", login: str = "octocat") -> Issue:
        """Open an issue."""
        with self.state.open():
            return people.add_issue(self.state, repository, title, login)

    def add_pull_request(
        self,
        repository: str,
        *,
        title: str = "Train longer",
        login: str = "octocat",
        head_sha: str | None = None,
        head_ref: str = "longer",
        head_repository: str | None = None,
    ) -> Issue:
        """Open a pull request; ``head_repository`` is the fork it comes from."""
        with self.state.open():
            base = self.state.repository(repository)
            head = self.state.repository(head_repository or repository).full_name
            sha = people.add_commit(self.state, head, head_sha)
            people.add_commit(self.state, base.full_name, sha)
            pull = Pull(head, head_ref, sha, base.default_branch)
            return people.add_issue(self.state, base.full_name, title, login, pull)

    def add_token(
        self,
        kind: str,
        permissions: Mapping[str, str] | None = None,
        *,
        login: str = "octocat",
        scopes: Iterable[str] = SCOPES,
        repositories: Iterable[str] | None = None,
        lifetime: float | None = None,
    ) -> str:
        """Give out a token of kind classic, fine-grained, app-installation or actions (a ``GITHUB_TOKEN``).

        Without ``permissions`` it holds all that its kind can; ``lifetime`` is in seconds.

        Raises:
            ValueError: the kind is unknown or cannot hold the permissions.
        """
        held = default_permissions(kind, permissions)
        with self.state.open():
            app_id = bot_app(self.state).id if kind in {"app-installation", "actions"} else None
            login = people.add_account(self.state, "github-actions[bot]").login if kind == "actions" else login
            if login.lower() not in self.state.accounts:
                people.add_account(self.state, login)
            reached = None if repositories is None else frozenset(map(self._spelled, repositories))
        expires = None if lifetime is None else self.clock.now() + timedelta(seconds=lifetime)
        chosen = frozenset(scopes) if kind == "classic" else frozenset[str]()
        token = self.tokens.issue(
            kind, login, held, scopes=chosen, repositories=reached, expires_at=expires, app_id=app_id
        )
        return token.value

    def _spelled(self, full_name: str) -> str:
        return self.state.repository(full_name).full_name

    def add_app(self, slug: str, public_key: str | None = None, permissions: Mapping[str, str] = GENEROUS) -> App:
        """Register a GitHub App; its JWTs are verified when its public key (PEM) is given."""
        with self.state.open():
            return add_app(self.state, slug, public_key, permissions)

    def install_app(
        self,
        app: App,
        account: str,
        *,
        permissions: Mapping[str, str] | None = None,
        repositories: Iterable[str] | None = None,
    ) -> Installation:
        """Install an App on an account, on all repositories or on those named."""
        with self.state.open():
            login = self.state.account(account).login
            held = dict(app.permissions if permissions is None else permissions)
            chosen = None if repositories is None else frozenset(map(self._spelled, repositories))
            number = self.state.next_id("installation")
            installation = Installation(number, app.id, login, held, chosen, self.clock.now())
            self.state.installations[number] = installation
            return installation

    def revoke_token(self, token: str) -> None:
        """Make a token unknown, as a deleted one."""
        self.tokens.revoke(token)
