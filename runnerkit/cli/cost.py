"""``cost``: what machines cost by run, job, repository, day or spec, what spot saved, and what was wasted."""

from __future__ import annotations

import csv
import sys
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from runnerkit.cli.common import AsJson, ConfigPath, Repo, configuration, echo, ending_well, print_json
from runnerkit.cli.tables import Column, print_table
from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runnerkit.config import Config
    from runnerkit.model import Instance
    from runnerkit.ports import Cloud
    from runnerkit.spending import Bill, Line, Sources
    from runnerkit.spending.words import Budget

UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
# Machines live for five days at most, so what was launched before that is over when a span begins.
LONGEST_LIFE = timedelta(days=5, hours=1)
# No machine of EC2 is older, and days before the first of all cannot be counted.
EARLIEST = datetime(2006, 8, 1, tzinfo=UTC)
MEANS = {
    "work": "jobs at work",
    "boot": "launch to online",
    "idle": "online without a job",
    "after": "job over to gone",
    "repeated": "interrupted or run again; what was restored is not subtracted",
    "failed": "never online",
    "unknown": "nobody noted what for",
}


def cost(
    by: Annotated[str, typer.Option("--by", help="run, job, repo, day or spec.")] = "run",
    since: Annotated[
        str, typer.Option("--since", help="From when on: 24h, 7d, 2w, or a date such as 2026-11-01 (UTC).")
    ] = "7d",
    until: Annotated[str, typer.Option("--until", help="Until when, likewise; now by default.")] = "",
    repo: Repo = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the lines as CSV, for spreadsheets.")] = False,
) -> None:
    """Show what machines cost, what spot saved, what was wasted, and what is left of budgets. Changes nothing.

    From the journal and from what lives now. What is not known is said, and never counted as zero.
    """
    with ending_well(as_json=as_json):
        from runnerkit.spending import By, bill

        if by not in set(By):
            raise ConfigError(f"{by!r} is nothing to add up by", hint=f"there are {', '.join(By)}")
        if as_json and as_csv:
            raise ConfigError("--json and --csv exclude each other")
        settings = configuration(config)
        now = datetime.now(tz=UTC)
        begin, end = moment(since, now), min(moment(until, now), now) if until else now
        if begin >= end:
            raise ConfigError(f"nothing lies between {begin:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M} UTC")
        found = bill(_sources(settings, begin, now), settings.policy, begin, end, by=By(by), repos=tuple(repo or ()))
    if as_json:
        print_json(found.as_dict())
    elif as_csv:
        _print_csv(found)
    else:
        show(found)


def moment(text: str, now: datetime) -> datetime:
    """A time as people give it: how long ago, a day (UTC), or a whole ISO 8601 time.

    Raises:
        ConfigError: It is none.
    """
    from runnerkit.moments import aware

    number, unit = text.strip()[:-1], text.strip()[-1:]
    if number.isascii() and number.isdigit() and unit in UNITS and len(number) <= len("9999"):
        return now - int(number) * UNITS[unit]
    try:
        return aware(text.strip())
    except (ValueError, OverflowError):
        raise ConfigError(f"{text!r} is no time", hint="such as 24h, 7d, 2w, or a date such as 2026-11-01") from None


def _sources(settings: Config, since: datetime, now: datetime) -> Sources:
    from runnerkit import app
    from runnerkit.ec2.prices import price_table
    from runnerkit.spending import Sources
    from runnerkit.spending.stays import KINDS
    from runnerkit.system import SystemClock
    from runnerkit.why.unwritten import Unwritten

    # Budgets are about today, whatever is asked for.
    first = min(max(since, EARLIEST), datetime.combine(now.date(), time(), tzinfo=UTC)) - LONGEST_LIFE
    notes = Unwritten(app.journal(settings)).notes(first, KINDS)
    table, instances = price_table(), _instances(app.cloud(settings, SystemClock()))
    return Sources(notes, instances, now, table.dated, settings.journal.kept_days, table.on_demand)


def _instances(cloud: Cloud) -> Sequence[Instance] | None:
    """What EC2 shows; None when it cannot be read, which leaves less known and is no error."""
    from runnerkit.errors import CloudError

    try:
        return cloud.instances()
    except CloudError as error:
        echo(f"EC2 cannot be read: {error.message}", err=True)
        return None


# --- for people -------------------------------------------------------------------------------------------------------


def show(found: Bill) -> None:
    """Print a bill: its lines, the total, what was wasted, budgets, where prices are from, what is not known."""
    live = "" if found.live is None else f", {found.live} running now"
    span = f"{found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC"
    echo(f"{span}: {_count(found.total.machines, 'machine')}{live}\n")
    if found.lines:
        print_table(_columns(found.by), [_cells(line) for line in (*found.lines, found.total)])
        echo("")
    for title, text in _facts(found):
        echo(f"{title:<11}{text}")


def _columns(by: str) -> tuple[Column, ...]:
    return (
        Column(by.upper(), folds=True),
        Column("MACHINES", right=True, spare=4),
        Column("HOURS", right=True, spare=3),
        Column("DOLLARS", right=True),
        Column("SAVED", right=True),
        Column("", right=True, spare=2),
        Column("WASTE", right=True),
        Column("", right=True, spare=1),
    )


def _cells(line: Line) -> list[str]:
    known = line.known_dollars is not None
    saved = line.spot_machines > line.unsaved
    return [
        line.key,
        str(line.machines),
        f"{line.hours:.2f}",
        _at_least(line) + f"{line.dollars:.2f}" if known else "unknown",
        f"{line.saved:.2f}" if saved else "unknown" if line.unsaved else "-",
        _percent(line.saved_share),
        f"{line.waste:.2f}" if known else "unknown",
        _percent(line.share(line.waste)) if known else "-",
    ]


def _at_least(line: Line) -> str:
    return ">= " if line.open_ended or line.unpriced else ""


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _facts(found: Bill) -> Iterator[tuple[str, str]]:
    yield from _waste(found.total)
    if found.total.failed_launches:
        yield "launches", f"{found.total.failed_launches} came to nothing, and cost nothing"
    for budget in found.budgets:
        yield "budget", _budget(budget)
    yield "prices", f"spot: {found.prices['spot']}"
    yield "", f"on demand: {found.prices['on_demand']}"
    for sentence in found.unknown:
        yield "not known", sentence


def _waste(total: Line) -> Iterator[tuple[str, str]]:
    if not total.machines or total.known_dollars is None:
        return
    for part, dollars in total.part_dollars.items():
        if part != "unknown" or total.part_seconds[part]:
            yield part, f"{dollars:8.2f} dollars {_percent(total.share(dollars)):>4}  {MEANS[part]}".rstrip()


def _budget(budget: Budget) -> str:
    of = "" if budget.pattern == "*" else f" for {budget.pattern}"
    spent = f"{budget.spent:.2f} of {budget.limit:.2f} dollars spent today (UTC){of}"
    if budget.spent >= budget.limit:
        return f"{spent}: nothing is launched until midnight"
    return f"{spent}, {budget.left:.2f} left"


# --- for programs -----------------------------------------------------------------------------------------------------


def _print_csv(found: Bill) -> None:
    """A row for each line; what is unknown is empty. A text that a spreadsheet would compute is kept a text."""
    rows = [_flat(line, found.by) for line in found.lines]
    writer = csv.DictWriter(sys.stdout, list(_flat(found.total, found.by)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _flat(line: Line, by: str) -> dict[str, object]:
    told = line.as_dict()
    key, parts = str(told.pop("key")), told.pop("parts")
    flat = {by: f"'{key}" if key[:1] in {"=", "+", "-", "@", "\t", "\r"} else key, **told}
    for part, sums in parts.items():
        flat |= {f"{part}_hours": round(sums["seconds"] / 3600, 4), f"{part}_dollars": sums["dollars"]}
    return flat
