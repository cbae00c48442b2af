"""What a job leaves: its lock files and metrics, with the commit they belong to. Who takes it believes none of it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from runnerkit.errors import ConfigError
from runnerkit.job.locks.wording import is_plain, is_word
from runnerkit.job.pipeline import LOCK, parse_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

VERSION = 1
MANIFEST = "manifest.json"
FILES = "files"
LARGEST = 5_000_000  # bytes of a file
MOST_BYTES = 20_000_000  # of a bundle
MOST_FILES = 200
METRICS = frozenset({".json", ".yaml", ".yml", ".toml", ".csv", ".tsv"})
# They have a metric's name and steer DVC, or us.
STEERING = frozenset({"dvc.yaml", "params.yaml", "runnerkit.toml", "gate.toml"})
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class LockFile:
    """One file of a bundle: ``path`` is relative to the repository, ``commits`` tells whether git holds it."""

    path: str
    text: str
    commits: bool = True

    @property
    def is_lock(self) -> bool:
        """Whether it is a lock file; all others are metrics."""
        return PurePosixPath(self.path).name == LOCK

    @property
    def digest(self) -> str:
        """SHA-256 of its bytes, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Bundle:
    """Lock files and metrics of one job.

    ``sha`` is the commit that was checked out (for a pull request mostly GitHub's merge), ``head`` the commit of
    ``branch`` that it stands for, ``inputs`` are the files and folders in git from which the locks were made,
    ``overrides`` the params that were set for the run alone.
    """

    files: tuple[LockFile, ...]
    sha: str
    head: str
    branch: str = ""
    repo: str = ""
    head_repo: str = ""
    run: str = ""
    attempt: int = 1
    job: str = ""
    made: str = ""
    inputs: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()

    @property
    def committed(self) -> dict[str, str]:
        """What belongs into git: texts by path."""
        return {file.path: file.text for file in self.files if file.commits}

    @property
    def locks(self) -> list[LockFile]:
        """The lock files."""
        return [file for file in self.files if file.is_lock]

    def concerns(self, changed: Sequence[str]) -> list[str]:
        """Which of the changed files the locks were made from, or are."""
        ours = {*self.inputs, *self.committed}
        return [path for path in changed if any(path == each or path.startswith(f"{each}/") for each in ours)]

    def as_dict(self, *, texts: bool) -> dict[str, Any]:
        """The bundle for its file; without texts when these are files of their own."""
        said = {"version": VERSION, **asdict(self)}
        rows = []
        for file in self.files:
            row = {"path": file.path, "sha256": file.digest, "commits": file.commits}
            rows.append({**row, "text": file.text} if texts else row)
        return {**said, "files": rows}

    def packed(self) -> bytes:
        """The bundle as one thing for a store."""
        return (json.dumps(self.as_dict(texts=True), indent=1) + "\n").encode()

    def write(self, folder: Path) -> None:
        """The bundle as a folder: a manifest, and the files as they are."""
        for file in self.files:
            target = folder / FILES / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file.text, encoding="utf-8", newline="")
        manifest = json.dumps(self.as_dict(texts=False), indent=2) + "\n"
        (folder / MANIFEST).write_text(manifest, encoding="utf-8")


def unpacked(data: bytes, where: str) -> Bundle:
    """Read and check what a store holds.

    Raises:
        ConfigError: It is no bundle, or one that must not be trusted.
    """
    check_size(len(data), where)
    said = _said(data, where)
    return _checked(said, {str(row.get("path")): row.get("text") for row in _rows(said, where)}, where)


def read(folder: Path) -> Bundle:
    """Read and check a folder, such as a downloaded artifact.

    Raises:
        ConfigError: There is no bundle, or one that must not be trusted.
    """
    manifest = folder / MANIFEST
    try:
        data = manifest.read_bytes() if manifest.stat().st_size <= LARGEST else b""
    except OSError as error:
        raise ConfigError(
            f"{folder} holds no lock of a run: {manifest} cannot be read ({error.strerror or error})",
            hint="give the folder into which the artifact was downloaded",
        ) from error
    said = _said(data, str(manifest))
    paths = [safe(row.get("path"), str(folder)) for row in _rows(said, str(manifest))]
    found = [file for path in paths if (file := folder / FILES / path).is_file()]
    check_size(sum(file.stat().st_size for file in found), str(folder))
    return _checked(said, {path: _text(folder / FILES / path, folder) for path in paths}, str(folder))


def check_size(size: int, where: str) -> None:
    """Refuse what would fill the memory of whoever reads it.

    Raises:
        ConfigError: It has too many bytes.
    """
    if size > MOST_BYTES:
        raise _no_bundle(where, f"it has {size:,} bytes, and {MOST_BYTES:,} are the most")


def _text(file: Path, folder: Path) -> str:
    if not file.resolve().is_relative_to(folder.resolve()):
        raise _no_bundle(str(folder), f"{file.name} is a link that leads out of it")
    try:
        return file.read_bytes().decode("utf-8") if file.stat().st_size <= LARGEST else ""
    except (OSError, UnicodeDecodeError) as error:
        raise _no_bundle(str(folder), f"{file} cannot be read: {error}") from error


def _said(data: bytes, where: str) -> dict[str, Any]:
    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _no_bundle(where, f"it is no JSON ({error})") from error
    if not isinstance(said, dict) or said.get("version") != VERSION:
        raise _no_bundle(where, f"its version is not {VERSION}")
    return said


def _rows(said: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    rows = said.get("files")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows) or not 0 < len(rows) <= MOST_FILES:
        raise _no_bundle(where, f"it needs between 1 and {MOST_FILES} files")
    return rows


def _checked(said: Mapping[str, Any], texts: Mapping[str, object], where: str) -> Bundle:
    files = []
    for row in _rows(said, where):
        path = safe(row.get("path"), where)
        text = texts.get(path)
        file = LockFile(path, text if isinstance(text, str) else "", row.get("commits") is True)
        if file.digest != row.get("sha256"):
            raise _no_bundle(where, f"{path} is not what the manifest says: it was changed or cut")
        files.append(file)
    attempt = said.get("attempt")
    lists = {name: _listed(said.get(name)) for name in ("inputs", "overrides")}
    told: dict[str, Any] = {**_words(said, where), **lists, "attempt": attempt if isinstance(attempt, int) else 1}
    found = Bundle(tuple(files), **told)
    check_locks(found, where)
    return found


def _words(said: Mapping[str, Any], where: str) -> dict[str, str]:
    """What it says of itself: it comes into messages, names of branches and logs."""
    words = {name: str(said.get(name) or "") for name in ("branch", "repo", "head_repo", "run", "job", "made")}
    shas = {name: str(said.get(name) or "") for name in ("sha", "head")}
    for name, word in words.items():
        if not is_word(word) or (name == "run" and word and not _RUN.fullmatch(word)):
            raise _no_bundle(where, f"its {name} cannot be what it says: {word[:50]!r}")
    for name, sha in shas.items():
        if not _SHA.fullmatch(sha):
            raise _no_bundle(where, f"its {name} is no commit: {sha[:50]!r}")
    return words | shas


def _listed(said: object) -> tuple[str, ...]:
    return tuple(map(str, said)) if isinstance(said, list) else ()


def safe(path: object, where: str) -> str:
    """The path, if it can only be a lock or metrics file inside of a repository.

    Raises:
        ConfigError: It leads out of the repository, or to a file that steers git, DVC or GitHub.
    """
    text = path if isinstance(path, str) else ""
    parts = text.split("/")
    plain = PurePosixPath(text)
    kind = plain.name == LOCK or plain.suffix.lower() in METRICS
    if not text or "\\" in text or any(part in {"", ".", ".."} or not part.isprintable() for part in parts):
        raise _no_bundle(where, f"{text!r} is no path inside a repository")
    if any(part.startswith(".") for part in parts) or not kind or plain.name.lower() in STEERING:
        raise _no_bundle(where, f"{text!r} is neither a lock file nor metrics")
    return text


def safe_run(run: str) -> str:
    """The id of a run, if a key can be made of it.

    Raises:
        ConfigError: It cannot.
    """
    if not _RUN.fullmatch(run):
        raise ConfigError(f"{run!r} is not the id of a run", hint="letters, digits, dots, dashes, at most 100")
    return run


def check_locks(bundle: Bundle, where: str) -> None:
    """Make sure that its lock files are such.

    Raises:
        ConfigError: There is none, or one does not parse.
    """
    if not bundle.locks:
        raise _no_bundle(where, f"it holds no {LOCK}")
    for file in bundle.locks:
        if not is_plain(file.text):
            raise _no_bundle(where, f"{file.path} means far more than it says, by merges or aliases")
        said = parse_yaml(file.text, f"{file.path} of {where}")
        stages = said.get("stages", {}) if isinstance(said, dict) and "schema" in said else None
        if not isinstance(stages, dict):
            raise _no_bundle(where, f"{file.path} is no lock file of DVC's")


def _no_bundle(where: str, why: str) -> ConfigError:
    return ConfigError(f"the lock in {where} is refused: {why}", hint="let the run that should have left it run again")
