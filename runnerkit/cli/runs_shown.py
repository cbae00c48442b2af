"""The registry of runs, shown to people."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from runnerkit.cli.common import echo
from runnerkit.cli.tables import Column, print_table
from runnerkit.job.result import duration
from runnerkit.job.values import shown, shown_delta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.job.registry.comparing import Comparison
    from runnerkit.job.registry.record import Record
    from runnerkit.job.values import Directions

# What a narrow terminal can do without goes first.
SPARE = {"note": 5, "machine": 4, "commit": 3, "took": 2, "cost": 1}


def print_rows(records: Sequence[Record], metrics: Sequence[str]) -> None:
    """A line for each run; of metrics those that are asked for."""
    if not records:
        echo("no runs")
        return
    titles = ["run", "type", "outcome", "started (UTC)", "took", "commit", "machine", "cost", *metrics, "note"]
    rows = [
        [
            record.id, record.type or "-", record.outcome, _when(record.started), duration(record.seconds),
            record.sha[:8], " ".join(filter(None, (record.instance, record.market))) or "-", _dollars(record.cost),
            *(_metric(record, name) for name in metrics), _short(record.note),
        ]
        for record in records
    ]  # fmt: skip
    _table(titles, rows)


def _metric(record: Record, name: str) -> str:

    fitting = [value for key, value in record.metrics.items() if name in {key, key.partition(": ")[2]}]
    return shown(fitting[0]) if fitting else "-"


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))


def _dollars(cost: float | None) -> str:
    return "-" if cost is None else f"${cost:.{2 if cost >= 1 else 4}f}"


def _short(note: str, most: int = 40) -> str:
    one = " ".join(note.split())
    return one if len(one) <= most else f"{one[: most - 1]}…"


def lines(record: Record) -> list[str]:
    """Everything about a run."""
    machine = " ".join(filter(None, (record.instance, record.market, record.zone)))
    price = f"${record.price:.3f}/h, {_dollars(record.cost)}" if record.price is not None else ""
    facts = {
        "run": record.id, "type": record.type, "note": record.note, "outcome": record.outcome, "error": record.error,
        "commit": f"{record.sha} {record.ref}".strip(), "started": _when(record.started) + " UTC",
        "took": duration(record.seconds), "machine": machine, "price": price, "link": record.link, "lock": record.lock,
        "interrupted": "by AWS" if record.interrupted else "", "stages": ", ".join(
            f"{name} ({state})" for name, state in record.stages.items()
        ),
    }  # fmt: skip
    told = [f"{name:<12} {value}" for name, value in facts.items() if value]
    for title, values in (("inputs", record.inputs), ("metrics", record.metrics), ("params", record.params)):
        told += ["", title, *(f"  {name} = {shown(value)}" for name, value in values.items())] if values else []
    return told


def print_comparison(ids: tuple[str, str], found: Comparison, directions: Directions, *, every: bool) -> None:
    """What differs between two runs, or everything."""
    pairs = [(name, pair) for name, pair in found.facts.items() if every or pair[0] != pair[1]]
    _table(["", *ids], [[name, shown(old), shown(new)] for name, (old, new) in pairs])
    for title, changes in (("inputs", found.inputs), ("metric", found.metrics), ("param", found.params)):
        several = len({each.file for each in changes}) > 1
        rows = [
            [
                f"{each.file}: {each.name}" if several else each.name, shown(each.old), shown(each.new),
                shown_delta(each), directions.verdict(each) if title == "metric" else "",
            ]
            for each in changes
            if every or not each.same
        ]  # fmt: skip
        if rows:
            echo("")
            _table([title, *ids, "change", ""], rows)
        elif changes:
            echo(f"\n{len(changes)} {title}s, all equal")


def _table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    from rich.markup import escape

    if rows:
        columns = [Column(title, spare=SPARE.get(title, 0)) for title in titles]
        print_table(columns, [[escape(str(cell)) for cell in row] for row in rows])
