"""One call and its answer, and the table of routes."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from runnerkit.sandbox.github.access import Needs
from runnerkit.sandbox.github.hooks.sender import Sender
from runnerkit.sandbox.github.limits import Limits
from runnerkit.sandbox.github.records import App, Repository
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.tokens import Token, Tokens

DOCUMENTATION = "https://docs.github.com/rest"
DEFAULT_PAGE = 30
LARGEST_PAGE = 100


@dataclass(frozen=True, slots=True)
class Links:
    """Where the service is, as the caller sees it: ``api`` carries the caller's prefix, ``web`` does not."""

    api: str
    web: str


@dataclass(slots=True)
class Answer:
    """What goes back; a body of None is an empty one, ``data`` stands for what is not JSON."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    data: bytes | None = None
    content_type: str = ""

    @property
    def content(self) -> bytes:
        """What is sent."""
        if self.data is not None:
            return self.data
        return b"" if self.body is None else json.dumps(self.body, separators=(",", ":")).encode()


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer as GitHub does to what it does not do."""
    body = {"message": message, "documentation_url": DOCUMENTATION, "status": str(status)}
    return Answer(status, body, dict(headers or {}))


@dataclass(slots=True)
class Exchange:
    """What a handler works with; it runs while the world is held open."""

    state: State
    tokens: Tokens
    limits: Limits
    links: Links
    url: str
    path: Mapping[str, Any]
    query: Mapping[str, str]
    body: Any
    token: Token | None = None
    app: App | None = None
    accept: str = ""
    version: str = "2022-11-28"
    sender: Sender | None = None

    @property
    def repository(self) -> Repository:
        """The repository in the path."""
        return self.state.repository(f"{self.path['owner']}/{self.path['repo']}")

    @property
    def full_name(self) -> str:
        """The repository's name in its own spelling."""
        return self.repository.full_name

    @property
    def level(self) -> str:
        """Where runners are registered: ``repos/owner/name`` or ``orgs/name``."""
        if "org" in self.path:
            return f"orgs/{self.state.organization(self.path['org']).login}"
        return f"repos/{self.full_name}"

    @property
    def login(self) -> str:
        """Who writes."""
        return self.token.login if self.token else "ghost"

    def page(self, items: Iterable[Any], view: Callable[[Any], Any], key: str | None = None) -> Answer:
        """Answer one page of a list, with links to the others; ``key`` names the list inside an object."""
        everything = list(items)
        size = min(max(int(self.query.get("per_page", DEFAULT_PAGE)), 1), LARGEST_PAGE)
        number = max(int(self.query.get("page", 1)), 1)
        last = max(1, -(-len(everything) // size))
        shown = [view(each) for each in everything[(number - 1) * size : number * size]]
        body = shown if key is None else {"total_count": len(everything), key: shown}
        link = self._link(number, last)
        return Answer(200, body, {"Link": link} if link else {})

    def _link(self, number: int, last: int) -> str:
        wanted = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
        if number >= last:
            wanted = {"prev": min(number - 1, last), "first": 1} if number > 1 else {}
        elif number == 1:
            wanted = {"next": 2, "last": last}
        return ", ".join(f'<{self._page_url(page)}>; rel="{name}"' for name, page in wanted.items())

    def _page_url(self, page: int) -> str:
        return f"{self.url}?{urlencode({**self.query, 'page': page})}"


@dataclass(frozen=True, slots=True)
class Route:
    """A described operation and who answers it; ``budgets`` are the rate limits it is charged to."""

    method: str
    path: str
    needs: Needs
    handler: Callable[[Exchange], Answer]
    budgets: tuple[str, ...]


ROUTES: dict[tuple[str, str], Route] = {}


def route(
    method: str, *paths: str, needs: Needs | None = None, budgets: tuple[str, ...] = ("core",)
) -> Callable[[Callable[[Exchange], Answer]], Callable[[Exchange], Answer]]:
    """Say which operations a handler answers."""

    def register(handler: Callable[[Exchange], Answer]) -> Callable[[Exchange], Answer]:
        for path in paths:
            ROUTES[method, path] = Route(method, path, needs or Needs(), handler, budgets)
        return handler

    return register


def permission(
    name: str, level: str, *others: str, scope: str = "repo", app: bool = False, people: bool = False
) -> Needs:
    """Write down a permission (or one of ``others`` at the same level) a route needs."""
    return Needs(tuple((each, level) for each in (name, *others)), scope, app=app, people=people)
