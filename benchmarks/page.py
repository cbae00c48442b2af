"""The figures as text: a table for the terminal, and the block of ``docs/performance.md``."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from figures import Figure

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- figures: written by benchmarks/run.py -->", "<!-- end of the figures -->"
HEAD = ("what", "measured", "limit", "verdict", "min / median / max")


def table(figures: Sequence[Figure]) -> str:
    """The figures in columns."""
    rows = [HEAD, *(figure.cells for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


def block(figures: Sequence[Figure], where: Mapping[str, str]) -> str:
    """The figures in Markdown, with the machine they are from."""
    rows = [HEAD, ("---",) * len(HEAD), *(figure.cells for figure in figures)]
    lines = ("| " + " | ".join(row) + " |" for row in rows)
    about = ", ".join(f"{name} {value}" for name, value in where.items())
    return "\n".join((f"Measured with: {about}.", "", *lines))


def replaced(page: str, text: str) -> str:
    """The page with its block of figures replaced.

    Raises:
        ValueError: The page has no such block, or more than one.
    """
    if (page.count(BEGIN), page.count(END)) != (1, 1) or page.index(END) < page.index(BEGIN):
        raise ValueError(f"the page needs one line {BEGIN!r} and, after it, one line {END!r}")
    head, rest = page.split(BEGIN)
    return f"{head}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}"


def machine() -> dict[str, str]:
    """What it was measured on, and when."""
    return {
        "date": f"{datetime.now(tz=UTC):%Y-%m-%d}",
        "CPU": _cpu(),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "Python": platform.python_version(),
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
