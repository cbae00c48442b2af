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
_OBJECT = re.compile(r"(?:files/md5/)?[0-9a-f]{2}/[0-9a-f]+(?:\.dir)?")


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
    outside: tuple[str, ...] = ()

    @property
    def problems(self) -> list[str]:
        """What is wrong with the names."""
        return [f"{name} is not read, for it is no file of the project's own" for name in self.outside]

    def kept_to(self, project: Project) -> Declared:
        """These files, but for those that are not the project's: they are named as ``outside``."""
        ours = {name: within(project, project.here / name) for name in (*self.metrics, *self.params)}
        ours |= {plot.file: within(project, project.here / plot.file) for plot in self.plots}
        metrics, params = (tuple(name for name in names if ours[name]) for names in (self.metrics, self.params))
        plots = tuple(plot for plot in self.plots if ours[plot.file])
        return Declared(metrics, params, plots, tuple(name for name, inside in ours.items() if not inside))

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
        outs = [path for path, _ in _outs(said, lock)]
        metrics = [_at(at, name) for part, at in parts for name, _ in _entries(part.get("metrics"))]
        metrics = [found for name in metrics for found in _filled(name, outs)]
        named = [_at(at, name) for part, at in parts for name in _param_files(part.get("params"))]
        plots = [plot for part, at in parts for plot in _plots(part.get("plots"), at)]
        plots = [replace(plot, file=file) for plot in plots for file in _filled(plot.file, outs)]
        return cls(_plain(metrics), _plain(["params.yaml", *named]), tuple(dict.fromkeys(plots)))


def _at(folder: PurePosixPath, name: str) -> str:
    """A name that a stage gives in its own folder, as it is from the project's."""
    return os.path.normpath((folder / name).as_posix())


def _outs(project: object, lock: object) -> list[tuple[str, str]]:
    """Path and hash of every output in a lock, which names them from their stage's own folder."""
    stages = lock.get("stages") if isinstance(lock, dict) else None
    bodies = project.get("stages") if isinstance(project, dict) else None
    found = []
    for name, entry in stages.items() if isinstance(stages, dict) else ():
        body = bodies.get(str(name).partition("@")[0]) if isinstance(bodies, dict) else None
        body = body.get("do", body) if isinstance(body, dict) else {}
        at = PurePosixPath(str((body.get("wdir") if isinstance(body, dict) else None) or "."))
        outs = (entry.get("outs") or []) if isinstance(entry, dict) else []
        named = [out for out in outs if isinstance(out, dict) and out.get("path")]
        found += [(_at(at, str(out["path"])), str(out.get("md5") or "")) for out in named]
    return found


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
            plots.append(Plot(_at(at, str(file)), str(across or ""), str(column or ""), template, title))
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
        self._outs: dict[str, str] | None = None

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
            self._lock = self._parsed(LOCK)
        return self._lock

    def _parsed(self, file: str) -> Any:  # noqa: ANN401 - as above
        text = git(self._project.root, "show", f"{self.rev}:{self._path(file)}") if self.rev else ""
        try:
            return parse_yaml(text, file) if text else {}
        except ConfigError:
            return {}

    def _path(self, file: str) -> str:
        # The dot makes git read it from the project's folder, which need not be the repository's.
        return "./" + os.path.normpath((self._project.here.relative_to(self._project.root) / file).as_posix())

    def _cached(self, file: str) -> str | None:
        if self._outs is None:
            self._outs = dict(_outs(self._parsed(PROJECT), self.lock()))
        md5 = self._outs.get(os.path.normpath(file), "")
        return _object(self._project.settings().cache, md5) if md5 else None


def _names(place: Place, wanted: str) -> tuple[str, ...]:
    if wanted:
        return (f"origin/{wanted}",)
    return (f"origin/{place.base}",) if place.base_is_branch and place.base else (place.base,)


def _commit(project: Project, rev: str) -> str:
    return (
        git(project.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}") or ""
    ).strip()


def _object(cache: Path, md5: str) -> str | None:
    name = f"files/md5/{md5[:2]}/{md5[2:]}"
    return _text(cache / name) if _OBJECT.fullmatch(name) else None


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
    """What the project's ``dvc.yaml`` names, as far as it is the project's own."""
    return Declared.of(read_yaml(project.here / PROJECT), lenient(project.here / LOCK)).kept_to(project)


def within(project: Project, file: Path) -> bool:
    """Whether a file, or what a link stands for, is the project's own: in its repository, or in DVC's cache.

    Names come from the checkout, which is a pull request's; what they name is shown to everybody who reads the report.
    """
    real, root = file.resolve(), project.root.resolve()
    if real.is_relative_to(root) and not {".git", ".dvc", ".env"} & set(real.relative_to(root).parts):
        return True
    cache = project.settings().cache.resolve()
    # The checkout says where the cache is, so only what is named like an object of a cache is taken for one.
    return real.is_relative_to(cache) and _OBJECT.fullmatch(real.relative_to(cache).as_posix()) is not None
