"""Makes a bundle of what a run has left in its checkout."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runnerkit.errors import ConfigError
from runnerkit.job.checks import git
from runnerkit.job.locks.bundle import LARGEST, METRICS, Bundle, LockFile
from runnerkit.job.locks.permitted import on_disk, undeclared
from runnerkit.job.pipeline import LOCK, PROJECT, lenient, variable_files, wdir_of
from runnerkit.job.place import event_of
from runnerkit.job.versions import declared

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runnerkit.job.pipeline import Project
    from runnerkit.job.place import Place


def gathered(project: Project, place: Place, environ: Mapping[str, str], sha: str) -> Bundle:
    """The bundle of a checkout in which a pipeline was run.

    Args:
        project: The project.
        place: The job.
        environ: GitHub's variables, for the branch.
        sha: The commit that was checked out; empty when the project is not in git.

    Raises:
        ConfigError: There is no lock file, or no commit that it could belong to.
    """
    top = Path((git(project.root, "rev-parse", "--show-toplevel") or "").strip() or project.root)
    locks = [folder / LOCK for folder in project.folders() if (folder / LOCK).is_file()]
    if not locks or not sha:
        what = "the project is not in git" if locks else f"there is no {LOCK}"
        raise ConfigError(f"no lock can be left: {what}", hint="use --lock none")
    named = [project.here / name for name in declared(project).metrics]
    metrics = [file for file in named if file.is_file() and file.suffix.lower() in METRICS]
    found = {os.path.relpath(file, top): _text(file) for file in (*locks, *metrics)}
    paths = [path for path, text in found.items() if text is not None and not path.startswith("..")]
    held = _held_by_git(top, paths)
    branch, head_repo = branch_of(environ)
    bundle = Bundle(
        files=tuple(LockFile(path, found[path] or "", path in held) for path in sorted(paths)),
        sha=sha,
        head=place.sha if sha == environ.get("GITHUB_SHA") and place.sha else sha,
        branch=branch,
        repo=place.repo,
        head_repo=head_repo or place.repo,
        run=place.run_id,
        attempt=place.run_attempt,
        job=place.job,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        inputs=tuple(sorted({os.path.relpath(path, top) for lock in locks for path in _inputs(lock.parent)})),
    )
    # Whoever takes it would refuse these.
    strangers = undeclared(bundle, on_disk(top))
    return replace(bundle, files=tuple(file for file in bundle.files if file.path not in strangers))


def _text(file: Path) -> str | None:
    try:
        return file.read_bytes().decode("utf-8") if file.stat().st_size <= LARGEST else None
    except (OSError, UnicodeDecodeError):
        return None


def _held_by_git(top: Path, paths: list[str]) -> set[str]:
    """Those that git tracks, or would: what it ignores, DVC holds."""
    words = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--")
    return {name for name in (git(top, *words, *paths) or "").split("\0") if name}


def branch_of(environ: Mapping[str, str]) -> tuple[str, str]:
    """The branch that GitHub's run is about, and the repository it is in when it is a pull request's."""
    pull = event_of(environ).get("pull_request")
    head = pull.get("head") if isinstance(pull, dict) else None
    if isinstance(head, dict):
        repo = head.get("repo")
        return str(head.get("ref") or ""), str(repo.get("full_name") or "") if isinstance(repo, dict) else "?"
    if environ.get("GITHUB_REF_TYPE") == "tag":
        return "", ""
    return environ.get("GITHUB_HEAD_REF") or environ.get("GITHUB_REF_NAME", ""), ""


def _inputs(folder: Path) -> Iterator[Path]:
    """What the lock of a folder was made from: its ``dvc.yaml``, what that is filled from, what stages need."""
    yield from (folder / PROJECT, *variable_files(folder))
    project, lock = _stages(folder / PROJECT), _stages(folder / LOCK)
    for name, entry in lock.items():
        body = project.get(name) or project.get(str(name).partition("@")[0]) or {}
        base = folder / wdir_of(body)
        for path in (*_named(entry.get("deps")), *_param_files(entry.get("params"))):
            yield Path(os.path.normpath(base / path))
            # Data that `dvc add` tracks is in git as a file beside it.
            yield Path(os.path.normpath(base / f"{path}.dvc"))


def _stages(path: Path) -> dict[str, Any]:
    said = lenient(path)
    stages = said.get("stages") if isinstance(said, dict) else None
    return {name: body for name, body in (stages or {}).items() if isinstance(body, dict)}


def _named(rows: object) -> list[str]:
    listed = rows if isinstance(rows, list) else []
    return [row["path"] for row in listed if isinstance(row, dict) and "://" not in str(row.get("path", "://"))]


def _param_files(params: object) -> list[str]:
    return [str(name) for name in params] if isinstance(params, dict) else []
