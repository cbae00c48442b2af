"""``promote``: versions of models through stages, as git tags that GTO writes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from runnerkit.cli.common import AsJson, echo, ending_well, order, print_json
from runnerkit.cli.modelbench import Bench

if TYPE_CHECKING:
    from runnerkit.versioning import Registry, Version

DEFAULT = "model"
BUMPS = ("major", "minor", "patch")


class _Group(TyperGroup):
    """``promote MODEL`` means ``promote model MODEL``."""

    default = DEFAULT

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - the context of typer's own click
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = [self.default, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group,
    help="Register versions of models and move them through stages: `promote MODEL --to STAGE`.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
ModelName = Annotated[str, typer.Argument(help="The model, as `artifacts:` in dvc.yaml names it.")]
Push = Annotated[bool, typer.Option("--push", help="Send the new tags to the git remote.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Check everything and say what would happen; write no tag.")]


@app.command(DEFAULT)
def model(  # noqa: PLR0917 - typer passes every option by its name
    name: ModelName,
    to: Annotated[str, typer.Option("--to", metavar="STAGE", help="The stage that the version goes to.")] = "",
    version: Annotated[str, typer.Option(help="This version; a new one is registered for the checkout.")] = "",
    bump: Annotated[str, typer.Option(help="Register the checkout as a new version: major, minor or patch.")] = "",
    source: Annotated[str, typer.Option("--from", metavar="STAGE", help="The version that is in this stage.")] = "",
    gate: Annotated[str, typer.Option(help="The gate file that the metrics of the checkout must pass.")] = "gate.toml",
    push: Push = False,
    dry_run: Dry = False,
    as_json: AsJson = False,
) -> None:
    """Register a version of a model, and put it into a stage.

    Without --version, --bump and --from it is the version of the checked out commit, which is registered when it has
    none. Refuses (13) what others could not get or should not have: changes that are not committed, a commit that is
    not pushed, a file that is not on the DVC remote, an unknown model, a gate that does not hold.
    """
    with ending_well(as_json=as_json):
        _check_options(to, version, bump, source)
        bench = Bench.of(name)
        found = _meant(bench, version, source, bump)
        head = bench.head()
        commit = found.commit if found else head
        what = f"{name} {found.version if found else version or 'as a new version'}" + (f" to {to}" if to else "")
        _refuse(what, bench.reasons(commit, gate, at_head=commit == head))
        done = _go(bench, found, commit, to, version, bump or "patch", push=push, dry_run=dry_run)
        _outputs(done)
    _tell(done, as_json=as_json)


def _check_options(to: str, version: str, bump: str, source: str) -> None:
    from runnerkit.errors import ConfigError
    from runnerkit.job.promoting import checked_version

    if sum(map(bool, (version, bump, source))) > 1:
        raise ConfigError("--version, --bump and --from say which version is meant: give one of them")
    if not any((to, version, bump)):
        raise ConfigError("nothing is asked for", hint="give --to STAGE, or --version or --bump to register")
    if bump and bump not in BUMPS:
        raise ConfigError(f"--bump {bump} is unknown", hint=f"give {', '.join(BUMPS)}")
    if version:
        checked_version(version)


def _meant(bench: Bench, version: str, source: str, bump: str) -> Version | None:
    """The version that is meant; None when it has to be registered first."""
    from runnerkit.errors import ConfigError

    if source:
        found = bench.registry.in_stage(source)
        if found is None:
            raise ConfigError(f"no version of {bench.registry.model} is in the stage {source}")
        return found
    if version:
        return bench.registry.version(version)
    found = bench.registry.at_commit(bench.head())
    if found and bump:
        order(f"::notice::runnerkit: this commit is {found.version} already", err=True)
    return found


def _refuse(what: str, reasons: list[str]) -> None:
    from runnerkit.job.promoting import refuse

    refuse(what, reasons)


def _go(
    bench: Bench, found: Version | None, commit: str, to: str, version: str, bump: str, *, push: bool, dry_run: bool
) -> dict[str, Any]:
    registry, made = bench.registry, list[str]()
    told = {"model": registry.model, "commit": commit, "stage": to, "pushed": False, "dry_run": dry_run}
    if dry_run:
        there = found is not None and (not to or to in found.stages)
        return {**told, "version": found.version if found else version, "tags": [], "changed": not there}
    if found is None:
        made.append(registry.register(commit, version, bump, bench.note))
        found = registry.at_commit(commit)
    if found is None:
        raise AssertionError("a version that was registered is not there")
    if to and to not in found.stages:
        made.append(registry.assign(found.version, to, bench.note))
    tags = made or [found.tag, *_stage_tags(registry, to, found.version)]
    tags = tags if not made or found.tag in made else [found.tag, *made]
    bench.share(tags, made, push=push)
    return {**told, "version": found.version, "tags": made, "changed": bool(made), "pushed": push}


def _stage_tags(registry: Registry, stage: str, version: str) -> list[str]:
    entries = registry.history()
    tags = [
        each.tag
        for each in entries
        if stage and (each.event, each.stage, each.version) == ("assignment", stage, version)
    ]
    return tags[:1]


@app.command("rollback")
def rollback(
    name: ModelName,
    stage: Annotated[str, typer.Option("--stage", help="The stage that goes back.")],
    version: Annotated[str, typer.Option(help="To this version; the one before by default.")] = "",
    push: Push = False,
    dry_run: Dry = False,
    as_json: AsJson = False,
) -> None:
    """Put the version back into a stage that was there before. Its file must still be on the DVC remote."""
    from runnerkit.errors import ConfigError

    with ending_well(as_json=as_json):
        bench = Bench.of(name)
        now = bench.registry.in_stage(stage)
        if now is None:
            raise ConfigError(f"no version of {name} is in the stage {stage}", hint="`runnerkit promote show` tells")
        before = _before(bench.registry, stage, now.version, version)
        if before is None:
            wanted = version or "another version"
            raise ConfigError(f"{wanted} of {name} was never in {stage}, or was deprecated", hint="see its history")
        _refuse(f"{name} {stage} back to {before.version}", bench.reasons(before.commit, None, at_head=False))
        told = {"model": name, "stage": stage, "version": before.version, "from": now.version, "commit": before.commit}
        tags = [] if dry_run else [bench.registry.assign(before.version, stage, bench.note)]
        bench.share(tags, tags, push=push)
        done = {**told, "tags": tags, "changed": True, "pushed": push and not dry_run, "dry_run": dry_run}
        _outputs(done)
    _tell(done, as_json=as_json)


def _before(registry: Registry, stage: str, now: str, wanted: str) -> Version | None:
    active = {each.version: each for each in registry.versions() if each.version != now}
    entries = [each for each in registry.history() if (each.event, each.stage) == ("assignment", stage)]
    found = [active[each.version] for each in entries if each.version in active]
    return next((each for each in found if wanted in {"", each.version}), None)


@app.command("deprecate")
def deprecate(
    name: ModelName,
    version: Annotated[str, typer.Option("--version", help="The version that nobody should use any more.")],
    push: Push = False,
    dry_run: Dry = False,
    as_json: AsJson = False,
) -> None:
    """Take a version back: every stage that it is in falls back to the version before."""
    from runnerkit.errors import ConfigError

    with ending_well(as_json=as_json):
        bench = Bench.of(name)
        found = bench.registry.version(version)
        if found is None:
            raise ConfigError(f"{name} has no version {version}, or it is deprecated already")
        tags = [] if dry_run else [bench.registry.deprecate(version, bench.note)]
        bench.share(tags, tags, push=push)
        left = {stage: bench.registry.in_stage(stage) for stage in found.stages} if tags else {}
        stages = {stage: each.version if each else "" for stage, each in left.items()}
        told = {"model": name, "version": version, "commit": found.commit, "tags": tags, "stages": stages, "stage": ""}
        done = {**told, "changed": True, "pushed": push and not dry_run, "dry_run": dry_run}
    _tell(done, as_json=as_json)


@app.command("history")
def history(name: ModelName, as_json: AsJson = False) -> None:
    """List what happened to a model: versions, stages, when, and by whom; the newest first."""
    with ending_well(as_json=as_json):
        entries = Bench.of(name).registry.history()
    if as_json:
        print_json([entry.as_dict() for entry in entries])
        return
    for entry in entries:
        what = f"{entry.event} {entry.version} {entry.stage}".rstrip()
        note = " ".join(entry.message.splitlines()[2:])
        echo(f"{entry.at:%Y-%m-%d %H:%M:%S}  {what:<32} {entry.commit[:8]}  {note or f'by {entry.author}'}")


@app.command("show")
def show(name: ModelName, as_json: AsJson = False) -> None:
    """Show the versions of a model, and which stage has which."""
    with ending_well(as_json=as_json):
        versions = Bench.of(name).registry.versions()
    if as_json:
        print_json([{"version": v.version, "commit": v.commit, "stages": v.stages, "tag": v.tag} for v in versions])
        return
    for each in versions:
        echo(f"{each.version:<12} {each.commit[:8]}  {', '.join(each.stages)}".rstrip())
    if not versions:
        echo(f"{name} has no versions")


def _outputs(done: dict[str, Any]) -> None:
    from runnerkit.cli.actions import write_values

    write_values({name: str(done[name]) for name in ("model", "version", "stage")}, os.environ)
    write_values({"tags": " ".join(done["tags"])}, os.environ)


def _tell(done: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    what = f"{done['model']} {done['version'] or 'as a new version'}" + (
        f" in {done['stage']}" if done["stage"] else ""
    )
    if not done["changed"]:
        echo(f"{what}: it is there already")
    elif done["dry_run"]:
        echo(f"{what}: nothing speaks against it; no tag was written")
    else:
        sent = "pushed" if done["pushed"] else "not pushed: give --push, or `git push origin` them"
        echo(f"{what}: {', '.join(done['tags'])} ({sent})")
