"""The files that a report compares: metrics, params and plot data, now and at the base.

What git holds is read from git, what DVC caches from its cache by the hash in ``dvc.lock``: no DVC command is needed.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from runnerkit.errors import ConfigError
from runnerkit.job.checks import fetched, git
from runnerkit.job.pipeline import LOCK, PROJECT, Project, lenient, parse_yaml, read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from runnerkit.job.place import Place

LARGEST = 5_000_000


@dataclass(frozen=True, slots=True)
class Plot:
    """Plot data that the pipeline declares; ``x`` and ``y`` name columns, ``template`` is DVC's."""

    file: str
    x: str = ""
    y: str = ""
    template: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Declared:
    """The files that a ``dvc.yaml`` names for people to look at."""

    metrics: tuple[str, ...]
    params: tuple[str, ...]
    plots: tuple[Plot, ...]

    @classmethod
    def of(cls, project: object, lock: object = None) -> Declared:
        """Read them.

        Args:
            project: The parsed ``dvc.yaml``.
            lock: The parsed ``dvc.lock``. Names with ``${}`` are looked up there, as DVC has filled them in; those that
                stand for no output in it are left out.
        """
        said = project if isinstance(project, dict) else {}
        stages = said.get("stages")
        bodies = [body for body in (stages.values() if isinstance(stages, dict) else ()) if isinstance(body, dict)]
        bodies = [body["do"] if isinstance(body.get("do"), dict) else body for body in bodies]
        parts = [(said, PurePosixPath()), *((body, PurePosixPath(str(body.get("wdir") or "."))) for body in bodies)]
        outs = _locked(lock)
        metrics = [str(at / name) for part, at in parts for name, _ in _entries(part.get("metrics"))]
        metrics = [found for name in metrics for found in _filled(name, outs)]
        named = [str(at / name) for part, at in parts for name in _param_files(part.get("params"))]
        plots = [plot for part, at in parts for plot in _plots(part.get("plots"), at)]
        plots = [replace(plot, file=file) for plot in plots for file in _filled(plot.file, outs)]
        return cls(_plain(metrics), _plain(["params.yaml", *named]), tuple(dict.fromkeys(plots)))


def _locked(lock: object) -> list[str]:
    stages = lock.get("stages") if isinstance(lock, dict) else None
    entries = [entry for entry in (stages.values() if isinstance(stages, dict) else ()) if isinstance(entry, dict)]
    outs = [out for entry in entries for out in (entry.get("outs") or []) if isinstance(out, dict)]
    return [str(out["path"]) for out in outs if out.get("path")]


def _filled(name: str, outs: Sequence[str]) -> list[str]:
    """The name itself, or every output that it may stand for once its ``${}`` are filled in."""
    if "${" not in name:
        return [name]
    parts = [re.escape(part) for part in re.split(r"\$\{[^}]*\}", name)]
    return [out for out in outs if re.fullmatch(".+".join(parts), out)]


def _plain(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if "${" not in name))


def _entries(listed: object) -> list[tuple[str, dict[str, Any]]]:
    """``[a, {b: {...}}]`` or ``{b: {...}}`` as names with their options."""
    found: list[tuple[str, dict[str, Any]]] = []
    for each in listed if isinstance(listed, list) else [listed]:
        if isinstance(each, str):
            found.append((each, {}))
        elif isinstance(each, dict):
            found += [(str(name), options if isinstance(options, dict) else {}) for name, options in each.items()]
    return found


def _param_files(listed: object) -> list[str]:
    return [
        str(name) for each in (listed if isinstance(listed, list) else []) if isinstance(each, dict) for name in each
    ]


def _plots(listed: object, at: PurePosixPath) -> list[Plot]:
    plots = []
    for name, options in _entries(listed):
        x, y, template = options.get("x", ""), options.get("y", ""), str(options.get("template") or "")
        files = list(y) if isinstance(y, dict) else [name]
        for file in files:
            column = y.get(file) if isinstance(y, dict) else y
            column = column[0] if isinstance(column, list) and column else column
            across = next(iter(x.values()), "") if isinstance(x, dict) else x
            title = str(options.get("title") or (name if isinstance(y, dict) else ""))
            plots.append(Plot(str(at / str(file)), str(across or ""), str(column or ""), template, title))
    return plots


class Base:
    """A version in git to compare with.

    Args:
        project: The project.
        rev: What git calls it; empty when there is nothing to compare with.
    """

    def __init__(self, project: Project, rev: str) -> None:
        self._project = project
        self.rev = rev
        self._lock: Any = None

    @classmethod
    def find(cls, project: Project, place: Place, wanted: str = "") -> Base:
        """The base, fetched at depth 1 when the checkout did not bring it along.

        Args:
            project: The project.
            place: Says what GitHub compares with.
            wanted: What a person asked for.
        """
        for rev in filter(None, (wanted, *_names(place, wanted))):
            if _commit(project, rev):
                return cls(project, _commit(project, rev))
        name = (wanted or place.base).removeprefix("origin/")
        is_commit = not (wanted or place.base_is_branch)
        target = name if is_commit else f"+refs/heads/{name}:refs/remotes/origin/{name}"
        if name and fetched(project.root, target, os.environ):
            return cls(project, _commit(project, name if is_commit else f"origin/{name}"))
        return cls(project, "")

    def read(self, file: str) -> str | None:
        """A file as it was; None when it was not there, or cannot be had here."""
        if not self.rev:
            return None
        text = git(self._project.root, "show", f"{self.rev}:{self._path(file)}")
        return text if text is not None else self._cached(file)

    def lock(self) -> Any:  # noqa: ANN401 - YAML is anything
        """The ``dvc.lock`` as it was; empty when there was none, or none that can be read."""
        if self._lock is None:
            text = git(self._project.root, "show", f"{self.rev}:{self._path(LOCK)}") if self.rev else ""
            try:
                self._lock = parse_yaml(text, LOCK) if text else {}
            except ConfigError:
                self._lock = {}
        return self._lock

    def _path(self, file: str) -> str:
        # The dot makes git read it from the project's folder, which need not be the repository's.
        return "./" + os.path.normpath((self._project.here.relative_to(self._project.root) / file).as_posix())

    def _cached(self, file: str) -> str | None:
        said = self.lock()
        stages = said.get("stages") if isinstance(said, dict) else None
        for stage in stages.values() if isinstance(stages, dict) else ():
            for out in stage.get("outs") or []:
                if out.get("path") == file and out.get("md5"):
                    return _object(self._project.settings().cache, str(out["md5"]))
        return None


def _names(place: Place, wanted: str) -> tuple[str, ...]:
    if wanted:
        return (f"origin/{wanted}",)
    return (f"origin/{place.base}",) if place.base_is_branch and place.base else (place.base,)


def _commit(project: Project, rev: str) -> str:
    return (
        git(project.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}") or ""
    ).strip()


def _object(cache: Path, md5: str) -> str | None:
    file = cache / "files/md5" / md5[:2] / md5[2:]
    return _text(file)


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8") if file.stat().st_size <= LARGEST else None
    except (OSError, UnicodeDecodeError):
        return None


@dataclass(slots=True)
class Versions:
    """What each file says now and at the base, and what is wrong with the files that say nothing usable."""

    old: dict[str, Any]
    new: dict[str, Any]
    problems: list[str]

    @classmethod
    def read(cls, files: Iterable[str], here: Path, base: Base) -> Versions:
        """Read them."""
        found = cls({}, {}, [])
        for file in files:
            found._take(found.new, file, _text(here / file), "now")
            found._take(found.old, file, base.read(file), "at the base")
        return found

    def _take(self, into: dict[str, Any], file: str, text: str | None, when: str) -> None:
        if text is None:
            return
        try:
            into[file] = parsed(file, text)
        except (ConfigError, ValueError, RecursionError) as error:
            self.problems.append(f"{file} cannot be read ({when}): {error}")


def parsed(file: str, text: str) -> Any:  # noqa: ANN401 - a metrics file is anything
    """What a JSON, TOML or YAML file says.

    Raises:
        ConfigError: It is not what its name promises.
        ValueError: As above.
    """
    readers: Mapping[str, Callable[[str], Any]] = {".json": json.loads, ".toml": tomllib.loads}
    read = readers.get(PurePosixPath(file).suffix.lower())
    return read(text) if read else parse_yaml(text, file)


def ground(start: Path) -> Project:
    """The project around a folder; without DVC the folder itself, in its git repository."""
    try:
        return Project.find(start)
    except ConfigError:
        here = start.resolve()
        return Project(Path((git(here, "rev-parse", "--show-toplevel") or str(here)).strip()), here)


def declared(project: Project) -> Declared:
    """What the project's ``dvc.yaml`` names."""
    return Declared.of(read_yaml(project.here / PROJECT), lenient(project.here / LOCK))
