"""What strangers wrote cannot act on who reads the status page, and the page asks nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.web.page_looks import HOSTILE, Sheet, rows, shown, spoilt
from tests.web.page_server import FOLDER, serving

if TYPE_CHECKING:
    from tests.sandbox.web.browser import Browser

pytestmark = [pytest.mark.slow]


def test_hostile_names(document: dict[str, Any], browser: Browser) -> None:
    """Markup, scripts, right-to-left marks and dangerous addresses are text on the page and do nothing."""
    with serving(Sheet.of(spoilt(document))) as address:
        shown(browser, address).run("document.querySelectorAll('.name').forEach((each) => each.click())")
        text = browser.text("main")
        for words in HOSTILE[:2]:
            assert words in text
        assert 0 == rows(browser, "main img, main script")
        assert "owned" not in browser.run("return document.title")
        addresses = browser.run("return [...document.querySelectorAll('a')].map((each) => each.protocol)")
        assert {"http:"} >= set(addresses) - {"https:"}
        assert browser.run(
            "return [...document.querySelectorAll('.labels code')].every((each) => each.querySelector('bdi'))"
        )


def test_without_scripts() -> None:
    """Without scripts the page names the document that has the same facts."""
    html = (FOLDER / "index.html").read_text()
    assert "status.json" in html.partition("<noscript>")[2].partition("</noscript>")[0]


def test_nothing_from_elsewhere() -> None:
    """No file of the page names another server, writes HTML, or carries styles and handlers within its markup."""
    for file in FOLDER.iterdir():
        text = file.read_text()
        if file.suffix in {".js", ".html"}:
            for word in (
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                " style=",
                " onclick=",
            ):
                assert word not in text, f"{file.name} has {word}"
        outside = text.replace("http://www.w3.org/2000/svg", "")
        assert "//" not in outside.replace("// ", "").replace("https?:\\/\\/", ""), f"{file.name} names another server"
