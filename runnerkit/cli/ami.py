"""``ami``: images are baked from recipes, listed, checked and pruned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runnerkit.cli.common import (
    AsJson,
    ConfigPath,
    DryRun,
    Repo,
    configuration,
    ending_well,
    narrator,
    print_json,
)
from runnerkit.cli.tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.baking.plan import Baked, BakePlan
    from runnerkit.baking.ports import BakedImage
    from runnerkit.baking.shelf import Verdict
    from runnerkit.config import Config

app = typer.Typer(
    help="Images of machines: bake them from recipes, list, check and prune them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

TOO_OLD = 12
INTERRUPTED = "interrupted; the builder and everything made for it is gone, or ends by itself within minutes"

Region = Annotated[
    str | None, typer.Option("--region", help="AWS region; the first configured one, or for reading all of them.")
]
OneRecipe = Annotated[str | None, typer.Option("--recipe", help="Only images of this recipe.")]


@app.command("bake")
def bake(  # noqa: PLR0917 - options of a command
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or the path of a .toml file.")],
    base: Annotated[
        str | None, typer.Option("--base", help="Another base: an AMI's id, an SSM parameter, or a recipe's name.")
    ] = None,
    region: Region = None,
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
            _show_plan(plan, baker.existing(plan), as_json=as_json)
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


def _show_plan(plan: BakePlan, existing: BakedImage | None, *, as_json: bool) -> None:
    if as_json:
        print_json({**plan.as_dict(), "exists": existing.id if existing else None})
        return
    said = plan.as_dict()
    for key in ("image", "region", "base", "base_source", "runner", "docker", "disk"):
        typer.echo(f"{key.replace('_', ' '):12} {said[key] if said[key] is not None else '-'}")
    typer.echo(f"{'builder':12} one of {', '.join(plan.types)}")
    for number, title in enumerate(said["steps"], start=1):
        typer.echo(f"{f'step {number}':12} {title}")
    for number, title in enumerate(said["checks"], start=1):
        typer.echo(f"{f'check {number}':12} {title}")
    typer.echo(f"exists already as {existing.id}: nothing to bake" if existing else "nothing was started (--dry-run)")


def _show_baked(baked: Baked, log: Path | None, *, as_json: bool) -> None:
    if as_json:
        print_json({**baked.as_dict(), "log": str(log) if log else None})
        return
    image = baked.image
    if not baked.made:
        typer.echo(f"{image.name} exists already as {image.id} in {image.region}: nothing to bake")
        return
    cost = "" if baked.cost is None else f"; the builder cost about ${baked.cost:.2f}"
    typer.echo(f"{image.id} ({image.name}) in {image.region} after {baked.seconds / 60:.1f} min{cost}")
    if log:
        typer.echo(f"what the steps printed: {log}")


@app.command("recipes")
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


@app.command("list")
def list_(region: Region = None, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Show the images that were baked: how old they are, what they cost, and how many machines run from them."""
    from runnerkit import app as wiring
    from runnerkit.baking.shelf import dollars_a_month
    from runnerkit.system import SystemClock

    with ending_well(as_json=as_json):
        settings = configuration(config)
        clock = SystemClock()
        builders, images = wiring.builders_and_images(settings, clock)
        rows = [
            (image, images.users(at).get(image.id, 0))
            for at in ([region] if region else builders.regions())
            for image in images.images(at)
        ]
    if as_json:
        print_json([{**_as_dict(image), "machines": used} for image, used in rows])
    elif not rows:
        typer.echo("no images; `runnerkit ami bake RECIPE` makes one, `runnerkit ami recipes` shows what of")
    else:
        now = clock.now()
        print_table(
            COLUMNS, [_row(image, used, (now - image.created_at).days, dollars_a_month(image)) for image, used in rows]
        )


COLUMNS = (
    Column("RECIPE"),
    Column("IMAGE"),
    Column("REGION", spare=2),
    Column("STATE", spare=3),
    Column("AGE", right=True),
    Column("RUNNER"),
    Column("BASE", spare=5),
    Column("DISK", right=True, spare=4),
    Column("AT MOST $/MONTH", right=True, spare=1),
    Column("MACHINES", right=True),
)


def _row(image: BakedImage, used: int, days: int, dollars: float) -> list[str]:
    return [
        image.recipe,
        image.id,
        image.region,
        image.state,
        f"{days}d",
        image.runner_version or "-",
        image.base or "-",
        f"{image.gigabytes} GB",
        f"{dollars:.2f}",
        str(used),
    ]


def _as_dict(image: BakedImage) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(image), "created_at": image.created_at.isoformat(), "snapshots": list(image.snapshots)}


@app.command("prune")
def prune(
    keep: Annotated[int, typer.Option("--keep", min=1, help="How many images of each recipe stay.")],
    recipe: OneRecipe = None,
    region: Region = None,
    dry_run: DryRun = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Deregister old images and delete their snapshots; never the newest, nor one that a machine runs from."""
    from runnerkit import app as wiring
    from runnerkit.baking.shelf import prunable
    from runnerkit.events import ImageDeleted
    from runnerkit.system import SystemClock

    with ending_well(as_json=as_json):
        settings = configuration(config)
        events = narrator(as_json=as_json)
        builders, images = wiring.builders_and_images(settings, SystemClock())
        done: list[dict[str, Any]] = []
        for at in [region] if region else builders.regions():
            there = [image for image in images.images(at) if recipe in {None, image.recipe}]
            for image in prunable(there, images.users(at), keep):
                stayed = [] if dry_run else list(images.delete(image))
                done.append({**_as_dict(image), "stayed": stayed, "deleted": not dry_run})
                if not dry_run:
                    events.emit(ImageDeleted(image.id, image.name, ", ".join(stayed)))
    if as_json:
        print_json(done)
    elif not done:
        typer.echo("nothing to prune")
    elif dry_run:
        for image_told in done:
            typer.echo(f"would deregister {image_told['id']} ({image_told['name']}) in {image_told['region']}")


@app.command("check")
def check(
    recipe: OneRecipe = None,
    region: Region = None,
    strict: Annotated[bool, typer.Option("--strict", help="A warning is a failure, too.")] = False,
    repo: Repo = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Say which images are too old: their runner by GitHub's rules, their base, their recipe.

    Exit code 12 when the newest image of a recipe cannot be used any more, with --strict also when it should be baked
    again.
    """
    with ending_well(as_json=as_json):
        settings = configuration(config)
        verdicts = _verdicts(settings, tuple(repo or settings.github.repositories), recipe, region)
    if as_json:
        print_json([verdict.as_dict() for verdict in verdicts])
    elif not verdicts:
        typer.echo("no images to check; `runnerkit ami bake RECIPE` makes one")
    else:
        _show(verdicts)
    _end(verdicts, strict=strict)


def _verdicts(settings: Config, repos: Sequence[str], recipe: str | None, region: str | None) -> list[Verdict]:
    from runnerkit import app as wiring
    from runnerkit.baking.shelf import judged
    from runnerkit.cli.baking import present, releases_of
    from runnerkit.system import SystemClock

    clock = SystemClock()
    builders, images = wiring.builders_and_images(settings, clock)
    there = [
        image
        for at in ([region] if region else builders.regions())
        for image in images.images(at)
        if recipe in {None, image.recipe}
    ]
    wanted = {(image.recipe, image.region, image.base_source, image.arch) for image in there}
    return judged(
        there,
        releases=releases_of(settings, repos, clock) if there else (),
        present={(name, at): present(builders, name, at, source, arch) for name, at, source, arch in wanted},
        now=clock.now(),
    )


def _show(verdicts: Sequence[Verdict]) -> None:
    columns = (Column("RECIPE"), Column("IMAGE"), Column("REGION", spare=1), Column("LEVEL"), Column("WHY", folds=True))
    print_table(
        columns,
        [
            (
                v.image.recipe,
                v.image.id,
                v.image.region,
                v.level if v.newest else "replaced",
                "; ".join(v.reasons) or "-",
            )
            for v in verdicts
        ],
    )
    if stale := sorted({verdict.image.recipe for verdict in verdicts if verdict.newest and verdict.level != "ok"}):
        typer.echo("bake again: " + ", ".join(f"runnerkit ami bake {name}" for name in stale))


def _end(verdicts: Sequence[Verdict], *, strict: bool) -> None:
    from runnerkit.baking.shelf import worst

    level = worst(verdicts)
    if level == "error" or (strict and level == "warn"):
        raise typer.Exit(TOO_OLD)
