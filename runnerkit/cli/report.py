"""``report``: what a job did, on its pull request."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runnerkit.cli.common import AsJson, ConfigPath, ending_well, print_json
from runnerkit.cli.summaries import append_to_summary

if TYPE_CHECKING:
    from runnerkit.config import Config
    from runnerkit.job.place import Place
    from runnerkit.job.publishing import Published
    from runnerkit.job.reporting import Report


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
