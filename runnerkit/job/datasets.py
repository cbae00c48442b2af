"""Which tracked data changed since the base: outputs, external dependencies and ``.dvc`` files, counted.

Read from ``dvc.lock`` and ``.dvc`` files, now and in git; no DVC command is needed and no data.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from runnerkit.errors import ConfigError
from runnerkit.job.checks import git
from runnerkit.job.pipeline import LOCK, lenient, parse_yaml

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from runnerkit.job.pipeline import Project
    from runnerkit.job.versions import Base

KILO = 1000.0
HASHES = ("md5", "etag", "checksum", "version_id")


@dataclass(frozen=True, slots=True)
class Tracked:
    """One file or folder as DVC knows it; ``size`` in bytes, None where it is not told."""

    path: str
    digest: str
    size: int | None = None
    files: int = 1

    @classmethod
    def of(cls, said: object) -> Tracked | None:
        """Read an entry of ``outs`` or ``deps``."""
        if not isinstance(said, dict) or not said.get("path"):
            return None
        digest = next((str(said[name]) for name in HASHES if said.get(name)), "")
        size, files = said.get("size"), said.get("nfiles")
        told = size if isinstance(size, int) else None
        return cls(str(said["path"]), digest, told, files if isinstance(files, int) else 1)


@dataclass(frozen=True, slots=True)
class DataChange:
    """Data before and after; ``inside`` counts added, removed and modified files of a folder, where that is known."""

    path: str
    old: Tracked | None
    new: Tracked | None
    inside: tuple[int, int, int] | None = None

    @property
    def what(self) -> str:
        """The change in a word or two."""
        if self.old is None or self.new is None:
            return "new" if self.old is None else "gone"
        if self.inside is None:
            return "changed"
        named = zip(self.inside, ("added", "removed", "modified"), strict=True)
        return ", ".join(f"{count} {word}" for count, word in named if count) or "changed"

    def as_dict(self) -> dict[str, Any]:
        """The change for programs."""
        sides = {"old": self.old, "new": self.new}
        told = {name: {"size": each.size, "files": each.files} if each else None for name, each in sides.items()}
        return {"path": self.path, "change": self.what, **told}


def data_changes(project: Project, base: Base, besides: Collection[str] = ()) -> list[DataChange]:
    """The tracked data that differ from the base's, in the order of their paths.

    Args:
        project: The project.
        base: What to compare with; without a ``dvc.lock`` there, outputs are not compared.
        besides: Paths that are told elsewhere: metrics and plots.
    """
    if not base.rev:
        return []
    old, new = {}, {}
    if base.lock():
        old, new = _locked(base.lock()), _locked(lenient(project.here / LOCK))
        changed = {path for path in old.keys() | new.keys() if not _same(old.get(path), new.get(path))}
        code = _in_git(project, changed)
        old, new = ({path: each for path, each in side.items() if path in changed - code} for side in (old, new))
    for file in _changed_files(project, base):
        old |= _pointed(file, _parsed(base.read(file), file))
        new |= _pointed(file, lenient(project.here / file))
    paths = sorted(path for path in old.keys() | new.keys() if path not in besides)
    pairs = [(path, old.get(path), new.get(path)) for path in paths if not _same(old.get(path), new.get(path))]
    cache = project.settings().cache
    return [DataChange(path, before, after, _inside(cache, before, after)) for path, before, after in pairs]


def _same(old: Tracked | None, new: Tracked | None) -> bool:
    return old is not None and new is not None and old.digest == new.digest


def _locked(lock: object) -> dict[str, Tracked]:
    stages = lock.get("stages") if isinstance(lock, dict) else None
    entries = [entry for entry in (stages.values() if isinstance(stages, dict) else ()) if isinstance(entry, dict)]
    # Outputs last: what one stage writes and another reads is told as an output.
    return {each.path: each for kind in ("deps", "outs") for entry in entries for each in _listed(entry, kind)}


def _listed(entry: Mapping[str, Any], kind: str) -> Iterator[Tracked]:
    listed = entry.get(kind)
    for said in listed if isinstance(listed, list) else ():
        if (found := Tracked.of(said)) is not None:
            yield found


def _in_git(project: Project, paths: Collection[str]) -> set[str]:
    """Those that git holds: the diff of the pull request shows them."""
    local = [path for path in paths if "://" not in path]
    told = git(project.here, "ls-files", "-z", "--", *local) if local else ""
    return set((told or "").split("\0"))


def _changed_files(project: Project, base: Base) -> list[str]:
    """The ``.dvc`` files that are not as at the base, as paths from the project's folder."""
    told = git(project.here, "diff", "--name-only", "--relative", "-z", base.rev, "--", "*.dvc")
    return sorted(name for name in (told or "").split("\0") if name)


def _parsed(text: str | None, name: str) -> Any:  # noqa: ANN401 - YAML is anything
    try:
        return parse_yaml(text, name) if text else None
    except ConfigError:
        return None


def _pointed(file: str, said: object) -> dict[str, Tracked]:
    folder = PurePosixPath(file).parent
    found = _listed(said, "outs") if isinstance(said, dict) else ()
    return {str(folder / each.path): each for each in found}


def _inside(cache: Path, old: Tracked | None, new: Tracked | None) -> tuple[int, int, int] | None:
    sides = [_listing(cache, each.digest) if each else None for each in (old, new)]
    before, after = sides
    if before is None or after is None:
        return None
    both = before.keys() & after.keys()
    return len(after) - len(both), len(before) - len(both), sum(before[name] != after[name] for name in both)


def _listing(cache: Path, digest: str) -> dict[str, str] | None:
    """The files of a folder that DVC tracks, by its object in the cache; None where that is not here."""
    if not digest.endswith(".dir") or not digest.removesuffix(".dir").isalnum():
        return None
    try:
        said = json.loads((cache / "files/md5" / digest[:2] / digest[2:]).read_text(encoding="utf-8"))
        return {str(each["relpath"]): str(each.get("md5")) for each in said}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def size_told(size: int | None) -> str:
    """A size in bytes as people read it."""
    if size is None:
        return ""
    value, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while value >= KILO and len(units) > 1:
        value, units = value / KILO, units[1:]
    return f"{size} B" if units[0] == "B" else f"{value:.1f} {units[0]}"
