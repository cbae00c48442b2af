"""``dvc run`` and ``report``: the commands for inside a job."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runnerkit.cli.common import AsJson, ConfigPath, ending_well, print_json

if TYPE_CHECKING:
    from runnerkit.config import Config
    from runnerkit.job.place import Place
    from runnerkit.job.publishing import Published
    from runnerkit.job.reporting import Report
    from runnerkit.job.result import Result

dvc = typer.Typer(help="Run a DVC pipeline inside a job.", rich_markup_mode=None, no_args_is_help=True)


@dvc.command("run")
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


def append_to_summary(text: str) -> None:
    """Add to GitHub's step summary, where there is one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - the runner names a file to append to
            file.write(text + "\n")
    except OSError as error:
        sys.stderr.write(f"::warning::runnerkit: the step summary could not be written: {error}\n")


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


def report(  # noqa: PLR0917 - typer passes every option by its name
    base: Annotated[str, typer.Option(help="Compare with this branch or commit instead of GitHub's base.")] = "",
    key: Annotated[str, typer.Option(help="Tells several reports on one pull request apart.")] = "",
    pr: Annotated[int | None, typer.Option("--pr", min=1, help="The pull request; GitHub says by default.")] = None,
    repo: Annotated[str, typer.Option("--repo", "-r", help="Repository as OWNER/NAME; GitHub says by default.")] = "",
    up: Annotated[list[str] | None, typer.Option(help="A metric of which more is better.")] = None,
    down: Annotated[list[str] | None, typer.Option(help="A metric of which less is better.")] = None,
    author: Annotated[str, typer.Option(help="The login whose comment may be replaced.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the report; write it nowhere.")] = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Report on the pull request: stages, metrics against the base, params, plots, cost, the log of a failed stage.

    One comment for each key, replaced in place; an older run never overwrites a newer one. The report is also in the
    step summary. Without a pull request, or with a token that may not comment (forks), it is there only.
    """
    from runnerkit.job.document import SUMMARY_LIMIT
    from runnerkit.job.pipeline import Project
    from runnerkit.job.place import Place
    from runnerkit.job.reporting import Report
    from runnerkit.job.values import Directions

    done = None
    with ending_well(as_json=as_json):
        place = Place.of(os.environ)
        project = Project.find(Path.cwd())
        found = Report.gather(project, place, key=key, base=base, directions=Directions(up or (), down or ()))
        number = pr or place.number
        if not dry_run:
            try:
                done = _publish(found, place, repo, number, author, config) if number else None
            finally:
                append_to_summary(found.body(SUMMARY_LIMIT))
    if as_json:
        print_json({**found.as_dict(), "body": found.body(), **_told(done)})
    elif dry_run:
        typer.echo(found.body())
    else:
        typer.echo(_where(done, number))


def _publish(found: Report, place: Place, repo: str, number: int, author: str, config_path: Path | None) -> Published:
    from runnerkit.config import load
    from runnerkit.errors import ConfigError
    from runnerkit.github import GitHubReports
    from runnerkit.job.publishing import publish
    from runnerkit.job.sticky import writer
    from runnerkit.system import SystemClock

    # Not from the checkout, which is the pull request's: no file of it may say where the token goes.
    config: Config = load(os.environ, Path("/"), config_path)[0]
    where = repo or place.repo
    if not where:
        raise ConfigError("the repository is not known", hint="give --repo OWNER/NAME, or set GITHUB_REPOSITORY")
    token = config.github.token.get_secret_value() if config.github.token else ""
    reports = GitHubReports(config.github, clock=SystemClock(), repos=(where,))
    try:
        return publish(found, reports, where, number, writer(author, token))
    finally:
        reports.close()


def _told(done: Published | None) -> dict[str, Any]:
    return {"published": done.what if done else "summary", "url": done.url if done else ""}


def _where(done: Published | None, number: int | None) -> str:
    if done is None:
        return "::notice::runnerkit: this run belongs to no pull request; the report is in the step summary"
    if done.what == "denied":
        return f"::notice::runnerkit: this token may not comment; the report is in the step summary ({done.why})"
    if done.what == "older":
        return f"::notice::runnerkit: the report on #{number} was left as it is: {done.why}"
    return f"report {done.what}: {done.url}"
