"""``ami``: images are baked from recipes, listed, checked and pruned."""

from __future__ import annotations

import typer

from runnerkit.cli import bake, shelf

app = typer.Typer(
    help="Images of machines: bake them from recipes, list, check and prune them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("bake")(bake.bake)
app.command("recipes")(bake.recipes)
app.command("list")(shelf.list_)
app.command("prune")(shelf.prune)
app.command("check")(shelf.check)
