"""What a sandbox leaves behind when it is killed: folders with disks, and empty cgroups. The next one removes them."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from runnerkit.sandbox.machines.init import folders, kernel
from runnerkit.sandbox.machines.nspawn import launcher

if TYPE_CHECKING:
    from pathlib import Path

HELD = "held"
GROUP = re.compile(r"runnerkit-.+-(\d+)")


def hold(folder: Path) -> int:
    """Mark a folder as in use as long as this process lives; the descriptor that says so."""
    descriptor = os.open(folder / HELD, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def remove(beside: Path, prefix: str) -> None:
    """Remove the folders beside this one that nobody holds any more, and the cgroups of sandboxes that are gone."""
    for folder in beside.parent.glob(f"{prefix}*"):
        if folder != beside and _abandoned(folder):
            folders.remove(folder)
    for name in {group.name for hierarchy in launcher.hierarchies() for group in hierarchy.glob("runnerkit-*-*")}:
        named = GROUP.fullmatch(name)
        if named and not kernel.lives(int(named[1])):
            clear_groups(name)


def _abandoned(folder: Path) -> bool:
    """One without the mark may be in the making."""
    with suppress(OSError):
        descriptor = os.open(folder / HELD, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)
        return True
    return False


def clear_groups(name: str) -> bool:
    """Remove a cgroup of every hierarchy with those below it; False while something in there lives."""
    groups = [hierarchy / name for hierarchy in launcher.hierarchies()]
    for group in groups:
        for above, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                os.rmdir(above)  # noqa: PTH106 - os.walk's own texts
    return not any(group.exists() for group in groups)
