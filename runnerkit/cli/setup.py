"""``setup``: what runnerkit stands on, made once on AWS and at GitHub."""

from __future__ import annotations

import typer

from runnerkit.cli import setup_aws, setup_github

app = typer.Typer(
    help="Make what runnerkit needs on AWS and at GitHub, once.", rich_markup_mode=None, no_args_is_help=True
)
app.command("aws")(setup_aws.aws)
app.command("github")(setup_github.github)
