"""``dvc``: the commands that run a pipeline inside a job."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from runnerkit.cli.common import AsJson, ending_well, print_json
from runnerkit.cli.summaries import append_to_summary

if TYPE_CHECKING:
    from runnerkit.job.result import Result

app = typer.Typer(help="Run a DVC pipeline inside a job.", rich_markup_mode=None, no_args_is_help=True)


@app.command("run")
def run(
    targets: Annotated[list[str] | None, typer.Argument(help="Stages; the whole pipeline by default.")] = None,
    no_push: Annotated[bool, typer.Option("--no-push", help="Send nothing to the remote.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show which stages would run; run nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the pipeline: restore what was computed before, run the rest, push what is finished, survive spot.

    Stages whose results are on the remote are restored, with or without a dvc.lock. Finished stages are pushed while
    the next one runs. On a spot notice they are pushed at once, and the pipeline is interrupted in time. The result is
    in .runnerkit/run.json, from which `runnerkit report` reads it.
    """
    from runnerkit.job.running import Options, Pipeline

    pipeline = None
    try:
        with ending_well(as_json=as_json):
            pipeline = Pipeline(Options(tuple(targets or ()), push=not no_push), say=_Speaker(to_stderr=as_json))
            result = pipeline.preview() if dry_run else pipeline.run()
    finally:
        if pipeline is not None and not dry_run:
            _summarize(pipeline.result)
    if as_json:
        print_json(result.as_dict())
    else:
        typer.echo(_sentence(result))


class _Speaker:
    """Writes lines as they come; one that nobody reads any more must not end the pipeline."""

    def __init__(self, *, to_stderr: bool) -> None:
        self._to_stderr = to_stderr

    def __call__(self, line: str) -> None:
        stream = sys.stderr if self._to_stderr else sys.stdout
        try:
            stream.write(line + "\n")
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
