"""Plot data as text: curves as one line of blocks, confusion matrices as tables. Pure."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from runnerkit.job.document import escaped, fenced
from runnerkit.job.values import number, one_line, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.job.versions import Plot

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 40
MOST_CLASSES = 20


def drawn(plot: Plot, text: str) -> str:
    """A plot as Markdown; empty when there is nothing to draw.

    Args:
        plot: What is declared about it.
        text: The data, as CSV, TSV or JSON.
    """
    try:
        rows = rows_of(plot.file, text)
    except (ValueError, csv.Error, RecursionError):
        return ""
    if plot.template.startswith("confusion"):
        return _confusion(rows, plot.x or "actual", plot.y or "predicted")
    names = [plot.y] if plot.y else numeric(rows, plot.x)
    lines = [line for name in names[:4] if (line := _curve(name, column(rows, name)))]
    return fenced("\n".join(lines)) if lines else ""


def rows_of(file: str, text: str) -> list[dict[str, Any]]:
    """The rows of a CSV, TSV or JSON text.

    Raises:
        ValueError: It is none.
        csv.Error: As above.
        RecursionError: As above.
    """
    if file.lower().endswith(".json"):
        said = json.loads(text)
        while isinstance(said, dict):
            said = next((value for value in said.values() if isinstance(value, (list, dict))), [])
        return [row for row in said if isinstance(row, dict)]
    return list(csv.DictReader(io.StringIO(text), delimiter="\t" if file.lower().endswith(".tsv") else ","))


def column(rows: Sequence[dict[str, Any]], name: str) -> list[float]:
    """The finite numbers of a column."""
    return [value for row in rows if (value := value_of(row.get(name))) is not None]


def value_of(cell: object) -> float | None:
    """A cell as a finite number; None for anything else."""
    try:
        value = float(cell) if isinstance(cell, str) else number(cell)
    except ValueError:
        return None
    return value if value is not None and math.isfinite(value) else None


def numeric(rows: Sequence[dict[str, Any]], across: str) -> list[str]:
    """The columns that hold numbers throughout, but for the one that is drawn across."""
    names = list(rows[0]) if rows else []
    return [str(name) for name in names if name not in {across, "step"} and len(column(rows, str(name))) == len(rows)]


def _curve(name: str, values: Sequence[float]) -> str:
    if not values:
        return ""
    points = _thinned(values)
    low, high = min(points), max(points)
    span = (high - low) or 1.0
    least, most = min(values), max(values)
    line = "".join(BLOCKS[min(int((value - low) / span * len(BLOCKS)), len(BLOCKS) - 1)] for value in points)
    ends = f"{shown(values[0])} → {shown(values[-1])}  (min {shown(least)}, max {shown(most)})"
    return f"{one_line(name):<12.40} {line}  {ends}"


def _thinned(values: Sequence[float]) -> list[float]:
    """At most so many points as fit a line, each the mean of its share."""
    if len(values) <= WIDTH:
        return list(values)
    edges = [round(index * len(values) / WIDTH) for index in range(WIDTH + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]


def _confusion(rows: Sequence[dict[str, Any]], actual: str, predicted: str) -> str:
    pairs = Counter((one_line(row.get(actual)), one_line(row.get(predicted))) for row in rows)
    classes = sorted({name for pair in pairs for name in pair}, key=_by_size)
    if not pairs or len(classes) > MOST_CLASSES:
        return ""
    wide = max(3, *(len(str(count)) for count in pairs.values()), *(len(name) for name in classes))
    wide = min(wide, 12)
    lines = [f"{'':>{wide}} " + " ".join(f"{name[:wide]:>{wide}}" for name in classes) + f"  ← {one_line(predicted)}"]
    for row in classes:
        cells = (pairs.get((row, column), 0) for column in classes)
        lines.append(f"{row[:wide]:>{wide}} " + " ".join(f"{count or '·':>{wide}}" for count in cells))
    return f"{fenced(chr(10).join(lines))}\nRows: {escaped(actual)}."


def _by_size(name: str) -> tuple[int, float, str]:
    value = value_of(name)
    return (1, 0.0, name) if value is None else (0, value, name)
