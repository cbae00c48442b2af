"""From what was read to what is known of a repository. Pure; a checkout is believed no further than it goes."""

from __future__ import annotations

import tomllib
from configparser import ConfigParser, Error
from typing import TYPE_CHECKING, Any

from runnerkit.beginning.packages import packages, script
from runnerkit.beginning.pipelines import is_plain, pipeline
from runnerkit.beginning.remotes import chosen
from runnerkit.beginning.words import Found, Hub
from runnerkit.errors import ConfigError
from runnerkit.names import REGION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runnerkit.beginning.words import Address, Around, Pipeline, Read

CONFIG, PROJECT = "runnerkit.toml", "pyproject.toml"
USUAL_BRANCHES = ("main", "master", "trunk")


def found(read: Read, around: Around, repo: str = "", hub: Hub | None = None) -> Found:
    """All that is known.

    Args:
        read: The checkout.
        around: The environment and AWS's and GitHub's own files.
        repo: The repository that a person named; empty: the remotes tell.
        hub: What GitHub says; None when it was not asked.

    Raises:
        ConfigError: The repository cannot be found out, or the folder's name cannot stand in a workflow.
    """
    if read.prefix and not is_plain(read.prefix.rstrip("/")):
        raise ConfigError(
            f"the folder {read.prefix!r} cannot be named in a workflow: it has signs that GitHub would read otherwise",
            hint="rename it, or run this in another folder",
        )
    address, notes = chosen(read.remotes, repo)
    hub = hub or Hub()
    dvc = pipeline(read.texts, read.prefix)
    region, region_from = _region(dvc, around, read.texts)
    configured = _configured(read.texts)
    return Found(
        address=address,
        branch=_branch(read, hub),
        prefix=read.prefix,
        pipeline=dvc,
        packages=packages(read.texts),
        script=script(read.texts),
        region=region,
        region_from=region_from,
        configured=configured,
        users=tuple(sorted(name for name, text in read.workflows.items() if "runnerkit" in text)),
        aws=around.aws,
        github=around.github,
        hub=hub,
        notes=(*notes, *_notes(read, address, dvc, hub)),
    )


def _branch(read: Read, hub: Hub) -> str:
    """The default branch: as GitHub says, as the remote's HEAD says, else a local one of a usual name."""
    usual = [name for name in USUAL_BRANCHES if name in read.branches]
    named = (hub.default_branch, read.head, *usual, *read.branches, "main")
    return next(name for name in named if name and name.isprintable() and "${{" not in name)


def _region(dvc: Pipeline | None, around: Around, texts: Mapping[str, str]) -> tuple[str, str]:
    """The region and who says so: data and machines belong into one, so the data's comes right after what is set."""
    said = [
        (_configured_region(texts), "the configuration"),
        (dvc.region if dvc else "", "the DVC remote"),
        (around.region, "the environment"),
        (_of_profile(around), f"the profile {around.profile} of AWS's configuration"),
    ]
    return next(((region, who) for region, who in said if REGION.fullmatch(region)), ("", ""))


def _of_profile(around: Around) -> str:
    config = ConfigParser(interpolation=None, strict=False)
    try:
        config.read_string(around.aws_config)
    except Error:
        return ""
    section = "default" if around.profile == "default" else f"profile {around.profile}"
    return config.get(section, "region", fallback="").strip()


def _configured(texts: Mapping[str, str]) -> str:
    """The file that configures runnerkit already."""
    if CONFIG in texts:
        return CONFIG
    return PROJECT if _table(_toml(texts.get(PROJECT, "")), "tool", "runnerkit") else ""


def _configured_region(texts: Mapping[str, str]) -> str:
    own = _toml(texts[CONFIG]) if CONFIG in texts else _table(_toml(texts.get(PROJECT, "")), "tool", "runnerkit")
    regions = _table(own, "aws").get("regions")
    return regions[0] if isinstance(regions, list) and regions and isinstance(regions[0], str) else ""


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _table(values: dict[str, Any], *path: str) -> dict[str, Any]:
    for part in path:
        below = values.get(part)
        values = below if isinstance(below, dict) else {}
    return values


def _notes(read: Read, address: Address, dvc: Pipeline | None, hub: Hub) -> Iterator[str]:
    elsewhere = [folder for folder in read.pipelines if folder != read.prefix and folder.isprintable()]
    if dvc is None and elsewhere:
        yield f"there are pipelines in {', '.join(elsewhere[:5])}: run this there if one of them is meant"
    if dvc is not None and not dvc.stages:
        yield "this is a DVC project without stages: `runnerkit dvc run` has nothing to run before dvc.yaml has some"
    if dvc is not None and dvc.kind != "s3":
        yield f"the DVC remote is {dvc.kind or 'not set'}: what is not on S3 needs its own credentials in the job"
    if hub.private is False:
        yield f"{address.repo} is public: its jobs are refused unless policy allows public_repositories"
    if address.api_url:
        yield f"GitHub is {address.host}: runnerkit asks {address.api_url}"
