"""An afternoon of the status page, and a browser to look at it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.web import browser as chromium
from tests.web.page_story import Story, afternoon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox.web.browser import Browser


@pytest.fixture(scope="session")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests."""
    chromium.require()
    with chromium.started(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture
def browser(chrome: Browser) -> Iterator[Browser]:
    """Begin as a laptop by day; at the end the page must not have broken its own policy or failed."""
    chrome.look(1280, 800)
    chrome.open("about:blank").complaints()
    yield chrome
    complaints = chrome.complaints()
    chrome.open("about:blank")
    assert [] == complaints


@pytest.fixture(scope="module")
def story() -> Story:
    """An afternoon, only to be looked at."""
    return afternoon()


@pytest.fixture
def document(story: Story) -> dict[str, Any]:
    """Its document, to be changed."""
    return dict(json.loads(story.board.document()))
