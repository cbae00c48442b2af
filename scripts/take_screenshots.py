"""Takes pictures of the local GitHub's pages, filled with a plausible day: laptop by day and night, and phone."""

from __future__ import annotations

import argparse
import sys
import tempfile
from http.client import INTERNAL_SERVER_ERROR
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))

from runnerkit.sandbox.github import GitHubWorld, WorldClock
from runnerkit.sandbox.github.web import Pages
from tests.sandbox.web import browser as chromium
from tests.sandbox.web.story import DAWN, REPO, Teller, Told

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOKS: dict[str, dict[str, int]] = {
    "laptop-light": {"width": 1280, "height": 800},
    "laptop-dark": {"width": 1280, "height": 800, "dark": 1},
    "phone-light": {"width": 390, "height": 844, "phone": 1, "scale": 2},
    "phone-dark": {"width": 390, "height": 844, "phone": 1, "scale": 2, "dark": 1},
}


def addresses(told: Told) -> dict[str, str]:
    """Name the pages worth a picture."""
    runs = f"/{REPO}/actions/runs"
    failed = next(job for job in told.jobs_of(told.failed) if job.conclusion == "failure")
    return {
        "home": "/",
        "overview": f"/{REPO}",
        "pulls": f"/{REPO}/pulls",
        "pull": f"/{REPO}/pull/{told.pull.number}",
        "actions": f"/{REPO}/actions",
        "run": f"{runs}/{told.running.id}",
        "run-failed": f"{runs}/{told.failed.id}",
        "run-waiting": f"{runs}/{told.waiting.id}",
        "run-broken": f"{runs}/{told.broken.id}",
        "job": f"{runs}/{told.train.run_id}/job/{told.train.id}",
        "job-failed": f"{runs}/{failed.run_id}/job/{failed.id}",
        "job-stuck": f"{runs}/{told.stuck.run_id}/job/{told.stuck.id}",
        "runners": f"/{REPO}/settings/actions/runners",
        "environments": f"/{REPO}/settings/environments",
        "hooks": f"/{REPO}/settings/hooks",
        "missing": "/acme/nothing",
    }


def take(browser: chromium.Browser, folder: Path, only: str) -> str | None:
    """Tell the story and take the pictures whose names contain ``only``; gives what went wrong."""
    clock = WorldClock(DAWN)
    with GitHubWorld(clock) as world:
        world.service.pages = Pages(world.state)
        pages = addresses(Teller(world, clock).tell())
        for (name, path), (look, how) in product(pages.items(), LOOKS.items()):
            if only not in f"{name}-{look}":
                continue
            browser.look(**how)
            browser.open(world.url + path)
            if browser.status >= INTERNAL_SERVER_ERROR:
                return f"{path} failed with {browser.status}"
            (folder / f"{name}-{look}.png").write_bytes(browser.picture())
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Take all pictures, or those whose names contain a word."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--only", default="", help="a part of the pictures' names, such as pull or phone")
    chosen = parser.parse_args(arguments)
    if chromium.missing():
        print(f"{' and '.join(chromium.missing())} not found; on Debian install chromium and chromium-driver")
        return 1
    chosen.folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        chromium.started(Path(profile)) as browser,
    ):
        problem = take(browser, chosen.folder, chosen.only)
    if problem:
        print(problem)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
