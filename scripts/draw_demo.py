"""Play the demo for real and draw it: demo.svg, where Chromium is pull-request.png, and the README's transcript.

Long stretches of the job's log are left out. `draw_pictures.py` is the program.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tempfile
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from runnerkit.cli.stage import Stage
from runnerkit.sandbox.story import REPOSITORY, MainJob
from runnerkit.sandbox.together import Sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runnerkit.sandbox.ending import Ending, Moment

WIDTH = 104
MOMENT = re.compile(r" +\d+\.\d s . ")
LOG = re.compile(
    r" {9}│ (?:Running stage 'train'|epoch +1/|epoch +12/|\{\"test\"|runnerkit: \d+ stages run|Ran \d+ tests|OK$)"
)
FIGURES = re.compile(r"test\.accuracy|test\.log_loss|\S+ (?:spot|on-demand), \d+ s|the same job on|everything worked")
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


def draw(target: Path) -> tuple[Ending, str]:
    """Play the demo, write its pictures into a folder, and return how it ended and what stood on the terminal."""
    console = Console(
        file=io.StringIO(), record=True, width=WIDTH, force_terminal=True, color_system="truecolor", highlight=False
    )
    console.print(Text.assemble(("$ ", "dim"), ("make demo", "bold")))
    whole = Console(file=io.StringIO(), width=100, highlight=False)
    stages = (Short(console), Stage(io.StringIO(), whole))
    with Sandbox(REPOSITORY, boot=3.0) as sandbox:
        for stage in stages:
            stage.opened(sandbox)
        ending = MainJob(sandbox, partial(_each, stages, "moment"), partial(_each, stages, "log")).play()
        for stage in stages:
            stage.ended(ending)
        _photograph(ending.page, target / "pull-request.png")
    said = whole.file.getvalue() if isinstance(whole.file, io.StringIO) else ""
    # The fonts are the reader's own: a picture in a README loads nothing from elsewhere.
    svg = _without_fonts(console.export_svg(title="runnerkit"))
    (target / "demo.svg").write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")
    return ending, said


def _each(stages: Sequence[Stage], what: str, told: Moment | str) -> None:
    """Tell all stages the same: a picture leaves out what the transcript may need."""
    for stage in stages:
        getattr(stage, what)(told)


def transcript(said: str) -> str:
    """What the README shows of it: the moments, a few lines of the log, and the figures; dots for what is left out."""
    kept: list[str] = []
    for line in map(str.rstrip, said.splitlines()):
        row = line.strip("│ ")
        if MOMENT.match(line) or LOG.match(line) or (kept and MOMENT.match(kept[-1]) and line.startswith(" " * 33)):
            kept.append(line)
        elif FIGURES.match(row):
            kept.append(row)
        elif kept and line.startswith("         │") and not kept[-1].endswith("│ ..."):
            kept.append("         │ ...")
        elif kept and not line.startswith("         ") and kept[-1] != "...":
            kept.append("...")
    return "\n".join(["$ make demo", *kept])


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
