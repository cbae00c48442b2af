"""A filled local GitHub with its pages, and a browser to look at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request

from runnerkit.sandbox.github import GitHubWorld, WorldClock
from runnerkit.sandbox.github.web import Pages
from tests.sandbox.web import browser as chromium
from tests.sandbox.web.story import DAWN, Teller, Told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from werkzeug.test import TestResponse

ORIGIN = "http://127.0.0.1:8080"


@dataclass
class Site:
    """A world's pages, asked without a network."""

    world: GitHubWorld
    pages: Pages

    def _app(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        return self.pages(Request(environ))(environ, start)

    def get(self, path: str) -> TestResponse:
        """Ask for a page."""
        return Client(self._app).get(path, base_url=ORIGIN)

    def text(self, path: str, status: int = 200) -> str:
        """Ask for a page and give its HTML."""
        answer = self.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    def press(
        self, button: str, form: Mapping[str, object], *, origin: str | None = ORIGIN, base: str = ORIGIN
    ) -> TestResponse:
        """Send a form."""
        headers = {} if origin is None else {"Origin": origin}
        return Client(self._app).post(f"/_web/{button}", base_url=base, data=form, headers=headers)


@dataclass
class Day(Site):
    """A day's story and its pages."""

    told: Told
    clock: WorldClock


@pytest.fixture(scope="session")
def day() -> Iterator[Day]:
    """A filled world, only to be looked at."""
    clock = WorldClock(DAWN)
    with GitHubWorld(clock) as world:
        yield Day(world, Pages(world.state), Teller(world, clock).tell(), clock)


@pytest.fixture
def site(world: GitHubWorld) -> Site:
    """An almost empty world, to be changed."""
    world.service.pages = Pages(world.state)
    return Site(world, world.service.pages)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    """One browser for all tests."""
    chromium.require()
    with chromium.started(tmp_path_factory.mktemp("chromium")) as started:
        yield started
