"""``batch``: commands on AWS Batch."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runnerkit.cli.batching import job_tags, opened, said, span, split, stem, to_errors, to_output
from runnerkit.cli.common import AsJson, ConfigPath, DryRun, configuration, echo, ending_well, fail, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runnerkit.batch.aws import AwsBatch
    from runnerkit.batch.outcome import Outcome
    from runnerkit.batch.running import Order, Run
    from runnerkit.batch.wish import Container, Machines

UBUNTU = "public.ecr.aws/docker/library/ubuntu:24.04"
CONTAINER, MACHINES, WAITING = "Container", "Machines", "Waiting"
ENDING = "interrupted; nothing was submitted"
Region = Annotated[str, typer.Option(help="The region; the first of [aws] regions by default.")]
Poll = Annotated[float, typer.Option(min=0.01, max=10, help="Seconds between the first looks at the job.")]

app = typer.Typer(help="Run commands on AWS Batch.", rich_markup_mode=None, no_args_is_help=True)


@app.command("run")
def run(  # noqa: PLR0917 - typer passes every option by its name
    command: Annotated[list[str], typer.Argument(help="The command and its arguments, after --.")],
    image: Annotated[str, typer.Option(help="The container's image.", rich_help_panel=CONTAINER)] = UBUNTU,
    registry_secret: Annotated[str, typer.Option(help="ARN of a secret for a private registry.")] = "",
    gpu: Annotated[str, typer.Option(help="A GPU as in a label: t4, 2xl4, any.", rich_help_panel=MACHINES)] = "",
    types: Annotated[list[str] | None, typer.Option(help="Types or families instead, with commas.")] = None,
    vcpus: Annotated[int, typer.Option(min=0, help="Virtual CPUs; what fits by default.")] = 0,
    memory: Annotated[float, typer.Option(min=0, help="Memory in GiB; what fits by default.")] = 0.0,
    spot: Annotated[bool, typer.Option("--spot/--on-demand", help="The market.")] = True,
    env: Annotated[list[str] | None, typer.Option("--env", "-e", help="NAME=VALUE, or NAME of this process.")] = None,
    secret_env: Annotated[list[str] | None, typer.Option(help="NAME=FROM: a secret or an SSM parameter.")] = None,
    job_role: Annotated[str, typer.Option(help="ARN of the command's own role.")] = "",
    execution_role: Annotated[str, typer.Option(help="ARN of the role that fetches secrets and images.")] = "",
    instance_profile: Annotated[str, typer.Option(help="Instance profile of the machines; ours by default.")] = "",
    queue: Annotated[str, typer.Option(help="An existing job queue.")] = "",
    compute_environment: Annotated[str, typer.Option(help="An existing compute environment.")] = "",
    max_vcpus: Annotated[int, typer.Option(min=1, help="The most that runs at once in one of ours.")] = 256,
    timeout: Annotated[str, typer.Option(help="After this Batch ends an attempt.")] = "1d",
    retries: Annotated[int, typer.Option(help="How often again when the machine is lost; 0 to 9.")] = 2,
    explain_after: Annotated[str, typer.Option(help="How long RUNNABLE until it is said why.")] = "2m",
    give_up_after: Annotated[str, typer.Option(help="How long RUNNABLE at all.")] = "30m",
    name: Annotated[str, typer.Option(help="Tells equal commands of one workflow run apart.")] = "",
    region: Region = "",
    remove: Annotated[bool, typer.Option("--remove", help="Afterwards remove what was made.")] = False,
    poll: Poll = 1.0,
    dry_run: DryRun = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Run a command in a container on AWS Batch as if it ran here: its log comes out, its exit code is returned.

    What it needs is made once and found again: a compute environment, a queue, a job definition. The log goes to
    standard output, what happens to the job to standard error. A signal ends the job.
    """
    from runnerkit.batch.following import Patience
    from runnerkit.batch.wish import Container, Machines, secrets

    with ending_well(as_json=as_json, interrupted=ENDING):
        container = Container(
            image=image, vcpus=vcpus, memory=round(memory * 1024), secrets=secrets(secret_env or ()), job_role=job_role,
            execution_role=execution_role, registry_secret=registry_secret, timeout=span("--timeout", timeout),
            retries=retries,
        )  # fmt: skip
        machines = Machines(
            gpu=gpu, types=split(types), spot=spot, max_vcpus=max_vcpus, profile=instance_profile, queue=queue,
            compute=compute_environment,
        )  # fmt: skip
        patience = Patience(poll, span("--explain-after", explain_after), span("--give-up-after", give_up_after))
        service, order = _ordered(config, region, command, container, machines, env or (), name)
        running = _run(service, order, patience, as_json=as_json)
        if dry_run:
            _preview(running, as_json=as_json)
            return
        _go(running, remove=remove, as_json=as_json)


def _ordered(
    config: Path | None,
    region: str,
    command: Sequence[str],
    container: Container,
    machines: Machines,
    env: Sequence[str],
    name: str,
) -> tuple[AwsBatch, Order]:
    from runnerkit.batch.hardware import fitted
    from runnerkit.batch.running import Order
    from runnerkit.batch.wish import check, variables

    settings = configuration(config)
    environment = variables(env, os.environ)
    check(container, machines, environment)
    service = opened(settings, region)
    sized, types = fitted(container, machines, service.region)
    check(sized, machines, environment)
    placed = (*settings.aws.subnets, *settings.aws.security_groups)
    return service, Order(command, sized, machines, stem(name), types, environment, placed, job_tags())


def _run(service: AwsBatch, order: Order, patience: Any, *, as_json: bool) -> Run:  # noqa: ANN401 - imported when needed
    from runnerkit.batch.running import Run
    from runnerkit.system import SystemClock

    out = to_errors if as_json else to_output
    return Run(service, SystemClock(), order, patience=patience, say=said, out=out, secrets=os.environ)


def _go(running: Run, *, remove: bool, as_json: bool) -> None:
    from runnerkit.errors import RunnerkitError

    outcome = None
    try:
        try:
            outcome = running.go()
        finally:
            if remove and sys.exc_info()[0] is not KeyboardInterrupt:
                _remove(running)
    except KeyboardInterrupt:
        raise running.cancel() from None
    except RunnerkitError as error:
        if as_json:
            print_json({**running.as_dict(), "error": error.as_dict()})
            raise typer.Exit(error.exit_code) from None
        raise
    _end(running, outcome, as_json=as_json)


def _remove(running: Run) -> None:
    done = running.remove()
    for trouble in done.failed:
        said(f"not removed: {trouble}")


def _end(running: Run, outcome: Outcome, *, as_json: bool) -> None:
    error = outcome.error
    if as_json:
        print_json({**running.as_dict(), "error": error.as_dict() if error else None})
    elif error is not None:
        fail(error, as_json=False)
    else:
        said(outcome.text)
    raise typer.Exit(outcome.exit_code)


def _preview(running: Run, *, as_json: bool) -> None:
    found = running.preview()
    if as_json:
        print_json(found)
        return
    have = {True: "exists", False: "would be made"}
    if "compute" in found:
        echo(f"compute environment {found['compute']} ({', '.join(found['types']) or 'types that Batch chooses'})")
    echo(f"job queue {found['queue']}: {have[found['queue_exists']]}")
    echo(f"job definition {found['definition']['jobDefinitionName']}: {have[found['definition_exists']]}")
    echo(f"job {found['job']['jobName']}: {' '.join(found['job']['containerOverrides']['command'])}")


@app.command("status")
def status(region: Region = "", config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Show what there is of ours on Batch: queues, compute environments, and jobs that are not over."""
    from runnerkit.batch.looking import looked

    with ending_well(as_json=as_json):
        settings = configuration(config)
        found = looked(opened(settings, region), settings.aws.owner)
    if as_json:
        print_json(found)
        return
    for kind in ("queues", "computes"):
        for each in found[kind]:
            echo(f"{kind[:-1]:<8} {each['name']}: {each['status']}, {each['state']}{_because(each['reason'])}")
    for job in found["jobs"]:
        echo(f"job      {job['id']} {job['name']}: {job['state']}{_because(job['why'])}")
    if not any(found[kind] for kind in ("queues", "computes", "jobs")):
        echo("nothing of ours is on Batch here")


def _because(why: str) -> str:
    return f" ({why})" if why else ""


@app.command("cancel")
def cancel(
    job: Annotated[str, typer.Argument(help="The job's id, or its name.")],
    region: Region = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """End a job of ours: cancelled when it has no machine yet, terminated when it has."""
    from runnerkit.batch.ending import cancel
    from runnerkit.batch.looking import meant
    from runnerkit.system import SystemClock

    with ending_well(as_json=as_json):
        settings = configuration(config)
        service = opened(settings, region)
        found = meant(service, settings.aws.owner, job)
        ended = cancel(service, SystemClock(), found.id, "cancelled by `runnerkit batch cancel`", within=30) or found
    if as_json:
        print_json({"id": ended.id, "name": ended.name, "state": str(ended.state), "reason": ended.reason})
    else:
        echo(f"{ended.id} is {ended.state}")


@app.command("remove")
def remove(
    force: Annotated[bool, typer.Option("--force", help="Queues with jobs too; ends these jobs.")] = False,
    region: Region = "",
    poll: Poll = 1.0,
    dry_run: DryRun = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Remove everything of ours from Batch: queues, compute environments, job definitions, instance profile.

    Only what bears the tag runnerkit:owner with this installation's value is touched. Logs stay.
    """
    from runnerkit.batch.looking import looked
    from runnerkit.batch.removing import Remover
    from runnerkit.cli.common import PARTLY
    from runnerkit.system import SystemClock

    with ending_well(as_json=as_json):
        settings = configuration(config)
        service = opened(settings, region)
        if dry_run:
            found = looked(service, settings.aws.owner)
            kinds = {"queues": "job queue", "computes": "compute environment"}
            names = [f"{word} {each['name']}" for kind, word in kinds.items() for each in found[kind]]
            told = {"would_remove": names}
        else:
            done = Remover(service, SystemClock(), settings.aws.owner, said, poll).everything(force=force)
            told = done.as_dict()
    if as_json:
        print_json(told)
    elif dry_run:
        stood_on = ", then job definitions and instance profile" if names else ""
        echo(f"would remove {', '.join(names) or 'no queue and no compute environment'}{stood_on}")
    else:
        for trouble in told["failed"]:
            said(f"not removed: {trouble}")
    if told.get("failed") or told.get("kept"):
        raise typer.Exit(PARTLY)
