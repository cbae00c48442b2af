"""The pages in a real browser: live logs, buttons, day and night, phones, and a policy that holds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runnerkit.sandbox.github import reporting
from tests.sandbox.web.test_buttons import waiting

sys.path.append(str(Path(__file__).parents[3] / "scripts"))

from take_screenshots import addresses, take

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.sandbox.github import GitHubWorld
    from tests.sandbox.web.browser import Browser
    from tests.sandbox.web.conftest import Day, Site

REPO = "acme/train"
T = "2026-11-22T01:02:03.1234567Z "
pytestmark = [pytest.mark.slow]


@pytest.fixture(autouse=True)
def unharmed(browser: Browser, world: GitHubWorld) -> Iterator[None]:  # noqa: ARG001 - to end before the world does
    """Begin as a laptop by day; at the end the pages must not have broken their own policy or failed."""
    browser.look(1280, 800)
    browser.complaints()
    yield
    complaints = browser.complaints()
    browser.open("about:blank")
    assert complaints == []


def test_every_page_fits(day: Day, browser: Browser) -> None:
    """Every page loads what it names and needs no sideways scrolling, on a laptop and on a phone."""
    day.world.service.pages = day.pages
    for name, path in addresses(day.told).items():
        if name == "missing":
            continue
        browser.look(1280, 800)
        browser.open(day.world.url + path)
        assert browser.status == 200
        wide = "return document.documentElement.scrollWidth - window.innerWidth"
        assert browser.run(wide) <= 0, f"{path} is too wide for a laptop"
        browser.look(390, 844, phone=1)
        assert browser.run(wide) <= 0, f"{path} is too wide for a phone"
        assert browser.run("return [...document.images].every((each) => each.naturalWidth > 0)"), (
            f"{path} lacks an image"
        )


def test_pictures(browser: Browser, tmp_path: Path) -> None:
    """The script that makes the README's pictures makes those it is asked for."""
    assert take(browser, tmp_path, "pull-phone") is None
    assert sorted(each.name for each in tmp_path.iterdir()) == ["pull-phone-dark.png", "pull-phone-light.png"]
    assert all(each.read_bytes().startswith(b"\x89PNG") for each in tmp_path.iterdir())


def test_day_and_night(day: Day, browser: Browser) -> None:
    """The page follows the system: dark on light by day, light on dark by night."""
    day.world.service.pages = day.pages
    browser.open(f"{day.world.url}/")
    grey = "return getComputedStyle(document.body)[arguments[0]].match(/\\d+/g).map(Number).reduce((a, b) => a + b)"
    assert browser.run(grey, "color") < browser.run(grey, "backgroundColor")
    browser.look(1280, 800, dark=1)
    assert browser.run(grey, "color") > browser.run(grey, "backgroundColor")


def test_approving(site: Site, browser: Browser) -> None:
    """A person chooses who they are and presses Approve; the page then shows the decision."""
    run = waiting(site)
    browser.open(f"{site.world.url}/{REPO}/actions/runs/{run.id}")
    browser.run("document.querySelector('select[name=login]').value = 'hubot'")
    browser.click(".review .button.main")
    browser.wait("document.body.innerText.includes('hubot approved')")
    assert run.approvals[0].login == "hubot"


def test_rejecting(site: Site, browser: Browser) -> None:
    """The other button of the same form rejects."""
    run = waiting(site)
    browser.open(f"{site.world.url}/{REPO}/actions/runs/{run.id}").click(".review .button.grave")
    browser.wait("document.body.innerText.includes('octocat rejected')")
    assert run.approvals[0].state == "rejected"


def test_live_log(site: Site, browser: Browser) -> None:
    """A running job's page grows as the runner writes: lines, groups, steps, colours, the end."""
    world = site.world
    job = world.queue_job(REPO, ["gpu"])
    browser.open(f"{world.url}/{REPO}/actions/runs/{job.run_id}/job/{job.id}")
    assert "No runner with these labels is registered." in browser.text("#job-head")
    with world.state.open():
        job.steps = [{"name": "Train", "number": 1, "status": "in_progress"}]
        job.step_logs = {1: f"{T}##[group]Run it\n{T}inside\n"}
    browser.wait("document.querySelector('#step-1[open] .fold') !== null")
    with world.state.open():
        job.step_logs[1] += f"{T}also inside\n{T}##[endgroup]\n{T}\x1b[32mgreen\x1b[0m <i>x</i>\n"
    browser.wait("document.querySelector('#step-1 .log > .l .fg2') !== null")
    assert browser.run("return document.querySelectorAll('#step-1 .fold .l').length") == 3
    assert "green <i>x</i>" in browser.text("#step-1 .log")
    with world.state.open():
        job.steps = [{"name": "Train", "number": 1, "status": "completed", "conclusion": "failure"}]
        job.step_logs[2] = f"{T}##[error]boom\n"
    world.finish_job(job, "failure")
    browser.wait("document.querySelector('#step-2 .l.error') !== null && !document.querySelector('[data-live-dot]')")
    assert "Failed" in browser.text("#job-head")
    assert browser.run("return document.querySelectorAll('#step-1 .l').length") == 4, "nothing came twice"


def test_pages_follow_the_world(site: Site, browser: Browser) -> None:
    """An open page shows what has happened since, and keeps what the reader has unfolded."""
    world = site.world
    pull = world.add_pull_request(REPO, title="Train longer")
    text = "<details><summary>More</summary>\n\nhidden\n\n</details>"
    reporting.comment_on(world.state, REPO, pull.number, text, "octocat", None)
    browser.open(f"{world.url}/{REPO}/pull/{pull.number}")
    browser.click(".prose summary")
    assert "No checks yet" in browser.text()
    job = world.queue_job(REPO, ["gpu"], pull_number=pull.number)
    browser.wait("document.body.innerText.includes('Some checks have not finished yet')")
    assert "hidden" in browser.text(".thread")
    world.finish_job(job)
    browser.wait("document.body.innerText.includes('All checks have passed')")


def test_scripts_in_comments_do_not_run(site: Site, browser: Browser) -> None:
    """Neither the sanitiser nor, behind it, the page's policy lets a comment act."""
    world = site.world
    pull = world.add_pull_request(REPO, title="<script>window.evil = 1</script>")
    act = "window.evil = 1"
    evil = f"<img src='/avatars/x' onload='{act}'><script>{act}</script><p onclick='{act}'>Hi</p>"
    reporting.comment_on(world.state, REPO, pull.number, evil, "octocat", None)
    browser.open(f"{world.url}/{REPO}/pull/{pull.number}")
    browser.wait("document.images.length > 0 && [...document.images].every((each) => each.complete)")
    assert browser.run("return window.evil === undefined")
    assert "Hi" in browser.text(".thread")
