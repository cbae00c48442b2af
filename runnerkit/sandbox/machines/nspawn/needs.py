"""What a computer needs for machines in systemd-nspawn."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

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
