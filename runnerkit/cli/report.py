"""``report``: what a job did, on its pull request."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from runnerkit.cli.common import AsJson, ConfigPath, echo, ending_well, order, print_json

Several = list[str] | None


def report(  # noqa: PLR0917 - typer passes every option by its name
    base: Annotated[str, typer.Option(help="Compare with this branch or commit instead of GitHub's base.")] = "",
    key: Annotated[str, typer.Option(help="Tells several reports on one pull request apart.")] = "",
    pr: Annotated[int | None, typer.Option("--pr", min=1, help="The pull request; GitHub says by default.")] = None,
    repo: Annotated[str, typer.Option("--repo", "-r", help="Repository as OWNER/NAME; GitHub says by default.")] = "",
    up: Annotated[Several, typer.Option(help="A metric of which more is better.")] = None,
    down: Annotated[Several, typer.Option(help="A metric of which less is better.")] = None,
    gate: Annotated[str, typer.Option("--gate", metavar="FILE", help="The gate file.")] = "gate.toml",
    gate_from: Annotated[str, typer.Option("--gate-from", help="As --from of runnerkit gate.")] = "auto",
    images: Annotated[
        str, typer.Option(help="Where plots go as pictures: artifact, s3, branch, or none: they are text then.")
    ] = "none",
    store: Annotated[str, typer.Option(help="With --images s3: s3://BUCKET/PREFIX; beside the DVC remote else.")] = "",
    text: Annotated[Several, typer.Option(metavar="FILE", help="Markdown of your own to put in.")] = None,
    link: Annotated[Several, typer.Option(metavar="TITLE=ADDRESS", help="A link below the title.")] = None,
    check: Annotated[str, typer.Option(metavar="NAME", help="Write a check run on the commit as well.")] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Follow the run that goes on, until it is over.")] = False,
    author: Annotated[str, typer.Option(help="The login whose comment may be replaced.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the report; write it nowhere.")] = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Report on the pull request: stages, cost, metrics against base and gate, params, data, plots, a failed log.

    One comment for each key, replaced in place; an older run never overwrites a newer one. The report is also in the
    step summary. Without a pull request, or with a token that may not comment (forks), it is there only.
    """
    from runnerkit.cli.reports import Asked, Desk

    asked = Asked(
        base, key, pr, repo, tuple(up or ()), tuple(down or ()), gate, gate_from, images, store,
        tuple(Path(each) for each in text or ()), tuple(link or ()), check, author, config,
    )  # fmt: skip
    with ending_well(as_json=as_json):
        desk = Desk(asked, os.environ, Path.cwd())
        if watch:
            echo(f"runnerkit: the live report has ended: {desk.follow(echo)}")
            return
        found = desk.gather(place_images=not dry_run)
        done = None if dry_run else desk.publish(found)
    told: dict[str, Any] = {"published": done.what if done else "summary", "url": done.url if done else ""}
    if as_json:
        print_json({**found.as_dict(), "body": found.body(), **told})
    elif dry_run:
        echo(found.body())
    else:
        order(desk.where(done))
