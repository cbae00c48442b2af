"""``once``, ``run``, ``plan`` and ``sweep``: passes over the world."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runnerkit.cli.common import (
    PARTLY,
    AsJson,
    ConfigPath,
    DryRun,
    Repo,
    configuration,
    echo,
    ending_well,
    narrator,
    print_json,
    repositories,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.actions import Action
    from runnerkit.fleet import Fleet
    from runnerkit.passes import Pass


def _fleet(config_path: Path | None, repo: list[str] | None, *, as_json: bool) -> Fleet:
    from runnerkit import app

    config = configuration(config_path)
    return app.fleet(config, repos=repositories(config, repo), events=narrator(as_json=as_json))


def once(repo: Repo = None, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """One pass: launch for every queued job that asks for us, end every machine that is due."""
    with ending_well(as_json=as_json):
        fleet = _fleet(config, repo, as_json=as_json)
        done = fleet.once()
    unread = _unread(done, fleet.repos)
    if as_json:
        print_json({**_as_dict(done), "unread": unread})
    if done.failed or unread:
        raise typer.Exit(PARTLY)


def _unread(done: Pass, repos: Sequence[str]) -> list[str]:
    """The repositories that GitHub could not be read about."""
    return [repo for repo in repos if repo.lower() not in done.observed.repos]


def run(
    repo: Repo = None,
    interval: Annotated[float, typer.Option(min=1.0, help="Seconds between two passes.")] = 30.0,
    passes: Annotated[int | None, typer.Option(min=1, help="End after so many passes.")] = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Pass after pass, polling GitHub, until interrupted."""
    with ending_well(as_json=as_json):
        _fleet(config, repo, as_json=as_json).run(interval, passes=passes)


def plan(repo: Repo = None, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Show what `once` would do now, and why jobs wait or are refused; do nothing."""
    with ending_well(as_json=as_json):
        preview = _fleet(config, repo, as_json=as_json).preview()
    if as_json:
        print_json(_as_dict(preview))
        return
    _say_plan(preview)


def sweep(
    repo: Repo = None,
    dry_run: DryRun = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """End every machine that is due and remove what launches left behind; launch nothing.

    Without a repository only lifetimes and leftovers are looked at.
    """
    from runnerkit import app

    with ending_well(as_json=as_json):
        settings = configuration(config)
        served = repo or settings.github.repositories
        fleet = app.fleet(settings, repos=served, events=narrator(as_json=as_json))
        done, leftovers = fleet.sweep(dry_run=dry_run)
    if as_json:
        print_json({**_as_dict(done), "leftovers": [asdict(leftover) for leftover in leftovers]})
    elif dry_run:
        _say_plan(done)
        for leftover in leftovers:
            echo(f"would remove {leftover.kind} {leftover.id} ({leftover.name})")
    elif not done.outcomes and not leftovers:
        echo("nothing to sweep")
    if done.failed:
        raise typer.Exit(PARTLY)


def _say_plan(preview: Pass) -> None:
    for action in preview.plan.actions:
        echo(f"would {_verb(action)} {action.name}{_details(action)}")
    for waiting in preview.plan.waiting:
        echo(f"job {waiting.job.id} of {waiting.job.repo} waits: {waiting.why}")
    for refused in preview.refused:
        echo(f"job {refused.job.id} of {refused.job.repo} is refused: {refused.error.message}")
    if not (preview.plan.actions or preview.plan.waiting or preview.refused):
        echo("nothing to do")


def _verb(action: Action) -> str:
    return type(action).__name__.lower()


def _details(action: Action) -> str:
    reason = getattr(action, "reason", "")
    labels = getattr(action, "labels", ())
    return f": {reason}" if reason else f" for {', '.join(labels)}" if labels else ""


def _as_dict(done: Pass) -> dict[str, Any]:
    outcomes = {id(outcome.action): outcome for outcome in done.outcomes}
    return {
        "actions": [
            {
                "action": _verb(action),
                "runner": str(action.name),
                "reason": getattr(action, "reason", ""),
                "done": id(action) in outcomes and outcomes[id(action)].done,
                "skipped": outcomes[id(action)].note if id(action) in outcomes else "",
                "error": e.as_dict() if id(action) in outcomes and (e := outcomes[id(action)].error) else None,
            }
            for action in done.plan.actions
        ],
        "waiting": [{"job": w.job.id, "repo": w.job.repo, "why": w.why} for w in done.plan.waiting],
        "refused": [{"job": r.job.id, "repo": r.job.repo, "error": r.error.as_dict()} for r in done.refused],
        "machines": sum(instance.live for instance in done.observed.instances),
    }
