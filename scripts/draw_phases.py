"""Write ``docs/phases.md`` and its picture: the life of a machine as tables and as a diagram, all taken from the code.

Usage: ``python scripts/draw_phases.py [--check]``. With ``--check`` nothing is written, and the exit code is 1 when the
page is not what the code says.
"""

import argparse
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from phase_picture import picture

from runnerkit.phases import LIFE, Phase
from runnerkit.plan import RULES

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "phases.md"
PICTURE = DOCS / "pictures" / "phases.svg"
USUAL = (Phase.REGISTERED, Phase.BOOTING, Phase.READY, Phase.BUSY, Phase.ENDED)
MARK = "<!-- Written by {script} from the code; edit that instead. -->"

# The steps worth drawing, with what makes them happen. LIFE allows many more, because lists lag and people interfere;
# the second table of the page has them all.
STEPS: Mapping[tuple[Phase, Phase], str] = {
    (Phase.REGISTERED, Phase.BOOTING): "EC2 lists the instance",
    (Phase.REGISTERED, Phase.DANGLING): "no instance came",
    (Phase.BOOTING, Phase.READY): "the runner comes online",
    (Phase.BOOTING, Phase.DANGLING): "the machine gave up",
    (Phase.BOOTING, Phase.ENDED): "retired, it missed its deadline",
    (Phase.BOOTING, Phase.UNNAMED): "of a burst, and nobody named it",
    (Phase.UNNAMED, Phase.ENDED): "terminated",
    (Phase.READY, Phase.BUSY): "it takes a job",
    (Phase.READY, Phase.DANGLING): "no job came, it powers off",
    (Phase.READY, Phase.LOST): "it falls silent",
    (Phase.READY, Phase.GONE): "GitHub drops the runner",
    (Phase.READY, Phase.STOPPED): "somebody stops it",
    (Phase.BUSY, Phase.ENDED): "the job is over, it powers off",
    (Phase.BUSY, Phase.LOST): "it falls silent",
    (Phase.BUSY, Phase.DANGLING): "AWS takes it back",
    (Phase.LOST, Phase.READY): "it is heard again",
    (Phase.LOST, Phase.BUSY): "it is heard again",
    (Phase.LOST, Phase.ENDED): "retired",
    (Phase.GONE, Phase.READY): "the list was wrong",
    (Phase.GONE, Phase.ENDED): "confirmed, terminated",
    (Phase.STOPPED, Phase.DANGLING): "terminated",
    (Phase.DANGLING, Phase.ENDED): "deregistered",
}

INTRODUCTION = """\
A machine is an EC2 instance and a GitHub runner, joined by the registration's id. In each pass the two are looked at
anew and together give one word: the phase. It is stored nowhere, so it cannot be out of date.

"Counts as capacity" means that one queued job with the same labels needs no further machine, as long as the machine is
within its lease."""

DIAGRAM = """\
What usually happens, and why. Green phases count as capacity. Past its maximum lifetime a machine is terminated
whatever its phase.

![Each phase in a box, the usual ones from top to bottom; beside it where it leads, and why](pictures/phases.svg)"""

MATRIX = """\
Between two passes much may happen, and lists may lag, so more steps are possible than are usual. A mark says that the
phase of the column may follow the phase of the row."""


def publish(pages: Mapping[Path, str], arguments: Sequence[str], usage: str) -> int:
    """Write pages, or with ``--check`` only compare them, and return the exit code."""
    parser = argparse.ArgumentParser(description=usage)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is not current")
    check = parser.parse_args(arguments).check
    stale = [path for path, text in pages.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if not check:
            path.write_text(pages[path], encoding="utf-8")
        print(f"{path.name}: {'is not what the code says; run make docs' if check else 'written'}")
    return 1 if check and stale else 0


def page(title: str, *parts: str, script: str) -> str:
    """A page: title, where it comes from, and its parts with a blank line between them."""
    return (
        "\n\n".join((f"# {title}", MARK.format(script=f"scripts/{script}"), *(part.strip("\n") for part in parts)))
        + "\n"
    )


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    titles = list(head)
    lines = chain((titles, ["---"] * len(titles)), rows)
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def prose(docstring: str | None) -> str:
    """A docstring as Markdown: without its indentation, its Google sections and Sphinx's roles."""
    text = re.split(r"\n\n?(?:Args|Raises|Returns):\n", inspect.cleandoc(docstring or ""))[0]
    text = re.sub(r":[a-z]+:`~?([^`]+)`", r"``\1``", text)
    return text.replace("``", "`")


def phases_page() -> str:
    """The text of ``docs/phases.md``."""
    return page(
        "The life of a machine",
        INTRODUCTION,
        table(("phase", "means", "counts as capacity", "what ends it"), _life()),
        "## What the plan does about it\n\nThese are the rules in `runnerkit/plan.py`, one for each phase.",
        table(("phase", "rule"), ((f"`{phase}`", prose(rule.__doc__)) for phase, rule in RULES.items())),
        f"## The usual ways\n\n{DIAGRAM}",
        f"## Every possible step\n\n{MATRIX}",
        table(("from", *(f"`{phase}`" for phase in Phase)), _steps()),
        script="draw_phases.py",
    )


def _life() -> Iterator[tuple[str, ...]]:
    for phase, row in LIFE.items():
        yield f"`{phase}`", row.means, "yes" if row.capacity else "no", row.ends or "nothing is left to end"


def _steps() -> Iterator[tuple[str, ...]]:
    for phase, row in LIFE.items():
        yield f"`{phase}`", *("x" if other in row.then else "" for other in Phase)


def diagram() -> str:
    """The usual steps as a picture; capacity is drawn in another colour.

    Raises:
        ValueError: A step is drawn that LIFE does not allow.
    """
    impossible = [f"{start} -> {end}" for start, end in STEPS if end not in LIFE[start].then]
    if impossible:
        raise ValueError(f"drawn, but not allowed by LIFE: {', '.join(impossible)}")
    capacity = [phase for phase, row in LIFE.items() if row.capacity]
    steps = {(str(start), str(end)): why for (start, end), why in STEPS.items()}
    return picture(USUAL, steps, capacity, Phase.ENDED)


if __name__ == "__main__":
    sys.exit(publish({PAGE: phases_page(), PICTURE: diagram()}, sys.argv[1:], __doc__.splitlines()[0]))
