"""Takes pictures of the status page, told a plausible afternoon: laptop by day and night, and phone."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.sandbox.web import browser as chromium
from tests.web.page_server import serving
from tests.web.page_story import Story, afternoon

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOKS: dict[str, dict[str, int]] = {
    "laptop-light": {"width": 1280, "height": 1420},
    "laptop-dark": {"width": 1280, "height": 1420, "dark": 1},
    "phone-light": {"width": 375, "height": 1100, "phone": 1, "scale": 2},
    "phone-dark": {"width": 375, "height": 1100, "phone": 1, "scale": 2, "dark": 1},
}


def take(browser: chromium.Browser, story: Story, folder: Path, only: str = "") -> None:
    """Take the pictures whose names contain ``only``."""
    with serving(story.board.document) as address:
        for look, how in LOOKS.items():
            if only in f"status-{look}":
                browser.look(**how)
                browser.open(address)
                browser.wait("document.querySelectorAll('.lane').length > 0")
                (folder / f"status-{look}.png").write_bytes(browser.picture(whole=False))
        browser.open("about:blank")


def main(arguments: Sequence[str] | None = None) -> int:
    """Take all pictures, or those whose names contain a word."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--only", default="", help="a part of the pictures' names, such as phone or dark")
    chosen = parser.parse_args(arguments)
    if chromium.missing():
        print(f"{' and '.join(chromium.missing())} not found; on Debian install chromium and chromium-driver")
        return 1
    chosen.folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        chromium.started(Path(profile)) as browser,
    ):
        take(browser, afternoon(), chosen.folder, chosen.only)
    return 0


if __name__ == "__main__":
    sys.exit(main())
