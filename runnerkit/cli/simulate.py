"""``simulate``: days of a made-up world in seconds, played by the real fleet; every invariant is watched."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runnerkit.cli import completing
from runnerkit.cli.common import AsJson, echo, ending_well, print_json
from runnerkit.cli.tables import Column, print_table
from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.testing.simulation import Breach, Report, Scenario

BROKEN = 1
MINUTE, HOUR = 60.0, 3600.0
COLUMNS = (
    Column("QUEUED"),
    Column("JOBS", right=True),
    Column("P50", right=True),
    Column("P90", right=True),
    Column("P99", right=True),
    Column("MAX", right=True),
)


def simulate(
    scenario: Annotated[
        str, typer.Argument(help="A scenario that comes along; see --list.", autocompletion=completing.scenarios)
    ] = "",
    file: Annotated[Path | None, typer.Option("--scenario", help="A scenario of your own, as a TOML file.")] = None,
    days: Annotated[float | None, typer.Option(min=0.01, max=60.0, help="Other than the scenario's.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Other than the scenario's: the same luck for the same seed.")
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="Show the scenarios that come along.")] = False,
    as_json: AsJson = False,
) -> None:
    """Play days of jobs, droughts, interruptions and outages against the real controller, in seconds; no account.

    Exits with 1 when an invariant breaks, and tells what happened before.
    """
    with ending_well(as_json=as_json, interrupted="interrupted; nothing was started outside of this process"):
        if listing:
            _list(as_json=as_json)
            return
        report = _play(_chosen(scenario, file), days, seed)
    if as_json:
        print_json(report.as_dict())
    else:
        _show(report)
    for breach in report.breaches if not as_json else ():
        _accuse(breach, report, file)
    raise typer.Exit(0 if report.ok else BROKEN)


def _chosen(name: str, file: Path | None) -> Scenario:
    from runnerkit.testing.simulation import named, read

    if name and file is not None:
        raise ConfigError("a scenario's name and --scenario exclude each other")
    return read(file) if file is not None else named(name or "calm")


def _list(*, as_json: bool) -> None:
    from runnerkit.testing.simulation import built_in, named

    found = [named(name) for name in built_in()]
    if as_json:
        print_json([{"name": each.name, "about": each.about, "days": each.days} for each in found])
    else:
        print_table((Column("SCENARIO"), Column("ABOUT", folds=True)), [[each.name, each.about] for each in found])


def _play(scenario: Scenario, days: float | None, seed: int | None) -> Report:
    from runnerkit.testing.simulation import simulate as play

    shown = sys.stderr is not None and sys.stderr.isatty()
    report = play(scenario, days=days, seed=seed, told=_progress if shown else None)
    if shown:
        sys.stderr.write("\r\x1b[K")
    return report


def _progress(now: float, end: float, machines: int, waiting: int) -> None:
    until = "draining" if now > end else f"{min(1.0, now / end):4.0%}"
    sys.stderr.write(f"\r\x1b[Khour {now / HOUR:.0f}, {until}: {machines} machines, {waiting} jobs waiting")
    sys.stderr.flush()


def _show(report: Report) -> None:
    days = f"{report.days:g} day{'' if report.days == 1 else 's'}"
    echo(f"{report.scenario}, seed {report.seed}: {days}, {report.jobs} jobs of {report.runs} runs\n")
    rows = [
        [label, str(w.jobs), *(_time(seconds) for seconds in (w.p50, w.p90, w.p99, w.max))]
        for label, w in report.queue.items()
    ]
    print_table(COLUMNS, rows)
    echo("")
    for name, text in _facts(report):
        echo(f"{name:<14}{text}")


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    money, waste = report.money, report.waste
    yield "jobs", ", ".join(f"{number} {outcome}" for outcome, number in report.outcomes.items())
    yield (
        "machines",
        (
            f"{report.machines} in {_time(report.machine_seconds)}, at most {report.most_machines} at once; "
            f"{report.refusals} refusals, {report.launch_failures} launches failed, {report.given_up} jobs given up"
        ),
    )
    saved = 1 - money.total / money.all_on_demand if money.all_on_demand else 0.0
    yield (
        "dollars",
        (
            f"{money.total:.2f} ({money.spot:.2f} spot, {money.on_demand:.2f} on demand); "
            f"all on demand {money.all_on_demand:.2f}, so {saved:.0%} saved"
        ),
    )
    parts = ", ".join(f"{kind} {_time(part.seconds)} (${part.dollars:.2f})" for kind, part in waste.items())
    yield "no work", parts
    yield (
        "interruptions",
        (
            f"{report.interruptions} machines taken back, {report.interrupted_jobs} jobs hit, "
            f"{report.survived} of them succeeded later in {report.reruns} re-runs"
        ),
    )
    calls = sum(report.calls.values())
    most = sorted(report.calls.items(), key=lambda item: -item[1])[:4]
    often = ", ".join(f"{name} {number:.2f}" for name, number in most)
    yield "passes", f"{report.passes}, {report.crashes} crashes; {calls:.1f} calls a pass: {often} ..."
    yield "invariants", "all held" if report.ok else "BROKEN"


def _accuse(breach: Breach, report: Report, file: Path | None) -> None:
    from runnerkit.testing.simulation.judge import clock

    which = f"--scenario {file}" if file is not None else report.scenario
    lines = [
        f"broken: {breach.invariant}",
        f"  {clock(breach.at)}: {breach.what}",
        "  what happened before:",
        *(f"    {line}" for line in breach.trace),
        f"  see it again: runnerkit simulate {which} --days {report.days:g} --seed {report.seed}",
    ]
    echo("\n".join(lines), err=True)


def _time(seconds: float) -> str:
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / MINUTE:.0f} min" if seconds < 2 * HOUR else f"{seconds / HOUR:.1f} h"
