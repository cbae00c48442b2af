"""What a bundle may bring: lock files of pipelines, the metrics that these declare, and words without tricks."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import yaml

from runnerkit.job.pipeline import PROJECT, Loader, parse_yaml
from runnerkit.job.versions import Declared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runnerkit.job.locks.bundle import Bundle, LockFile

LONGEST = 300  # characters of a branch, a run, a job
MOST_ALIASES = 1000
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


def is_word(text: str) -> bool:
    """Whether it is one line that a log, a commit message and a terminal can show as it is; or nothing."""
    return len(text) <= LONGEST and (text.isprintable() or not text)


def is_plain(text: str) -> bool:
    """Whether YAML means about as much as it has letters: a few merges of merges would fill any memory.

    DVC writes an alias now and then, but never a merge. What is no YAML at all is for others to say.
    """
    if "*" not in text and "<<" not in text:
        return True
    aliases = 0
    try:
        for token in yaml.scan(text, Loader):
            aliases += isinstance(token, yaml.AliasToken)
            if aliases > MOST_ALIASES or (isinstance(token, yaml.ScalarToken) and token.plain and token.value == "<<"):
                return False
    except (yaml.YAMLError, ValueError):
        return True
    return True
