"""Tables for people: whole in files and pipes, fitted to the terminal by leaving out what can be spared."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from runnerkit.plain import lines

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A column; the highest ``spare`` goes first when the terminal is too narrow, 0 never goes."""

    title: str
    right: bool = False
    spare: int = 0
    folds: bool = False


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their titles, where there is a standard output."""
    if sys.stdout is None:
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [[lines(cell) for cell in row] for row in rows]
    wide = not sys.stdout.isatty()
    shown = range(len(columns)) if wide else _fitting(columns, rows, get_terminal_size().columns)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    for index in shown:
        column = columns[index]
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=not column.folds,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(row[index]) for index in shown))  # as text: others' brackets are no markup
    room = sum(max(len(columns[i].title), *(len(row[i]) for row in rows)) + GAP for i in shown)
    Console(width=room if wide else None).print(table)


def _fitting(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """The columns that fit, leaving out the most dispensable ones first."""
    shown = list(range(len(columns)))
    while _width(columns, rows, shown) > room:
        spare = max(shown, key=lambda index: (columns[index].spare, index))
        if columns[spare].spare == 0:
            break
        shown.remove(spare)
    return shown


def _width(columns: Sequence[Column], rows: Sequence[Sequence[str]], shown: Sequence[int]) -> int:
    return sum(_widest(columns[i], [row[i] for row in rows]) + GAP for i in shown)


def _widest(column: Column, cells: Sequence[str]) -> int:
    # A column that folds takes what is left over, but not less than its title.
    return len(column.title) if column.folds else max(len(column.title), *(len(cell) for cell in cells))
