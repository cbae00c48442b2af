"""``config show`` and ``config check``: what is configured, where it comes from, and whether it can be used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import typer

from runnerkit.cli.common import AsJson, ConfigPath, echo, ending_well, print_json

app = typer.Typer(help="Show and check the configuration.", rich_markup_mode=None, no_args_is_help=True)


@app.command("show")
def show(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Print every setting that differs from its default, and where it comes from; secrets are masked."""
    from runnerkit.config import load

    with ending_well(as_json=as_json):
        loaded, origins = load(os.environ, Path.cwd(), config)
    values = loaded.model_dump(mode="json", exclude_defaults=True)
    if as_json:
        print_json(values)
        return
    for path, value in _flat(values):
        echo(f"{'.'.join(path)} = {value!r}  ({origins.get(path, 'default')})")
    if not values:
        echo("everything is at its default")


@app.command("check")
def check(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Read the configuration and say whether it can be used. Exit code 2 when it cannot."""
    from runnerkit.config import load

    with ending_well(as_json=as_json):
        loaded, _ = load(os.environ, Path.cwd(), config)
    if as_json:
        print_json({"ok": True, "specs": sorted(loaded.specs), "repositories": loaded.github.repositories})
    else:
        echo(f"ok: {len(loaded.specs)} specs, {len(loaded.github.repositories)} repositories")


def _flat(values: dict[str, Any], at: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    rows: list[tuple[tuple[str, ...], Any]] = []
    for key, value in values.items():
        rows += _flat(value, (*at, key)) if isinstance(value, dict) else [((*at, key), value)]
    return rows
