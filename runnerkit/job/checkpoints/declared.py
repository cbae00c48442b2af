"""Which stages keep checkpoints, and where: read from every ``dvc.yaml``, refused where it cannot work."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runnerkit.errors import ConfigError
from runnerkit.job.checks import git
from runnerkit.job.pipeline import PROJECT, stage_bodies, wdir_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from runnerkit.job.pipeline import Project

KINDS = ("outs", "metrics", "plots")


@dataclass(frozen=True, slots=True)
class Declared:
    """A stage that keeps checkpoints.

    ``address`` is as DVC writes it, for ``foreach`` and ``matrix`` the group's; ``base`` is the folder from which its
    paths are meant; ``folders`` are as they were written, and ``body`` is the whole stage.
    """

    address: str
    base: Path
    folders: tuple[str, ...]
    body: Mapping[str, Any]

    def places(self, address: str) -> list[Path]:
        """The folders of one stage; ``${key}`` and ``${item}`` stand for what follows the @ of its name."""
        key = address.rpartition("/")[2].partition("@")[2]
        names = [each.replace("${key}", key).replace("${item}", key) for each in self.folders]
        return [normal(self.base, each) for each in names]


def normal(base: Path, name: str) -> Path:
    """A path as a stage means it, without its detours."""
    return base.__class__(os.path.normpath(base / name))


def declared(project: Project) -> dict[str, Declared]:
    """Every stage that keeps checkpoints, by address.

    Raises:
        ConfigError: What a stage asks for cannot work; the message says what and why.
    """
    found: dict[str, Declared] = {}
    for folder in project.folders():
        prefix = "" if folder == project.here else f"{os.path.relpath(folder / PROJECT, project.here)}:"
        for name, body in stage_bodies(folder).items():
            wanted = _wanted(f"{prefix}{name}", body)
            if wanted:
                base = normal(folder, wdir_of(body))
                found[f"{prefix}{name}"] = Declared(f"{prefix}{name}", base, wanted, _inner(body))
    for each in found.values():
        _check(project, each)
    return found


def _inner(body: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = body.get("do")
    return inner if isinstance(inner, dict) else body


def _wanted(address: str, body: Mapping[str, Any]) -> tuple[str, ...]:
    meta = _inner(body).get("meta")
    ours = meta.get("runnerkit") if isinstance(meta, dict) else None
    said = ours.get("checkpoints") if isinstance(ours, dict) else None
    listed = [said] if isinstance(said, str) else said or []
    if not isinstance(listed, list) or not all(isinstance(each, str) and each for each in listed):
        raise ConfigError(
            f"stage {address!r}: `checkpoints` must be a list of folders, not {said!r}",
            hint="meta: {runnerkit: {checkpoints: [checkpoints/]}}",
        )
    return tuple(listed)


def _check(project: Project, stage: Declared) -> None:
    for name in stage.folders:
        told = f"stage {stage.address!r} keeps checkpoints in {name!r}"
        if "${" in name.replace("${key}", "").replace("${item}", ""):
            raise ConfigError(f"{told}: only ${{key}} and ${{item}} are filled in there", hint="write the folder out")
        place = stage.places(f"{stage.address}@x")[stage.folders.index(name)]
        if not place.is_relative_to(project.root) or place == project.root:
            raise ConfigError(f"{told}, which is not a folder of the project", hint="name a folder below dvc.yaml")
        for out in _perishable(project):
            if place == out or place.is_relative_to(out) or out.is_relative_to(place):
                raise ConfigError(
                    f"{told}, where the output {os.path.relpath(out, project.here)!r} is: DVC deletes that before the "
                    "stage runs",
                    hint="keep checkpoints in a folder that is no output, or give the output `persist: true`",
                )
        if _in_sight_of_git(project, place):
            raise ConfigError(
                f"{told}, which git does not ignore", hint=f"add /{place.relative_to(project.root)}/ to .gitignore"
            )


def _in_sight_of_git(project: Project, place: Path) -> bool:
    if git(project.root, "rev-parse", "HEAD") is None:
        return False
    return git(project.root, "check-ignore", "--quiet", str(place / "any")) is None


def _perishable(project: Project) -> Iterator[Path]:
    """Outputs that DVC removes before their stage runs, as far as they are written out."""
    for folder in project.folders():
        for body in stage_bodies(folder).values():
            base = normal(folder, wdir_of(body))
            for name, settings in outputs_of(body):
                if "${" not in name and "://" not in name and not settings.get("persist"):
                    yield normal(base, name)


def outputs_of(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What a stage says that it writes: names, and the settings of each."""
    for kind in KINDS:
        listed = _inner(body).get(kind)
        for entry in listed if isinstance(listed, list) else []:
            pairs = entry.items() if isinstance(entry, dict) else [(entry, {})]
            yield from ((str(name), said if isinstance(said, dict) else {}) for name, said in pairs)
