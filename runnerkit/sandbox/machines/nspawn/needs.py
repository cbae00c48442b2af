"""What a computer needs for machines in systemd-nspawn."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError
from runnerkit.sandbox.machines.nspawn import trees

if TYPE_CHECKING:
    from collections.abc import Callable

# Programs, and the Debian packages that have them.
PROGRAMS = {"systemd-nspawn": "systemd-container", "mmdebstrap": "mmdebstrap", "nsenter": "util-linux"}


def missing() -> str:
    """Why there can be no such machines here, and what to do about it; empty when there can."""
    if sys.platform != "linux" or not Path("/proc/self/ns/net").exists():
        return "nspawn machines need Linux with namespaces"
    if os.geteuid() != 0:
        return "nspawn machines need root, as they mount file systems and make networks"
    packages = sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})
    if packages:
        return f"{', '.join(packages)} not installed: apt-get install {' '.join(packages)}"
    return ""


def need() -> None:
    """Refuse a computer that lacks something.

    Raises:
        ConfigError: It does; the message says what.
    """
    lacking = missing()
    if lacking:
        raise ConfigError(lacking, hint="the sandbox's process machines need none of that")


def prepare(say: Callable[[str], None]) -> None:
    """Have the machines' system, so that what starts afterwards does not take long.

    Args:
        say: Hears what takes long.

    Raises:
        ConfigError: There can be no such machines here.
    """
    need()
    with trees.base(say):
        pass
