"""The status page for everybody: by day and night, on a phone, by keyboard, by ear."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.page_looks import Sheet, rows, shown, spoilt
from tests.web.page_server import serving

if TYPE_CHECKING:
    from tests.sandbox.web.browser import Browser
    from tests.web.page_story import Story

pytestmark = [pytest.mark.slow]


WIDE = "return document.documentElement.scrollWidth - window.innerWidth"


def test_day_and_night(story: Story, browser: Browser) -> None:
    """The page follows the system; the reader's own choice wins, and is kept."""
    grey = "return getComputedStyle(document.body)[arguments[0]].match(/[\\d.]+/g).map(Number).reduce((a, b) => a + b)"
    with serving(story.board.document) as address:
        shown(browser, address)
        assert browser.run(grey, "color") < browser.run(grey, "backgroundColor")
        browser.look(1280, 800, dark=1)
        assert browser.run(grey, "color") > browser.run(grey, "backgroundColor")
        browser.click("#theme")
        assert browser.run(grey, "color") < browser.run(grey, "backgroundColor")
        shown(browser, address)
        assert browser.run(grey, "color") < browser.run(grey, "backgroundColor")
        browser.run("localStorage.clear()")


CONTRAST = """
const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const linear = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => [r, g, b].map((c) => linear(c / 255))
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (node) => { for (let each = node; each; each = each.parentElement) {
  const colour = parse(getComputedStyle(each).backgroundColor);
  if (colour.length === 3 || colour[3] > 0.99) return colour; }
  return [255, 255, 255]; };
const weak = [];
for (const node of document.querySelectorAll("body *")) {
  if (node.matches(".unseen, .unseen *, [hidden] *, noscript *, option")) continue;
  if (![...node.childNodes].some((each) => each.nodeType === 3 && each.data.trim())) continue;
  const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < 4.5) weak.push(`${node.className || node.tagName} ${node.textContent.slice(0, 30)} ${ratio.toFixed(2)}`);
}
return [...new Set(weak)];
"""


@pytest.mark.parametrize("dark", [0, 1])
def test_contrast(story: Story, browser: Browser, dark: int) -> None:
    """Every text stands out from its ground by 4.5 to 1 at least (WCAG 2.2, AA), by day and by night."""
    browser.look(1280, 800, dark=dark)
    with serving(story.board.document) as address:
        shown(browser, address).run("document.querySelector('.name').click()")
        assert [] == browser.run(CONTRAST)


@pytest.mark.parametrize("width", [320, 375, 600, 768, 980, 1280, 1920])
def test_it_fits(story: Story, document: dict[str, Any], browser: Browser, width: int) -> None:
    """No width needs sideways scrolling, with open details and with hostile names too."""
    browser.look(width, 800, phone=int(width < 500))
    with serving(story.board.document) as address:
        shown(browser, address).run("document.querySelectorAll('.name').forEach((each) => each.click())")
        assert browser.run(WIDE) <= 0
    with serving(Sheet.of(spoilt(document))) as address:
        shown(browser, address).run("document.querySelectorAll('.name').forEach((each) => each.click())")
        assert browser.run(WIDE) <= 0


def test_keyboard_and_landmarks(story: Story, browser: Browser) -> None:
    """Landmarks, headings in order, captions, names for controls; details open by key and the line is told in words."""
    with serving(story.board.document) as address:
        shown(browser, address)
        assert [1, 1, 1] == [rows(browser, tag) for tag in ("header", "main", "footer")]
        levels = browser.run(
            "return [...document.querySelectorAll('h1, h2, h3')].map((each) => Number(each.tagName[1]))"
        )
        assert 1 == levels[0]
        assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
        assert browser.run("return [...document.querySelectorAll('table')].every((each) => each.caption.textContent)")
        assert browser.run(
            "return [...document.querySelectorAll('button, input')]"
            ".every((each) => each.textContent.trim() || each.ariaLabel || each.labels?.length)"
        )
        story_of = browser.run("return document.querySelector('.lane').ariaLabel")
        assert "booting from" in story_of
        browser.run("document.querySelector('.name').focus({focusVisible: true})")
        assert story_of == browser.text("#tip")
        browser.run("document.activeElement.click()")
        assert "Instance" in browser.text(".details:not([hidden])")
        assert "until" not in browser.text("[data-number=rate]")


def test_hours_are_kept(story: Story, browser: Browser) -> None:
    """The hours shown are the reader's choice: fewer machines for fewer hours, and the same the next time."""
    with serving(story.board.document) as address:
        shown(browser, address)
        all_day = rows(browser, "[data-machine]")
        browser.click("#hours label:first-of-type")
        browser.wait("document.querySelectorAll('[data-machine]').length < arguments[0]", all_day)
        shown(browser, address)
        assert browser.run("return document.querySelector('#hours input').checked")
        assert rows(browser, "[data-machine]") < all_day
        browser.run("localStorage.clear()")
