"""Draw the demo: play it for real, then write docs/pictures/demo.svg and, where Chromium is, pull-request.png.

Usage: ``python scripts/draw_demo.py [FOLDER]``. Long stretches of the job's log are left out.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from runnerkit.cli.stage import Stage
from runnerkit.sandbox.story import REPOSITORY, MainJob
from runnerkit.sandbox.together import Sandbox

if TYPE_CHECKING:
    from runnerkit.sandbox.ending import Ending, Moment

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
WIDTH = 104
SHOWN = 26
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1180,1500",
)  # fmt: skip


class Short(Stage):
    """A stage that shows the last lines of each stretch of the log."""

    def __init__(self, console: Console) -> None:
        super().__init__(io.StringIO(), console)
        self._held: list[str] = []

    def log(self, line: str) -> None:
        """Hold it until something happens."""
        if line.strip() and not line.startswith(("[command]", "##[endgroup]")):
            self._held.append(line)

    def moment(self, moment: Moment) -> None:
        """Show what was held, then what happened."""
        self._release()
        super().moment(moment)

    def ended(self, ending: Ending) -> None:
        """Show the rest."""
        self._release()
        super().ended(ending)

    def _release(self) -> None:
        if len(self._held) > SHOWN:
            self._console.print(Text(f"         ┊ {len(self._held) - SHOWN} more lines", style="dim"))
        for line in self._held[-SHOWN:]:
            super().log(line)
        self._held.clear()


def main() -> int:
    """Play and draw."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    target.mkdir(parents=True, exist_ok=True)
    console = Console(
        file=io.StringIO(), record=True, width=WIDTH, force_terminal=True, color_system="truecolor", highlight=False
    )
    console.print(Text.assemble(("$ ", "dim"), ("make demo", "bold")))
    with Sandbox(REPOSITORY, boot=3.0) as sandbox:
        stage = Short(console)
        stage.opened(sandbox)
        ending = MainJob(sandbox, stage.moment, stage.log).play()
        stage.ended(ending)
        _photograph(ending.page, target / "pull-request.png")
    svg = console.export_svg(title="runnerkit")
    # The fonts are the reader's own: a picture in a README loads nothing from elsewhere.
    kept = "\n".join(line.rstrip() for line in _without_fonts(svg).splitlines())
    (target / "demo.svg").write_text(kept + "\n", encoding="utf-8")
    print(f"drew {target / 'demo.svg'}: {ending.conclusion} in {ending.seconds:.1f} s")
    return 0 if ending.ok else 1


def _without_fonts(svg: str) -> str:
    parts = svg.split("@font-face")
    return parts[0] + "".join(part.partition("}")[2] for part in parts[1:])


def _photograph(page: str, file: Path) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("no Chromium here, so there is no picture of the page")
        return
    with tempfile.TemporaryDirectory() as profile:
        argv = [browser, *FLAGS, f"--user-data-dir={profile}", f"--screenshot={file}", page]
        subprocess.run(argv, check=True, timeout=120, env={**os.environ, "HOME": profile}, capture_output=True)


if __name__ == "__main__":
    raise SystemExit(main())
