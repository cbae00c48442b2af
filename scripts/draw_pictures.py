"""Draw every picture of the pages anew from the real thing, and the README's transcript of the demo with them.

Usage: ``python scripts/draw_pictures.py [--only demo|status] [FOLDER]``.

* ``demo``: `make demo` is played; its terminal becomes ``demo.svg``, the page of its pull request ``pull-request.png``,
  and an excerpt the transcript in the README.
* ``status``: the status page is served with an afternoon's events and photographed: ``status-*.png``.

The diagram of phases is drawn by `draw_phases.py`. Chromium and its driver are needed for the photographs.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import draw_demo
import take_page_pictures

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
README = ROOT / "README.md"
_SHOWN = re.compile(r"(?<=```console\n)\$ make demo\n.*?(?=\n```)", re.DOTALL)


def with_transcript(readme: str, shown: str) -> str:
    """The README with another transcript of the demo.

    Raises:
        ValueError: There is no such transcript in it.
    """
    if not _SHOWN.search(readme):
        raise ValueError("the README shows no transcript that begins with $ make demo")
    return _SHOWN.sub(lambda _: shown, readme, count=1)


def demo(folder: Path) -> bool:
    """Draw the demo, and write its excerpt into the README when it ended well."""
    ending, said = draw_demo.draw(folder)
    print(f"the demo: {ending.conclusion} in {ending.seconds:.1f} s")
    if ending.ok:
        shown = draw_demo.transcript(said)
        README.write_text(with_transcript(README.read_text(encoding="utf-8"), shown), encoding="utf-8")
    return ending.ok


def status(folder: Path) -> bool:
    """Take the pictures of the status page that the pages show."""
    shown = sorted(file.stem for file in PICTURES.glob("status-*.png"))
    return all(take_page_pictures.main([str(folder), "--only", name]) == 0 for name in shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw all of them, or one kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=PICTURES, help="where the pictures go")
    parser.add_argument("--only", choices=("demo", "status"), help="one kind of pictures")
    chosen = parser.parse_args(arguments)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    kinds = {"demo": demo, "status": status}
    return 0 if all(draw(chosen.folder) for kind, draw in kinds.items() if chosen.only in (None, kind)) else 1


if __name__ == "__main__":
    sys.exit(main())
