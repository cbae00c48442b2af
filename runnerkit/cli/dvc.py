"""``dvc``: the commands that run a pipeline inside a job."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from runnerkit.cli.beside import Beside, Leaving, RunName
from runnerkit.cli.common import AsJson, echo, ending_well, print_json
from runnerkit.cli.credentials import RoleArn, renew
from runnerkit.cli.notify import telling
from runnerkit.cli.summaries import append_to_summary
from runnerkit.plain import annotation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.job.looking import Answer
    from runnerkit.job.result import Result

app = typer.Typer(help="Run a DVC pipeline inside a job.", rich_markup_mode=None, no_args_is_help=True)


@app.command("run")
def run(  # noqa: PLR0917 - typer passes every option by its name
    targets: Annotated[list[str] | None, typer.Argument(help="Stages; the whole pipeline by default.")] = None,
    no_push: Annotated[bool, typer.Option("--no-push", help="Send nothing to the remote.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show which stages would run; run nothing.")] = False,
    unfreeze: Annotated[
        list[str] | None, typer.Option(help="A frozen stage that is not frozen in this run; repeatable.")
    ] = None,
    force: Annotated[
        list[str] | None, typer.Option(help="A stage that runs although nothing changed for it; repeatable.")
    ] = None,
    set_param: Annotated[
        list[str] | None,
        typer.Option("--set-param", "-S", help="A param for this run alone: [FILE:]NAME=VALUE; repeatable."),
    ] = None,
    checkpoint_every: Annotated[
        float, typer.Option(min=1, help="Seconds between two looks at a running stage's checkpoints.")
    ] = 60.0,
    notify: Annotated[
        list[str] | None,
        typer.Option("--notify", metavar="TARGET", help="Told of start and end: sns:ARN, slack:URL, webhook:URL."),
    ] = None,
    lock: Annotated[
        str, typer.Option(help="How dvc.lock comes back: artifact, s3, pr, commit, none; artifact by default.")
    ] = "",
    kind: Annotated[
        str, typer.Option("--type", help="The run's type in the registry, such as candidate or test.")
    ] = "",
    note: Annotated[str, typer.Option(help="A note for the registry.")] = "",
    no_record: Annotated[bool, typer.Option("--no-record", help="Leave no record in the registry of runs.")] = False,
    name: RunName = "",
    store: Beside = "",
    role_arn: RoleArn = "",
    as_json: AsJson = False,
) -> None:
    """Run the pipeline: restore what was computed before, run the rest, push what is finished, survive spot.

    Stages whose results are on the remote are restored, with or without a dvc.lock. Finished stages are pushed while
    the next one runs. On a spot notice they are pushed at once, and the pipeline is interrupted in time. The result is
    in .runnerkit/run.json, from which `runnerkit report` reads it.

    What --unfreeze and --set-param change in files is as before when the command ends. When all is pushed, dvc.lock and
    metrics are left for others (--lock), and the registry knows of the run (`runnerkit runs list`).
    """
    from runnerkit.job.running import Options, Pipeline
    from runnerkit.stores import remote_store

    pipeline, say = None, _Speaker(to_stderr=as_json)
    leaving = Leaving(lock, store, name, not no_record, kind, note)
    options = Options(
        tuple(targets or ()),
        push=not no_push,
        unfreeze=tuple(unfreeze or ()),
        force=tuple(force or ()),
        params=tuple(set_param or ()),
        keep_every=checkpoint_every,
    )
    try:
        with ending_well(as_json=as_json), telling(None if dry_run else notify or (), say) as listeners:
            leaving.check(push=not no_push, overrides=options.params)
            renew(role_arn)
            pipeline = Pipeline(options, say=say, stores=remote_store, listeners=listeners)
            leaving.join(pipeline, push=not no_push, say=say)
            result = pipeline.preview() if dry_run else pipeline.run()
    finally:
        if pipeline is not None and not dry_run:
            _summarize(pipeline.result)
    if as_json:
        print_json(result.as_dict())
    else:
        echo(_sentence(result))


@app.command("check")
def check(
    targets: Annotated[list[str] | None, typer.Argument(help="Stages; the whole pipeline by default.")] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 14 when there is work, as scripts may want it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell whether anything would run, without data and within seconds.

    Writes work=true or work=false to GITHUB_OUTPUT. Where it cannot be told, there is work.
    """
    from runnerkit.cli.actions import write_values
    from runnerkit.errors import WORK

    with ending_well(as_json=as_json):
        told = answer(targets or ())
        write_values({"work": str(told.work).lower()}, os.environ)
    if as_json:
        print_json({"work": told.work, "would_run": told.run, "unknown": told.unknown})
    else:
        echo(f"runnerkit: {told.words()}")
    if told.work and exit_code:
        raise typer.Exit(WORK)


def answer(targets: Sequence[str] = ()) -> Answer:
    """Whether there is work in the pipeline of this folder; DVC's own words go to the errors."""
    from runnerkit.job.running import Options, Pipeline

    return Pipeline(Options(tuple(targets), push=False), say=_Speaker(to_stderr=True)).answer()


class _Speaker:
    """Writes lines as they come; one that nobody reads any more must not end the pipeline."""

    def __init__(self, *, to_stderr: bool) -> None:
        self._to_stderr = to_stderr

    def __call__(self, line: str) -> None:
        stream = sys.stderr if self._to_stderr else sys.stdout
        try:
            stream.write((annotation(line) if line.startswith("::") else line) + "\n")
            stream.flush()
        except (OSError, ValueError, AttributeError):
            return


def _summarize(result: Result) -> None:
    from runnerkit.job.result import summary

    append_to_summary(summary(result))


def _sentence(result: Result) -> str:
    from runnerkit.job.progress import State
    from runnerkit.job.result import duration

    if result.outcome == "preview":
        would = [stage.name for stage in result.stages if stage.state == State.RUN]
        rest = [stage.name for stage in result.stages if stage.state == State.NOT_REACHED]
        unknown = f"; what becomes of {', '.join(rest)} depends on what they write" if would and rest else ""
        return f"would run: {', '.join(would)}{unknown}" if would else "nothing would run"
    pushed = f", pushed ({result.pushes} pushes)" if result.pushes else ""
    return (
        f"runnerkit: {result.count(State.RUN)} stages run, {result.count(State.RESTORED)} restored, "
        f"{result.count(State.UNCHANGED)} unchanged in {duration(result.seconds)}{pushed}"
    )
