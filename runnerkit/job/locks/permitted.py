"""What a bundle may bring: lock files of pipelines, and the metrics that these declare."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from runnerkit.job.pipeline import PROJECT, parse_yaml
from runnerkit.job.versions import Declared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runnerkit.job.locks.bundle import Bundle, LockFile

LARGEST_PROJECT = 1_000_000  # bytes of a dvc.yaml


def undeclared(bundle: Bundle, read: Callable[[str], str | None]) -> list[str]:
    """Files of a bundle that no pipeline of the commit onto which they go declares: metrics, or a lock of its own.

    Args:
        bundle: What is brought.
        read: Gives a file of that commit by its path; None when there is none.

    Raises:
        ConfigError: A ``dvc.yaml`` of that commit is no YAML.
    """
    known = {path for lock in bundle.locks for path in _of_pipeline(lock, read)}
    return [path for path in bundle.committed if path not in known]


def _of_pipeline(lock: LockFile, read: Callable[[str], str | None]) -> Iterator[str]:
    folder = PurePosixPath(lock.path).parent
    text = read(str(folder / PROJECT))
    if text is not None:
        yield lock.path
        for name in Declared.of(parse_yaml(text, str(folder / PROJECT)), parse_yaml(lock.text, lock.path)).metrics:
            yield os.path.normpath(folder / name)


def on_disk(top: Path) -> Callable[[str], str | None]:
    """Reads files of a checkout; one that is too large or no text is as good as none."""

    def read(path: str) -> str | None:
        file = top / path
        try:
            return file.read_text(encoding="utf-8") if file.stat().st_size <= LARGEST_PROJECT else None
        except (OSError, UnicodeDecodeError):
            return None

    return read
