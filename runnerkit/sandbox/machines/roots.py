"""The scratch root of a process machine: what its image has in place before anything boots."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit import boot
from runnerkit.sandbox.machines import described
from runnerkit.sandbox.machines.init import folders, shim
from runnerkit.sandbox.machines.init.host import SHIMS
from runnerkit.sandbox.machines.users import HOME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runnerkit.sandbox.machines.users import Logins

    Install = Callable[[Path, Mapping[str, str]], None]

AGENT_ENVIRONMENT = "etc/runnerkit/agent.env"
METADATA_ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
PARAMETERS_ENDPOINT = "AWS_ENDPOINT_URL_SSM"
ENABLED = "etc/systemd/system/sysinit.target.wants"
COMMANDS = ("systemctl", "systemd-run", "nft")
FOLDERS = (SHIMS, "run", "var/tmp", HOME, ENABLED, "opt/runnerkit/runner")
TEMPORARY = "tmp"


def make(
    root: Path,
    *,
    baked: bool,
    endpoints: Mapping[str, str],
    runner: Install,
    environ: Mapping[str, str],
    drop_ins: Mapping[str, str],
    logins: Logins,
    gpus: Sequence[str] = (),
) -> None:
    """Lay out an image's files.

    Raises:
        OSError: There is no room, or no right to write there.
    """
    for name in FOLDERS:
        folders.make(root / name)
    folders.make(root / TEMPORARY, 0o1777)
    os.chown(root / HOME, logins.uid, logins.gid)
    _shims(root)
    if gpus:
        put(root, f"{SHIMS}/nvidia-smi", described.nvidia_smi(gpus), 0o755)
    if baked:
        for file in boot.agent_files(image=True):
            put(root, file.path, file.text, int(file.mode, 8))
        (root / ENABLED / "runnerkit-boot.timer").symlink_to("../runnerkit-boot.timer")
    put(root, AGENT_ENVIRONMENT, environment_file(endpoints))
    for unit, text in drop_ins.items():
        put(root, f"etc/systemd/system/{unit}.d/90-sandbox.conf", text)
    # GitHub's own runner is nowhere to be had offline: what a stock image would download is in place already.
    runner(root / "opt/runnerkit/runner", environ)


def environment_file(variables: Mapping[str, str]) -> str:
    """Variables as systemd reads them from a file."""
    return "".join(f"{name}={value}\n" for name, value in variables.items())


def put(root: Path, path: str, text: str, mode: int = 0o644) -> None:
    """Write one file below the root."""
    file = root / path.lstrip("/")
    folders.make(file.parent)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)


def _shims(root: Path) -> None:
    for name in COMMANDS:
        words = shlex.join([sys.executable, "-IS", str(Path(shim.__file__)), str(root), name])
        put(root, f"{SHIMS}/{name}", f'#!/bin/sh\nexec {words} "$@"\n', 0o755)
