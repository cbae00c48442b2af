"""As whom a process machine runs its job."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

JOB_USER = "nobody"
HOME = "home/runner"
RUNNER = "runner"
# What a job starts with: the interpreter, the packages beside it, and files below the scratch folder.
PROBE = "import os, sys, runnerkit; os.listdir(sys.prefix); os.chdir(sys.argv[1])"
PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Logins:
    """The user that the supervisor has and the one that runs the job; ``warning`` says why they are the same."""

    superuser: str
    runner: str
    uid: int
    gid: int
    lowered: bool
    warning: str = ""

    def spec(self, root: Path) -> dict[str, object]:
        """The users as a machine's supervisor wants to know them."""
        home, same = str(root / HOME), {"uid": self.uid, "gid": self.gid}
        runner = {"name": self.runner, "home": home, **same, "lowered": self.lowered}
        return {
            "users": {RUNNER: runner},
            "superuser": {"name": self.superuser, "home": home, "uid": os.geteuid(), "gid": os.getegid()},
        }


def choose(folder: Path, python: str = sys.executable) -> Logins:
    """Everything runs as the present user; as root, the job runs as ``nobody`` where that user can run Python at all.

    Raises:
        ConfigError: The present user has no name.
    """
    uid = os.geteuid()
    try:
        me = pwd.getpwuid(uid)
    except KeyError:
        raise ConfigError(
            f"user {uid} has no name on this computer, and process machines need one for their runner",
            hint="add the user to /etc/passwd, or use HollowMachines, which start no processes",
        ) from None
    if uid != 0:
        return Logins(me.pw_name, me.pw_name, uid, me.pw_gid, lowered=False)
    other, trouble = _lower(folder, python)
    if other is None:
        return Logins(me.pw_name, me.pw_name, uid, me.pw_gid, lowered=False, warning=f"the job runs as root: {trouble}")
    return Logins(me.pw_name, other.pw_name, other.pw_uid, other.pw_gid, lowered=True)


def _lower(folder: Path, python: str) -> tuple[pwd.struct_passwd | None, str]:
    """The job's own user, or why it cannot be used."""
    try:
        entry = pwd.getpwnam(JOB_USER)
    except KeyError:
        return None, f"there is no user {JOB_USER}"
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [python, "-c", PROBE, str(folder)],
            user=entry.pw_uid,
            group=entry.pw_gid,
            extra_groups=[],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"{JOB_USER} cannot run {python}: {error}"
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return None, f"{JOB_USER} cannot use {python}: {said[-1]}"
    return entry, ""
