"""``setup github``: the App or the token, its webhook, and what workflows read from a repository's settings."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runnerkit.cli.common import AsJson, ConfigPath, DryRun, Repo, configuration, ending_well, repositories
from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.cli.setup_roles import Roles
    from runnerkit.config import Config
    from runnerkit.names import Secret

STOPPED = "interrupted; what was made stays, and the same command goes on from there"


def github(
    *,
    repo: Repo = None,
    app: Annotated[
        bool | None,
        typer.Option("--app/--token", help="A GitHub App (for organisations and controllers) or a token of yours."),
    ] = None,
    personal: Annotated[
        bool, typer.Option("--personal", help="The App belongs to a user, not an organisation.")
    ] = False,
    name: Annotated[str, typer.Option(help="The App's name; runnerkit-OWNER by default.")] = "",
    hook_url: Annotated[
        str, typer.Option("--hook-url", help="Where webhooks are sent, instead of serve.public_url.")
    ] = "",
    role: Annotated[str, typer.Option(help="ARN of the launch role, for the variable AWS_ROLE.")] = "",
    job_role: Annotated[str, typer.Option(help="ARN of the jobs' role, for the variable AWS_JOB_ROLE.")] = "",
    region: Annotated[str, typer.Option(help="For the variable AWS_REGION.")] = "",
    variable: Annotated[
        list[str] | None, typer.Option(help="One more variable as NAME=VALUE; may be repeated.")
    ] = None,
    environment: Annotated[str, typer.Option(help="Environment in which people approve runs; made if missing.")] = "",
    reviewer: Annotated[list[str] | None, typer.Option(help="Login of who approves there; may be repeated.")] = None,
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Store the token (RUNNERKIT_TOKEN) or the App's key as a secret.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite variables and webhooks that differ.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take back what this command made.")] = False,
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Read your token from standard input.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for keys, instead of the state folder.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of the page on this computer.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser, or print addresses.")] = True,
    wait: Annotated[int, typer.Option(min=1, max=3_600, help="Seconds to wait for a person at GitHub.")] = 900,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before doing it.")] = False,
    dry_run: DryRun = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Make what runnerkit needs at GitHub: an App or a token, a webhook, variables, an environment.

    Shows the plan first. A second run changes nothing. Keys go into files that only you can read.
    """
    with ending_well(as_json=as_json, interrupted=STOPPED):
        from runnerkit.cli.setup_app import Way
        from runnerkit.cli.setup_asked import Asked, hook_of, owner_of, variables_of
        from runnerkit.cli.setup_run import Run

        settings = configuration(config)
        served = tuple(repositories(settings, repo))
        url = hook_of(hook_url) or settings.serve.public_url or ""
        wants_app = _wants_app(settings, served, url) if app is None else app
        variables = variables_of(variable or (), {"AWS_ROLE": role, "AWS_REGION": region, "AWS_JOB_ROLE": job_role})
        if not (remove or wants_app or "AWS_ROLE" in variables):
            found = _roles(settings, served)
            variables, environment = {**found.variables, **variables}, environment or found.environment
        if reviewer and not environment:
            raise ConfigError("--reviewer needs --environment", hint="name the environment in which they approve")
        asked = Asked(
            config=settings,
            repos=served,
            owner=owner_of(served, settings.github.organization),
            personal=personal,
            app=wants_app,
            name=name,
            hook_url=url,
            variables=variables,
            environment=environment,
            reviewers=tuple(dict.fromkeys(reviewer or ())),
            secrets=secrets,
            replace=replace,
            token=_token(settings, from_stdin=token_stdin),
            out=out,
        )
        run = Run(asked, Way(browser=browser, port=port, seconds=wait), as_json=as_json, yes=yes, dry_run=dry_run)
        if remove:
            run.remove()
        else:
            run.make(Path(config) if config else Path("runnerkit.toml"))


def _roles(settings: Config, served: Sequence[str]) -> Roles:
    """What `setup aws` made, where repositories are named one by one."""
    from runnerkit.cli.setup_app import say
    from runnerkit.cli.setup_roles import Roles, roles

    single = [repo for repo in served if not repo.endswith("/*")]
    found = roles(settings, single, os.environ) if single else Roles()
    if found.why:
        say(found.why)
    return found


def _wants_app(config: Config, repos: Sequence[str], hook_url: str) -> bool:
    """An App where several are served or a controller runs; a token where somebody has given one."""
    github = config.github
    if github.app_id or github.token:
        return github.app_id is not None
    return bool(github.organization or hook_url or len(repos) > 1 or any(each.endswith("/*") for each in repos))


def _typed() -> str:
    """A line of standard input; one that is typed on a terminal is not shown there."""
    if sys.stdin is not None and sys.stdin.isatty():
        from getpass import getpass

        return getpass("token: ").strip()
    return sys.stdin.readline().strip() if sys.stdin is not None else ""


def _token(config: Config, *, from_stdin: bool) -> Secret | None:
    """A person's token: standard input, our variable, then the variables that GitHub's own tools read."""
    from runnerkit.names import Secret

    if from_stdin:
        text = _typed()
        if not text:
            raise ConfigError(
                "standard input holds no token", hint="pipe it: `gh auth token | runnerkit setup github ...`"
            )
        return Secret(text)
    if config.github.token is not None:
        return Secret(config.github.token.get_secret_value().strip())
    found = os.environ.get("GH_TOKEN") or os.environ.get("GITHUB_TOKEN")
    return Secret(found.strip()) if found else None
