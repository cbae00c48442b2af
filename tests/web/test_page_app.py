"""The page that leads to a new GitHub App, in a browser: its policy lets the form through, and nothing is too wide."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from runnerkit.github.features import of_controller, words
from runnerkit.github.setup.manifest import AppWish, installation_url
from runnerkit.sandbox.github import GitHubWorld
from runnerkit.web import app_page
from runnerkit.web.callback import Callback

if TYPE_CHECKING:
    from tests.sandbox.web.browser import Browser

OWNER = "acme-research-and-development"


def test_a_browser_goes_the_whole_way(browser: Browser) -> None:
    """Page, GitHub's question, the answer, the installation; on a phone by night nothing has to be moved sideways."""
    with GitHubWorld() as world:
        world.add_organization(OWNER)
        world.add_repository(f"{OWNER}/train")
        work = of_controller(group=False, gates=True, app=True)
        wish = AppWish(web=world.url, owner=OWNER, personal=False, name="runnerkit <b>", features=work, hook_url="")
        told = app_page.Question(
            owner=OWNER,
            name=wish.name,
            work=[(each.why, [words([one]) for one in each.permissions]) for each in work],
            hook_url="https://runners.acme.example/a-long-path-of-a-webhook/hooks",
            action=wish.creation_url,
        )
        policy = app_page.policy(wish.creation_url)
        with Callback(lambda back, state: app_page.question(told, wish.manifest(back), state), policy=policy) as page:
            done = app_page.done(OWNER, wish.name, installation_url(world.url, "runnerkit-b"))

            def tell() -> None:
                if page.wait(30):
                    page.tell(done)

            telling = threading.Thread(target=tell)
            telling.start()
            browser.look(390, 844, dark=1, phone=1)
            browser.open(page.url)
            assert 390 >= int(browser.run("return document.documentElement.scrollWidth"))
            assert "runnerkit <b>" in browser.text("dl")
            browser.look(1280, 800)
            browser.click(".go")
            browser.wait("document.body.innerText.includes('What it may do') && location.pathname.endsWith('/new')")
            browser.click("main button")
            browser.wait("document.body.innerText.includes('is made')")
            telling.join()
            browser.click("a.go")
            browser.wait("document.body.innerText.includes('Not installed yet')")
            browser.click("main button")
            browser.wait("document.body.innerText.includes('Installed on')")
        (installed,) = world.state.installations.values()
        assert (installed.account, installed.repositories) == (OWNER, None)
        assert world.violations == []
