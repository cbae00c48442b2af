"""``gate``: whether the metrics let a change go on."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runnerkit.cli.common import AsJson, echo, ending_well, order, print_json
from runnerkit.cli.summaries import append_to_summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.job.gatefile import Rules
    from runnerkit.job.gating import Judgement

Bounds = list[str] | None


def gate(  # noqa: PLR0917 - typer passes every option by its name
    file: Annotated[str, typer.Option("--file", "-f", help="The gate file, from the project's folder.")] = "gate.toml",
    source: Annotated[
        str,
        typer.Option(
            "--from", help="Where the gate file is read: base, checkout, or auto (base on a pull request that has one)."
        ),
    ] = "auto",
    least: Annotated[Bounds, typer.Option("--min", metavar="NAME=V", help="A metric must be at least this.")] = None,
    most: Annotated[Bounds, typer.Option("--max", metavar="NAME=V", help="A metric must be at most this.")] = None,
    regression: Annotated[
        Bounds,
        typer.Option("--max-regression", metavar="NAME=V|V%", help="How much worse than the base a metric may be."),
    ] = None,
    up: Annotated[Bounds, typer.Option(help="A metric of which more is better.")] = None,
    down: Annotated[Bounds, typer.Option(help="A metric of which less is better.")] = None,
    metrics: Annotated[Bounds, typer.Option("--metrics", help="A metrics file; those of dvc.yaml by default.")] = None,
    base: Annotated[str, typer.Option(help="Compare with this branch or commit instead of GitHub's base.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check the metrics: bounds, and how much worse than the base they may be. Ends with 13 when one does not hold.

    Rules are in gate.toml, which `runnerkit report` shows too, and on the command line. A metric that is missing or not
    a finite number does not hold. Every result is told, on the output and in the step summary.
    """
    from runnerkit.errors import GateFailed
    from runnerkit.job.document import SUMMARY_LIMIT
    from runnerkit.job.gatefile import judged
    from runnerkit.job.place import Place
    from runnerkit.job.values import Directions
    from runnerkit.job.verdicts import summary
    from runnerkit.job.versions import ground

    with ending_well(as_json=as_json):
        directions = Directions(up or (), down or ())
        rules = _rules(file, source, {"min": least or (), "max": most or (), "max_regression": regression or ()})
        place = Place.of(os.environ)
        found = judged(ground(Path.cwd()), place, rules, base=base, files=metrics or (), directions=directions)
        append_to_summary(partial(summary, found), SUMMARY_LIMIT)
        if as_json:
            print_json(found.as_dict())
        else:
            _tell(found)
        if as_json and not found.holds:
            raise typer.Exit(GateFailed.exit_code)
        found.enforce()


def _rules(file: str, source: str, bounds: dict[str, Sequence[str]]) -> Rules:
    from runnerkit.errors import ConfigError
    from runnerkit.job.gatefile import Rules, known_source
    from runnerkit.job.gating import Rule

    said: dict[str, dict[str, str]] = {}
    for key, given in bounds.items():
        for each in given:
            name, separator, value = each.rpartition("=")
            if not separator or not name.strip():
                raise ConfigError(f"--{key.replace('_', '-')} {each} names no metric", hint="write NAME=VALUE")
            said.setdefault(name.strip(), {})[key] = value.strip()
    return Rules(file, known_source(source), tuple(Rule.of(name, each) for name, each in said.items()))


def _tell(found: Judgement) -> None:
    from runnerkit.job.values import one_line

    for note in found.notes:
        order(f"::notice::runnerkit: {note}")
    for each in found.verdicts:
        name = f"{each.file}: {each.metric}" if each.file else each.metric
        why = f" - {one_line(each.why)}" if each.why else ""
        echo(f"{'ok  ' if each.holds else 'FAIL'} {one_line(name)} ({each.rule}){why}")
    if found.holds:
        echo(f"runnerkit: {found.sentence()}")
