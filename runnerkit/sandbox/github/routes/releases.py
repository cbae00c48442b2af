"""Releases: those of GitHub's runner, which everybody may read; other repositories have none."""

from datetime import datetime, timedelta

from runnerkit.sandbox.github.access import Needs
from runnerkit.sandbox.github.clock import stamp
from runnerkit.sandbox.github.exchange import Answer, Exchange, Links, route
from runnerkit.sandbox.github.records import Account
from runnerkit.sandbox.github.refusals import missing
from runnerkit.sandbox.github.views.accounts import Json, node_id, user

RUNNER = "actions/runner"
# What came before the newest, and how many days earlier.
EARLIER = (("2.335.0", 42), ("2.334.0", 90), ("2.333.1", 115), ("2.329.0", 280))
ACTIONS = Account(44_036_562, "actions", "Organization", datetime.min)  # noqa: DTZ901 - never shown


@route("GET", "/repos/{owner}/{repo}/releases", needs=Needs(everybody=True))
def list_releases(at: Exchange) -> Answer:
    """List a repository's releases, newest first."""
    name = f"{at.path['owner']}/{at.path['repo']}"
    if name.lower() != RUNNER:
        if at.repository.private:
            raise missing()
        return at.page([], lambda each: each)
    options = at.state.options
    newest = at.state.now() - timedelta(days=options.runner_age)
    earlier = [(version, newest - timedelta(days=days)) for version, days in EARLIER]
    releases = [(options.runner_version, newest), *earlier]
    return at.page(releases, lambda each: _release(at.links, *each))


def _release(links: Links, version: str, published: datetime) -> Json:
    number, tag = int("".join(filter(str.isdigit, version))), f"v{version}"
    url, web = f"{links.api}/repos/{RUNNER}", f"{links.web}/{RUNNER}"
    return {
        "id": number,
        "node_id": node_id("Release", number),
        "url": f"{url}/releases/{number}",
        "assets_url": f"{url}/releases/{number}/assets",
        "upload_url": f"{url}/releases/{number}/assets{{?name,label}}",
        "tarball_url": f"{url}/tarball/{tag}",
        "zipball_url": f"{url}/zipball/{tag}",
        "html_url": f"{web}/releases/tag/{tag}",
        "tag_name": tag,
        "target_commitish": "main",
        "name": tag,
        "body": "",
        "draft": False,
        "prerelease": False,
        "created_at": stamp(published),
        "published_at": stamp(published),
        "author": user(links, ACTIONS),
        "assets": [],
    }
