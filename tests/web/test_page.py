"""The status page in a real browser: live, honest about what it does not know, and quick."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.page_looks import Sheet, rows, shown
from tests.web.page_server import serving
from tests.web.page_story import T4, VISION, Story

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from take_page_pictures import take

if TYPE_CHECKING:
    from tests.sandbox.web.browser import Browser

pytestmark = [pytest.mark.slow]


def test_everything_is_there(story: Story, browser: Browser) -> None:
    """Numbers, waiting jobs with reasons and links, machines with their lines, cost, refusals and failures."""
    with serving(story.board.document) as address:
        shown(browser, address)
        assert "7" == browser.text("[data-number=machines] .big")
        jobs = browser.text("#jobs")
        for words in (
            "benchmark",
            "t5 is not a GPU that is known",
            "allowed: t4",
            "finetune whisper-large",
            "next search",
        ):
            assert words in jobs
        linked = "return document.querySelector(\"#jobs a[href^='https://github.com/acme/vision/actions/runs/']\").rel"
        assert "noopener noreferrer" == browser.run(linked)
        assert {"booting", "ready", "busy", "ended", "failed", "interrupted"} == set(
            browser.run(
                "return [...new Set([...document.querySelectorAll('.machine .pill')].map((e) => e.textContent))]"
            )
        )
        assert rows(browser, ".part[data-kind=busy]") > 10
        assert (1, 1) == (
            rows(browser, ".lane .sign[data-end=interrupted]"),
            rows(browser, ".lane .sign[data-end=failed]"),
        )
        assert "acme/search-ranker" in browser.text("#repos-body")
        assert "InsufficientInstanceCapacity" in browser.text("#refusals-body")
        assert "every offering" in browser.text("#failures-body")
        assert "4,871 of 5,000" in browser.text("footer")


def test_a_job_lives(browser: Browser) -> None:
    """A job appears, gets its machine, runs and goes, while the page stays loaded: nothing is reloaded."""
    story = Story(1)
    story.arrive()
    with serving(story.board.document) as address:
        shown(browser, address)
        assert "runs-on: runnerkit=" in browser.text("#jobs-body")
        browser.run("window.mine = 1")
        story.queue(VISION, "train the net", T4, minutes=5)
        story.look()
        browser.wait("document.querySelector('#jobs-body').innerText.includes('a machine is being launched for it')")
        told = "document.querySelector('#told').textContent.startsWith('1 job waits')"
        browser.wait(told)
        assert browser.run("return document.title").startswith("1 waiting")
        story.go(3)
        browser.wait("document.querySelector('.machine .pill')?.textContent === 'busy'")
        assert "train the net" in browser.text("#machines-body")
        assert "No job waits." in browser.text("#jobs-body")
        story.go(8)
        browser.wait("document.querySelector('.machine .pill')?.textContent === 'ended'")
        assert 1 == browser.run("return window.mine")


def test_nothing_flickers(document: dict[str, Any], browser: Browser) -> None:
    """A new document leaves alone what did not change: nodes, open details, focus, scrolling and the filter."""
    sheet = Sheet.of(document)
    with serving(sheet) as address:
        shown(browser, address)
        browser.run(
            "const name = document.querySelectorAll('.name')[4]; name.click(); name.focus();"
            "scrollTo(0, 600); window.kept = [name, name.closest('tbody'), name.closest('tbody').innerHTML, scrollY]"
        )
        live = document["machines"][0]
        more = live | {"name": "rk-999-1", "instance": "i-fresh", "title": "brand new"}
        sheet.body = json.dumps(document | {"machines": [more, *document["machines"]]}).encode()
        browser.wait("document.querySelector('#machines-body').innerText.includes('brand new')")
        assert browser.run("return document.activeElement === window.kept[0] && window.kept[1].isConnected")
        assert "true" == browser.run("return window.kept[0].getAttribute('aria-expanded')")
        assert browser.run("return !window.kept[1].querySelector('.details').hidden")
        # What came above moves what is below; the browser keeps the place.
        before, after = browser.run("return [window.kept[3], scrollY]")
        assert before <= after < before + 100


def test_unchanged_is_not_sent_again(document: dict[str, Any], browser: Browser) -> None:
    """The page asks with the tag it has, and what did not change is not sent again."""
    with serving(Sheet.of(document)) as address:
        shown(browser, address)
        sizes = "performance.getEntriesByType('resource').filter((e) => e.name.endsWith('status.json'))"
        browser.wait(f"{sizes}.length >= 3")
        assert [200, 304, 304] == browser.run(f"return {sizes}.slice(0, 3).map((e) => e.responseStatus)")


def test_lost_connection(document: dict[str, Any], chrome: Browser) -> None:
    """When the service is gone the page says since when, keeps what it knows marked as old, and recovers by itself."""
    chrome.look(1280, 800)
    sheet = Sheet.of(document)
    with serving(sheet) as address:
        shown(chrome, address)
        assert chrome.run("return document.querySelector('#banner').hidden")
    chrome.wait("document.querySelector('#banner').innerText.startsWith('Connection lost since ')", seconds=20)
    assert "What you see is as of" in chrome.text("#banner")
    assert chrome.run("return document.documentElement.hasAttribute('data-stale')")
    assert "benchmark" in chrome.text("#jobs")
    port = int(address.rstrip("/").rpartition(":")[2])
    with serving(sheet, port):
        chrome.wait("document.querySelector('#banner').hidden", seconds=30)
        assert not chrome.run("return document.documentElement.hasAttribute('data-stale')")
        chrome.open("about:blank")
    # The refused connections are in the log, and nothing else.
    assert all("ERR_CONNECTION_REFUSED" in each or "status.json" in each for each in chrome.complaints())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"trouble": {"at": 1, "since": 1, "code": "x", "message": "GitHub is down", "hint": "wait"}},
            "GitHub is down. wait. The next pass tries again. What you see is as of",
        ),
        ({"passed": 1_700_000_000}, "Is the service busy, or stuck?"),
    ],
    ids=["failing", "late"],
)
def test_trouble_of_the_service(document: dict[str, Any], browser: Browser, change: dict[str, Any], words: str) -> None:
    """A service whose passes fail, or that has stopped looking, is not shown as if all were well."""
    with serving(Sheet.of(document | change)) as address:
        shown(browser, address)
        browser.wait("!document.querySelector('#banner').hidden")
        assert words in browser.text("#banner")
        assert "warn" == browser.run("return document.documentElement.dataset.health")


def test_thousand_machines(document: dict[str, Any], browser: Browser) -> None:
    """A thousand machines and jobs are on the page within a second, and all of them on demand; a filter finds one."""
    machine, job = document["machines"][0], document["jobs"][0]
    many = [machine | {"name": f"rk-{n}-1", "instance": f"i-{n}", "title": f"fold {n}"} for n in range(1000)]
    jobs = [job | {"id": n, "title": f"fold {n}"} for n in range(1000)]
    with serving(Sheet.of(document | {"machines": many, "jobs": jobs})) as address:
        shown(browser, address)
        took = browser.run(
            "const at = performance.getEntriesByName(new URL('status.json', location).href)[0].responseEnd;"
            "return performance.getEntriesByType('mark').find((each) => each.name === 'shown').startTime - at"
        )
        assert took < 1000
        assert 100 == rows(browser, "[data-machine]")
        assert 25 == rows(browser, "[data-job]")
        slow = (
            "const began = performance.now(); document.querySelector('#machines .more').click();"
            "document.body.offsetHeight; return performance.now() - began"
        )
        assert browser.run(slow) < 10_000
        assert 1000 == rows(browser, "[data-machine]")
        browser.run(
            "const filter = document.querySelector('#filter'); filter.value = 'RK-77-1 acme';"
            "filter.dispatchEvent(new Event('input'))"
        )
        assert 1 == rows(browser, "[data-machine]")


def test_pictures(story: Story, browser: Browser, tmp_path: Path) -> None:
    """The script that makes the manual's pictures makes those it is asked for."""
    take(browser, story, tmp_path, "phone")
    assert ["status-phone-dark.png", "status-phone-light.png"] == sorted(each.name for each in tmp_path.iterdir())
    assert all(each.read_bytes().startswith(b"\x89PNG") for each in tmp_path.iterdir())
