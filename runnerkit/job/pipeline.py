"""A DVC project as its files tell it: remote, cache, stages, and what they promise to write.

DVC's own commands answer the same questions in seconds each; the files answer at once.
"""

from __future__ import annotations

import os
from configparser import ConfigParser
from configparser import Error as ConfigBroken
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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

    def declared(self) -> dict[str, dict[str, Any]]:
        """The stages of the ``dvc.yaml`` here, by name; those made by ``foreach`` or ``matrix`` under their base name.

        Raises:
            ConfigError: The file is missing or broken.
        """
        path = self.here / PROJECT
        said = read_yaml(path)
        if said is None:
            raise ConfigError(
                f"there is no {PROJECT} in {self.here}", hint="run this where the pipeline's dvc.yaml is (`cd`)"
            )
        stages = said.get("stages") if isinstance(said, dict) else None
        if not isinstance(stages, dict):
            raise ConfigError(f"{path} declares no stages")
        return {str(name): body if isinstance(body, dict) else {} for name, body in stages.items()}

    def outputs(self, addresses: frozenset[str] | None = None) -> dict[str, list[Path]]:
        """What each stage wrote by the lock files, and each ``.dvc`` file tracks: paths by the stage's address.

        Args:
            addresses: Only these, as DVC writes them; all of them by default.
        """
        found = {address: paths for folder in self.folders() for address, paths in self._outputs(folder)}
        return {name: paths for name, paths in found.items() if addresses is None or name in addresses}

    def folders(self) -> Iterator[Path]:
        """Every folder of the project that may hold DVC's files."""
        for path, names, _ in os.walk(self.root):
            names[:] = sorted(set(names) - SKIPPED)
            yield Path(path)

    def _outputs(self, folder: Path) -> Iterator[tuple[str, list[Path]]]:
        prefix = "" if folder == self.here else f"{os.path.relpath(folder / PROJECT, self.here)}:"
        lock = read_yaml(folder / LOCK)
        stages = lock.get("stages") if isinstance(lock, dict) else None
        project = read_yaml(folder / PROJECT) if isinstance(stages, dict) else None
        bodies = (project.get("stages") if isinstance(project, dict) else None) or {}
        for name, entry in (stages or {}).items():
            body = bodies.get(name) or bodies.get(str(name).partition("@")[0])
            if body is not None:
                yield f"{prefix}{name}", _paths(entry, folder / _wdir(body))
        for file in sorted(folder.glob("*.dvc")):
            said = read_yaml(file) if file.is_file() else None
            if isinstance(said, dict):
                yield os.path.relpath(file, self.here), _paths(said, folder / str(said.get("wdir") or "."))


def _wdir(body: Mapping[str, Any]) -> str:
    # A templated working directory is known to DVC alone; the lock then still names the paths below it.
    wdir = str((body.get("do") or body).get("wdir") or ".")
    return "." if "${" in wdir else wdir


def _paths(entry: Any, base: Path) -> list[Path]:  # noqa: ANN401 - YAML is anything
    outs = entry.get("outs") if isinstance(entry, dict) else None
    named = [str(out["path"]) for out in outs or [] if isinstance(out, dict) and out.get("path")]
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
    if key not in PATHS or "://" in value or value.startswith(("/", "~")):
        return value
    return os.path.normpath(base / value)
