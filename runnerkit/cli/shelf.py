"""``ami list``, ``ami prune`` and ``ami check``: the images there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

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
    from collections.abc import Sequence

    from runnerkit.baking.ports import BakedImage
    from runnerkit.baking.shelf import Verdict
    from runnerkit.config import Config

TOO_OLD = 12

Region = Annotated[str | None, typer.Option("--region", help="AWS region; default: every configured one.")]
OneRecipe = Annotated[str | None, typer.Option("--recipe", help="Only images of this recipe.")]


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
        echo("no images; `runnerkit ami bake RECIPE` makes one, `runnerkit ami recipes` shows what of")
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
        echo("nothing to prune")
    elif dry_run:
        for image_told in done:
            echo(f"would deregister {image_told['id']} ({image_told['name']}) in {image_told['region']}")


def check(
    recipe: OneRecipe = None,
    region: Region = None,
    strict: Annotated[bool, typer.Option("--strict", help="A warning is a failure, too.")] = False,
    repo: Repo = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Say which images are too old: their runner by GitHub's rules, their base, their recipe.

    Exit code 12 when the newest image of a recipe cannot be used any more, or --recipe has none at all; with --strict
    also when it should be baked again.
    """
    with ending_well(as_json=as_json):
        settings = configuration(config)
        verdicts = _verdicts(settings, tuple(repo or settings.github.repositories), recipe, region)
    if as_json:
        print_json([verdict.as_dict() for verdict in verdicts])
    elif not verdicts:
        echo(f"no images to check; `runnerkit ami bake {recipe or 'RECIPE'}` makes one")
    else:
        _show(verdicts)
    if recipe and not verdicts:
        raise typer.Exit(TOO_OLD)
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
        echo("bake again: " + ", ".join(f"runnerkit ami bake {name}" for name in stale))


def _end(verdicts: Sequence[Verdict], *, strict: bool) -> None:
    from runnerkit.baking.shelf import worst

    level = worst(verdicts)
    if level == "error" or (strict and level == "warn"):
        raise typer.Exit(TOO_OLD)
