"""``ami bake`` and ``ami recipes``: what can be baked, and baking it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runnerkit.cli import completing
from runnerkit.cli.common import (
    AsJson,
    ConfigPath,
    DryRun,
    Repo,
    configuration,
    echo,
    ending_well,
    narrator,
    print_json,
)
from runnerkit.cli.tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runnerkit.baking.plan import Baked, BakeWish, Outlook

INTERRUPTED = "interrupted; the builder and everything made for it is gone, or ends by itself within minutes"


def bake(  # noqa: PLR0917 - options of a command
    recipe: Annotated[
        str, typer.Argument(help="Name of a recipe, or the path of a .toml file.", autocompletion=completing.recipes)
    ],
    base: Annotated[
        str | None, typer.Option("--base", help="Another base: an AMI's id, an SSM parameter, or a recipe's name.")
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", help="AWS region; default: the first configured one.")
    ] = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Instance type of the builder; may be given several times.")
    ] = None,
    spot: Annotated[bool, typer.Option("--spot", help="Build on a spot machine, which AWS may take.")] = False,
    ssh_from: Annotated[
        str | None, typer.Option("--ssh-from", help="Network (CIDR) that may reach the builder; default: this machine.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep-builder/--no-keep-builder", help="After a failed step, let the builder wait.")
    ] = True,
    fresh: Annotated[bool, typer.Option("--fresh", help="End a builder that is there instead of going on.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Bake although such an image exists.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what the steps print.")] = False,
    dry_run: DryRun = False,
    repo: Repo = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Bake an image from a recipe; does nothing when the same image exists.

    A builder is launched and driven over SSH. After a failed step it waits for a while: the same command goes on there.
    """
    from runnerkit import app as wiring
    from runnerkit.baking import recipe_files
    from runnerkit.baking.plan import BakeWish
    from runnerkit.baking.recipe import Base
    from runnerkit.cli.baking import BakeLog
    from runnerkit.system import SeveralEvents

    with ending_well(as_json=as_json, interrupted=INTERRUPTED):
        settings = configuration(config)
        found = recipe_files.load(recipe, recipe_files.folders(Path.cwd()))
        wish = BakeWish(
            region=region,
            base=_base(base, Base) if base else None,
            types=tuple(types or ()),
            spot=spot,
            ssh_from=ssh_from,
            force=force,
            fresh=fresh,
            keep=keep,
        )
        log = BakeLog(wiring.bake_log(found.name), aloud=verbose and not as_json)
        baker = wiring.baker(
            settings,
            repos=tuple(repo or settings.github.repositories),
            events=SeveralEvents(narrator(as_json=as_json), log),
        )
        plan = baker.plan(found, wish)
        if dry_run:
            _show_plan(baker.outlook(plan), wish, as_json=as_json)
            return
        with log:
            baked = baker.bake(plan, wish)
    _show_baked(baked, log.path if log.used else None, as_json=as_json)


def _base(text: str, kind: Any) -> Any:  # noqa: ANN401 - pydantic is imported late
    from pydantic import ValidationError

    from runnerkit.errors import ConfigError

    try:
        return kind.model_validate(text)
    except ValidationError:
        raise ConfigError(
            f"--base {text!r} is neither an AMI's id (ami-...), nor an SSM parameter (/...), nor a recipe's name"
        ) from None


def _show_plan(outlook: Outlook, wish: BakeWish, *, as_json: bool) -> None:
    said = outlook.as_dict()
    if as_json:
        print_json(said)
        return
    rows = [(key, said[key]) for key in ("image", "region", "base", "base_source", "runner", "docker")]
    rows += [
        ("disk", f"{said['disk']} GB; its image costs at most ${outlook.dollars_a_month:.2f} a month"),
        ("builder", _builders(outlook.prices, spot=wish.spot)),
        *((f"step {number}", title) for number, title in enumerate(said["steps"], start=1)),
        *((f"check {number}", title) for number, title in enumerate(said["checks"], start=1)),
    ]
    for key, value in rows:
        echo(f"{key.replace('_', ' '):12} {'-' if value is None else value}")
    echo(_what_happens(outlook, wish))


def _builders(prices: Mapping[str, float | None], *, spot: bool) -> str:
    told = [name if price is None else f"{name} (${price:.3f}/h)" for name, price in prices.items()]
    return f"one of {', '.join(told)}" + ("; on spot it costs less than that" if spot else "")


def _what_happens(outlook: Outlook, wish: BakeWish) -> str:
    image, builder = outlook.exists, outlook.builder
    if image is not None and not wish.force:
        return f"exists already as {image.id}: nothing to bake"
    if builder is not None and wish.fresh:
        return f"nothing was started (--dry-run); a bake would end builder {builder.id} first"
    if builder is not None and builder.kept_until is not None:
        return f"nothing was started (--dry-run); builder {builder.id} waits to be gone on with, if its steps still fit"
    if builder is not None:
        return f"nothing was started (--dry-run); builder {builder.id} is at work, so a bake would be refused now"
    return "nothing was started (--dry-run)"


def _show_baked(baked: Baked, log: Path | None, *, as_json: bool) -> None:
    if as_json:
        print_json({**baked.as_dict(), "log": str(log) if log else None})
        return
    image = baked.image
    if not baked.made:
        echo(f"{image.name} exists already as {image.id} in {image.region}: nothing to bake")
        return
    cost = "" if baked.cost is None else f"; the builder cost about ${baked.cost:.2f}"
    echo(f"{image.id} ({image.name}) in {image.region} after {baked.seconds / 60:.1f} min{cost}")
    if log:
        echo(f"what the steps printed: {log}")


def recipes(as_json: AsJson = False) -> None:
    """Show the recipes that can be named: those of ./ami and those that come with runnerkit."""
    from runnerkit.baking import recipe_files

    with ending_well(as_json=as_json):
        among = recipe_files.folders(Path.cwd())
        there = recipe_files.known(among)
        rows = [(name, recipe_files.load(str(path), among), path) for name, path in sorted(there.items())]
    if as_json:
        told = [(name, found.description, str(found.base), path) for name, found, path in rows]
        print_json([{"recipe": n, "description": d, "base": b, "path": str(p)} for n, d, b, p in told])
        return
    columns = (Column("RECIPE"), Column("BASE", spare=1), Column("ABOUT", folds=True))
    print_table(columns, [(name, str(found.base), found.description) for name, found, _ in rows])
