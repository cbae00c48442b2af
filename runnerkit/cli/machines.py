"""``status`` and ``terminate``: the machines there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from runnerkit.cli.common import (
    PARTLY,
    AsJson,
    ConfigPath,
    Repo,
    configuration,
    echo,
    ending_well,
    narrator,
    print_json,
    repositories,
)
from runnerkit.cli.tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from runnerkit.applying import Outcome
    from runnerkit.passes import MachineStatus, Pass


def status(repo: Repo = None, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Show every machine and registration that is not over, and every queued job with what it waits for."""
    from runnerkit import app
    from runnerkit.system import SystemClock

    with ending_well(as_json=as_json):
        settings = configuration(config)
        fleet = app.fleet(settings, repos=repositories(settings, repo), events=narrator(as_json=as_json))
        preview = fleet.preview()
        machines, queue = fleet.machines(preview), list(_queue(preview))
    if as_json:
        print_json({"machines": [_as_dict(machine) for machine in machines], "queue": queue})
        return
    if not machines:
        echo("no machines")
    else:
        now = SystemClock().now()
        print_table(COLUMNS, [_row(machine, now) for machine in machines])
    for job in queue:
        echo(f"job {job['job']} of {job['repo']} ({', '.join(job['labels'])}): {job['why']}")


def _queue(preview: Pass) -> Iterator[dict[str, Any]]:
    """Each queued job with the reason why it does not run yet."""
    from runnerkit.actions import Launch

    for action in preview.plan.actions:
        if isinstance(action, Launch):
            yield _waits(action.job_id, action.repo, action.labels, "the next pass launches a machine for it")
    for waiting in preview.plan.waiting:
        yield _waits(waiting.job.id, waiting.job.repo, waiting.job.labels, f"waits: {waiting.why}")
    for refused in preview.refused:
        why = f"refused: {refused.error.message}" + (f" ({refused.error.hint})" if refused.error.hint else "")
        yield _waits(refused.job.id, refused.job.repo, refused.job.labels, why)
    for job in preview.unserved:
        yield _waits(job.id, job.repo, job.labels, "nobody serves it: no registered runner has all these labels")


def _waits(job: int | None, repo: str, labels: Sequence[str], why: str) -> dict[str, Any]:
    return {"job": job, "repo": repo, "labels": list(labels), "why": why}


def terminate(
    runners: Annotated[list[str] | None, typer.Argument(help="Runner names or instance ids.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All machines of the repositories.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also those that run a job.")] = False,
    repo: Repo = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """End machines. GitHub is asked first: one that runs a job is spared.

    With --force nobody is asked, so it also works while GitHub does not. Exit code 9 unless every machine named ended.
    """
    from runnerkit import app

    if bool(runners) == every:
        raise typer.BadParameter("name runners or instances, or say --all")
    with ending_well(as_json=as_json):
        settings = configuration(config)
        fleet = app.fleet(settings, repos=repositories(settings, repo), events=narrator(as_json=as_json))
        outcomes = fleet.terminate(None if every else runners, force=force)
    missing = _missing(runners or (), outcomes)
    if as_json:
        print_json({"machines": [_ended(outcome) for outcome in outcomes], "not_found": missing})
    elif not outcomes:
        echo("nothing to terminate")
    if missing and not as_json:
        echo(f"not found among the live machines: {', '.join(missing)}", err=True)
    if missing or not all(outcome.done for outcome in outcomes):
        raise typer.Exit(PARTLY)


def _missing(runners: Sequence[str], outcomes: Sequence[Outcome]) -> list[str]:
    found = {word for o in outcomes for word in (str(o.action.name), getattr(o.action, "instance_id", ""))}
    return [name for name in runners if name not in found]


def _ended(outcome: Outcome) -> dict[str, Any]:
    return {
        "runner": str(outcome.action.name),
        "instance": getattr(outcome.action, "instance_id", None),
        "done": outcome.done,
        "spared": outcome.note,
        "error": outcome.error.as_dict() if outcome.error else None,
    }


COLUMNS = (
    Column("RUNNER"),
    Column("PHASE"),
    Column("INSTANCE", spare=1),
    Column("TYPE"),
    Column("ZONE", spare=4),
    Column("MARKET", spare=2),
    Column("AGE", spare=3),
    Column("ENDS IN"),
)


def _row(machine: MachineStatus, now: datetime) -> list[str]:
    instance, runner = machine.pair.instance, machine.pair.runner
    birth = runner.birth if runner else None
    since = instance.launched_at if instance else birth.at if birth else None
    ends = instance.expires_at if instance else None
    return [
        machine.name,
        machine.phase,
        *((instance.id, instance.type, instance.zone, instance.market) if instance else ("-",) * 4),
        _span((now - since).total_seconds()) if since else "-",
        _span((ends - now).total_seconds()) if ends else "-",
    ]


def _span(seconds: float) -> str:
    whole = max(0, int(seconds))
    for size, letter, part, small in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size}{letter}{whole % size // part}{small}"
    return f"{whole}s"


def _as_dict(machine: MachineStatus) -> dict[str, Any]:
    instance, runner = machine.pair.instance, machine.pair.runner
    return {
        "runner": machine.name,
        "phase": str(machine.phase),
        "repo": machine.pair.repo,
        "runner_id": runner.id if runner else None,
        "online": runner.online if runner else None,
        "busy": runner.busy if runner else None,
        "instance": instance.id if instance else None,
        "type": instance.type if instance else None,
        "zone": instance.zone if instance else None,
        "market": str(instance.market) if instance else None,
        "state": str(instance.state) if instance else None,
        "launched_at": instance.launched_at.isoformat() if instance else None,
        "expires_at": instance.expires_at.isoformat() if instance and instance.expires_at else None,
    }
