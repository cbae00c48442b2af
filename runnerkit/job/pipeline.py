"""A DVC project as its files tell it: remote, cache, stages, and what they promise to write.

DVC's own commands answer the same questions in seconds each; the files answer at once.
"""

from __future__ import annotations

import contextlib
import os
import re
from configparser import ConfigParser
from configparser import Error as ConfigBroken
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PROJECT = "dvc.yaml"
LOCK = "dvc.lock"
FOLDER = ".dvc"
SKIPPED = frozenset({".git", ".dvc", ".runnerkit", ".venv", "venv", "node_modules", "__pycache__"})
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> Any:  # noqa: ANN401 - YAML is anything
    """What a YAML file says; None when there is no such file.

    Raises:
        ConfigError: It is no YAML.
    """
    try:
        return parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def parse_yaml(text: str, name: str) -> Any:  # noqa: ANN401 - YAML is anything
    """What a YAML text says.

    Raises:
        ConfigError: It is no YAML.
    """
    try:
        return yaml.load(text, Loader)  # noqa: S506 - the safe loader, in C where there is one
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{name} is no YAML: {' '.join(str(error).split())}") from error


@dataclass(frozen=True, slots=True)
class Project:
    """A DVC repository and the folder below it in which its commands run."""

    root: Path
    here: Path

    @classmethod
    def find(cls, start: Path) -> Project:
        """The project around a folder.

        Raises:
            ConfigError: There is none.
        """
        here = start.resolve()
        for folder in (here, *here.parents):
            if (folder / FOLDER / "config").is_file():
                return cls(folder, here)
        raise ConfigError(
            f"{here} is not in a DVC repository: neither it nor a folder above has {FOLDER}/config",
            hint="check out the repository first (actions/checkout), or start one with `dvc init`",
        )

    @property
    def work(self) -> Path:
        """Our own folder: results, the push room, the record of the stages' commands."""
        return self.here / ".runnerkit"

    def settings(self, environ: Mapping[str, str] = os.environ) -> Settings:
        """The configuration, from all the places where DVC looks."""
        return Settings.of(self.root / FOLDER, environ)

    def declared(self, targets: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
        """The stages of the ``dvc.yaml`` here, by name; those made by ``foreach`` or ``matrix`` under their base name.

        Args:
            targets: What shall run; when all of it names its file, none is needed here.

        Raises:
            ConfigError: The file is missing or broken, or a merge left its conflicts in the lock.
        """
        path = self.here / PROJECT
        said = read_yaml(path)
        self._check_lock()
        if said is None and targets and all(":" in name or name.endswith((".yaml", ".dvc")) for name in targets):
            return {}
        if said is None:
            raise ConfigError(
                f"there is no {PROJECT} in {self.here}", hint="run this where the pipeline's dvc.yaml is (`cd`)"
            )
        stages = said.get("stages") if isinstance(said, dict) else None
        if not isinstance(stages, dict):
            raise ConfigError(f"{path} declares no stages")
        return {str(name): body if isinstance(body, dict) else {} for name, body in stages.items()}

    def _check_lock(self) -> None:
        lock = self.here / LOCK
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if re.search(r"^<<<<<<< ", lock.read_text(encoding="utf-8"), re.MULTILINE):
                raise ConfigError(
                    f"{lock} holds the conflicts of a merge",
                    hint="delete it and run again: the remote's run cache knows every result, and DVC writes it anew",
                )

    def outputs(self, addresses: frozenset[str] | None = None) -> dict[str, list[Path]]:
        """What each stage wrote by the lock files, and each ``.dvc`` file tracks: paths by the stage's address.

        Args:
            addresses: Only these, as DVC writes them; all of them by default.
        """
        found = {address: paths for folder in self.folders() for address, paths in self._outputs(folder)}
        return {name: paths for name, paths in found.items() if addresses is None or name in addresses}

    def folders(self) -> Iterator[Path]:
        """Every folder that may hold DVC's files; data that DVC tracks, perhaps millions of files, holds none."""
        tracked: set[Path] = set()
        for path, names, files in os.walk(self.root):
            folder = Path(path)
            if LOCK in files or any(name.endswith(".dvc") for name in files):
                tracked |= {out for _, outs in self._outputs(folder) for out in outs}
            names[:] = [name for name in sorted(set(names) - SKIPPED) if folder / name not in tracked]
            yield folder

    def _outputs(self, folder: Path) -> Iterator[tuple[str, list[Path]]]:
        prefix = "" if folder == self.here else f"{os.path.relpath(folder / PROJECT, self.here)}:"
        stages = _stages(folder / LOCK)
        bodies = _stages(folder / PROJECT) if stages else {}
        for name, entry in stages.items():
            body = bodies.get(name) or bodies.get(str(name).partition("@")[0])
            if isinstance(body, dict):
                yield f"{prefix}{name}", _paths(entry, folder / wdir_of(body))
        for file in sorted(folder.glob("*.dvc")):
            said = lenient(file)
            if isinstance(said, dict):
                yield os.path.relpath(file, self.here), _paths(said, folder / str(said.get("wdir") or "."))


def wdir_of(body: Mapping[str, Any]) -> str:
    """The working directory of a stage, relative to its ``dvc.yaml``."""
    # A templated working directory is known to DVC alone; the lock then still names the paths below it.
    inner = body.get("do")
    wdir = str((inner if isinstance(inner, dict) else body).get("wdir") or ".")
    return "." if "${" in wdir else wdir


def lenient(path: Path) -> Any:  # noqa: ANN401 - YAML is anything
    """What a file says, None when it cannot be read: whether that matters is for DVC to say."""
    try:
        return read_yaml(path) if path.is_file() else None
    except ConfigError:
        return None


def _stages(path: Path) -> dict[str, Any]:
    said = lenient(path)
    stages = said.get("stages") if isinstance(said, dict) else None
    return stages if isinstance(stages, dict) else {}


def stage_bodies(folder: Path) -> dict[str, dict[str, Any]]:
    """The stages that the ``dvc.yaml`` of a folder declares, by name; none when it cannot be read."""
    return {str(name): body for name, body in _stages(folder / PROJECT).items() if isinstance(body, dict)}


def variable_files(folder: Path) -> set[Path]:
    """The files from which a ``dvc.yaml`` is filled in: ``params.yaml``, and those under ``vars``."""
    said = lenient(folder / PROJECT)
    parts = [
        (said if isinstance(said, dict) else {}, "."),
        *((body, wdir_of(body)) for body in stage_bodies(folder).values()),
    ]
    named = {folder / wdir / "params.yaml" for _, wdir in parts}
    for part, wdir in parts:
        listed = part.get("vars")
        names = [each.partition(":")[0] for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
        named |= {folder / wdir / name for name in names}
    return {Path(os.path.normpath(path)) for path in named}


def _paths(entry: Any, base: Path) -> list[Path]:  # noqa: ANN401 - YAML is anything
    outs = entry.get("outs") if isinstance(entry, dict) else None
    listed = outs if isinstance(outs, list) else []
    named = [str(out["path"]) for out in listed if isinstance(out, dict) and out.get("path")]
    return [Path(os.path.normpath(base / path)) for path in named if "://" not in path]


@dataclass(frozen=True, slots=True)
class Settings:
    """DVC's configuration: the sections of all its files, later files winning, with paths made absolute."""

    sections: Mapping[str, Mapping[str, str]]
    folder: Path

    @classmethod
    def of(cls, folder: Path, environ: Mapping[str, str]) -> Settings:
        """Read the system's, the user's, the repository's and the local file.

        Raises:
            ConfigError: One is broken.
        """
        home = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or "/") / ".config")
        files = [
            Path(environ.get("DVC_SYSTEM_CONFIG_DIR") or "/etc/xdg/dvc") / "config",
            Path(environ["DVC_GLOBAL_CONFIG_DIR"] if environ.get("DVC_GLOBAL_CONFIG_DIR") else home / "dvc") / "config",
            folder / "config",
            folder / "config.local",
        ]
        merged: dict[str, dict[str, str]] = {}
        for file in files:
            for name, values in _sections(file).items():
                merged.setdefault(name, {}).update(values)
        return cls(merged, folder)

    @property
    def remote(self) -> str:
        """The name of the default remote; empty when none is set."""
        return self.sections.get("core", {}).get("remote", "")

    @property
    def remote_url(self) -> str:
        """Where the default remote is; empty when nobody says."""
        return self.remote_options.get("url", "")

    @property
    def remote_options(self) -> Mapping[str, str]:
        """The default remote's section."""
        return self.sections.get(f'remote "{self.remote}"', {})

    @property
    def versioned(self) -> bool:
        """Whether the remote keeps versions itself: then a push changes ``dvc.lock``."""
        return any(self.remote_options.get(name, "").lower() == "true" for name in ("version_aware", "worktree"))

    @property
    def cache(self) -> Path:
        """The folder of the local cache."""
        return Path(self.sections.get("cache", {}).get("dir") or self.folder / "cache")


PATHS = frozenset({"url", "dir", "keyfile", "cert_path", "key_path", "credentialpath", "configpath", "gdrive_path"})


def _sections(file: Path) -> dict[str, dict[str, str]]:
    parser = ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(file, encoding="utf-8")
    except (ConfigBroken, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is broken: {' '.join(str(error).split())}") from error
    return {
        name.strip("'"): {key: _absolute(key, value, file.parent) for key, value in parser.items(name)}
        for name in parser.sections()
    }


def _absolute(key: str, value: str, base: Path) -> str:
    """DVC reads a relative path as relative to the file in which it stands."""
    if key not in PATHS:
        return value
    value = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
    if "://" in value or value.startswith(("/", "~")):
        return value
    return os.path.normpath(base / value)
