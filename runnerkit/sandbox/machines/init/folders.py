"""Folders that jobs write into: made for every user to pass, and removed whatever a job did to them."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PASSABLE = 0o755


def make(folder: Path, mode: int = PASSABLE) -> Path:
    """Make a folder, and those above it that are missing, whatever the mask of the sandbox's own process."""
    if not folder.is_dir():
        make(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)
    return folder


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it, also below folders that a job has closed (as Go does with its cache)."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        with suppress(OSError):
            folder.chmod(0o700)
        for above, names, _ in os.walk(folder):
            for path in (os.path.join(above, name) for name in names):  # noqa: PTH118 - os.walk's own texts
                _open(path)
        shutil.rmtree(folder, ignore_errors=True)


def _open(path: str) -> None:
    with suppress(OSError):
        if not os.path.islink(path):  # noqa: PTH114 - as above
            os.chmod(path, 0o700)  # noqa: PTH101 - as above
