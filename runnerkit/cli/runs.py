"""``runs``: the registry of runs beside the DVC remote."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runnerkit.cli.beside import Beside, store_of, tell
from runnerkit.cli.common import AsJson, DryRun, echo, ending_well, print_json

if TYPE_CHECKING:
    from runnerkit.job.registry.record import Record
    from runnerkit.job.registry.shelf import Shelf, Wanted

app = typer.Typer(
    help="What ran, with which result: the registry of runs.", rich_markup_mode=None, no_args_is_help=True
)
UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
Kind = Annotated[str, typer.Option("--type", help="Only runs of this type.")]
Outcome = Annotated[str, typer.Option("--outcome", help="Only success, failed, interrupted, cancelled or running.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or GitHub's for its last attempt.")]


@app.command("list")
def list_(
    kind: Kind = "",
    outcome: Outcome = "",
    since: Annotated[str, typer.Option(help="Only runs since then: 12h, 7d, or a date as 2026-11-30.")] = "",
    metric: Annotated[list[str] | None, typer.Option(help="A metric to show; may be given several times.")] = None,
    store: Beside = "",
    as_json: AsJson = False,
) -> None:
    """List the runs, the newest first."""
    with ending_well(as_json=as_json):
        shelf = _shelf(store)
        found, unread = shelf.every(_wanted(kind, outcome, since))
    if unread:
        tell(f"::warning::runnerkit: {unread} files in {shelf.address} are no records of this version")
    if as_json:
        print_json({"runs": [record.as_dict() for record in found], "unreadable": unread})
    else:
        from runnerkit.cli.runs_shown import print_rows

        print_rows(found, metric or [])


@app.command("show")
def show(run: Run, store: Beside = "", as_json: AsJson = False) -> None:
    """Show everything that is known of a run."""
    with ending_well(as_json=as_json):
        record = _shelf(store).one(run)
    if as_json:
        print_json(record.as_dict())
    else:
        from runnerkit.cli.runs_shown import lines

        echo("\n".join(lines(record)))


@app.command("fetch")
def fetch(
    run: Annotated[str, typer.Argument(metavar="[RUN]", help="The run; this workflow run by default.")] = "",
    store: Beside = "",
    as_json: AsJson = False,
) -> None:
    """Write the result of a run into this checkout, so that `runnerkit report` tells of it from another job."""
    from runnerkit.errors import ConfigError
    from runnerkit.job.pipeline import Project
    from runnerkit.job.result import FILE, folder_for_results

    with ending_well(as_json=as_json):
        meant = run or os.environ.get("GITHUB_RUN_ID", "")
        if not meant:
            raise ConfigError("outside of a workflow run it has to be said which run is meant", hint="give its id")
        shelf = _shelf(store)
        record = shelf.one(meant)
        file = folder_for_results(Project.find(Path.cwd()).work) / FILE
        file.write_bytes(shelf.result(record))
    if as_json:
        print_json({"run": record.id, "outcome": record.outcome, "file": str(file)})
    else:
        echo(f"{record.id} ({record.outcome}) written to {file}")


@app.command("compare")
def compare(
    one: Annotated[str, typer.Argument(metavar="A", help="A run.")],
    other: Annotated[str, typer.Argument(metavar="B", help="Another run.")],
    up: Annotated[list[str] | None, typer.Option(help="A metric of which more is better.")] = None,
    down: Annotated[list[str] | None, typer.Option(help="A metric of which less is better.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Show what is equal, too.")] = False,
    store: Beside = "",
    as_json: AsJson = False,
) -> None:
    """Put two runs side by side: facts, metrics, params, and what differs."""
    from runnerkit.job.registry.comparing import side_by_side
    from runnerkit.job.values import Directions

    directions = Directions(up or (), down or ())
    with ending_well(as_json=as_json):
        shelf = _shelf(store)
        before, after = shelf.one(one), shelf.one(other)
        found = side_by_side(before, after)
    if as_json:
        print_json({"a": before.id, "b": after.id, **found.as_dict(directions)})
    else:
        from runnerkit.cli.runs_shown import print_comparison

        print_comparison((before.id, after.id), found, directions, every=every)


@app.command("tag")
def tag(
    run: Run,
    kind: Annotated[str, typer.Argument(metavar="TYPE", help="One word: baseline, candidate, final, test, junk ...")],
    note: Annotated[str | None, typer.Option(help="A note; the old one stays by default.")] = None,
    store: Beside = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Give a run a type and a note."""
    with ending_well(as_json=as_json):
        record = _shelf(store).tag(run, kind, note, dry_run=dry_run)
    if as_json:
        print_json({**record.as_dict(), "dry_run": dry_run})
    else:
        echo(f"{'would tag' if dry_run else 'tagged'} {record.id} as {record.type}: {record.note or 'no note'}")


@app.command("delete")
def delete(
    runs: Annotated[list[str] | None, typer.Argument(metavar="RUN...", help="Ids; or choose by --type.")] = None,
    kind: Kind = "",
    older_than: Annotated[str, typer.Option(help="Only runs older than this (7d by default): 12h, 30d, 8w.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Also young runs, and baseline, candidate, final.")] = False,
    store: Beside = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Delete runs from the registry, with their locks and published reports; never the data that DVC keeps.

    Runs younger than a week and those tagged baseline, candidate or final stay, unless forced.
    """
    from runnerkit.errors import ConfigError
    from runnerkit.job.registry.shelf import YOUNGEST, check_guards

    with ending_well(as_json=as_json):
        if not runs and not kind:
            raise ConfigError("nothing says which runs shall go", hint="give their ids, or --type junk")
        shelf, now = _shelf(store), time.time()
        youngest = _span(older_than) if older_than else YOUNGEST
        found = _meant(shelf, runs, kind, now - youngest)
        if not force:
            check_guards(found, now, youngest=youngest)
        doomed = shelf.doomed(found)
        count = sum(len(each.keys) for each in doomed) if dry_run else shelf.delete(doomed)
    if as_json:
        print_json({"runs": {each.record.id: each.keys for each in doomed}, "things": count, "dry_run": dry_run})
    else:
        for each in doomed:
            echo(f"{each.record.id}  {each.record.type or '-'}  {', '.join(each.keys)}")
        done = "would delete" if dry_run else "deleted"
        echo(f"{done} {len(doomed)} runs, {count} files; data on the DVC remote stays (`dvc gc` is for that)")


def _meant(shelf: Shelf, runs: list[str] | None, kind: str, until: float) -> list[Record]:
    from runnerkit.job.registry.shelf import Wanted

    if runs:
        found = {record.id: record for record in map(shelf.one, runs)}
        return [record for record in found.values() if kind in {"", record.type}]
    return shelf.every(Wanted(type=kind, until=until))[0]


def _shelf(store: str) -> Shelf:
    from runnerkit.job.registry.shelf import Shelf

    return Shelf(store_of(None, store))


def _wanted(kind: str, outcome: str, since: str) -> Wanted:
    from runnerkit.job.registry.shelf import Wanted

    return Wanted(kind, outcome, _moment(since) if since else None)


def _moment(text: str) -> float:
    from datetime import UTC, datetime

    if text[-1:] in UNITS:
        return time.time() - _span(text)
    try:
        said = datetime.fromisoformat(text)
    except ValueError:
        return time.time() - _span(text)
    return (said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp()


def _span(text: str) -> float:
    from runnerkit.errors import ConfigError

    number, unit = text[:-1], text[-1:]
    if unit not in UNITS or not number.isascii() or not number.isdigit():
        raise ConfigError(f"{text!r} is no time span", hint="write 12h, 7d or 8w")
    return float(number) * UNITS[unit]
