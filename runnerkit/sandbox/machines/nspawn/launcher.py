"""Runs as a program of its own and becomes systemd-nspawn: ``python -IS launcher.py SPEC``, SPEC being JSON.

It makes what belongs to one machine alone (network, mounts, cgroup), says ``ready``, and goes on when it is told to.
What it makes is the kernel's to clear away when the machine ends, however it ends; only the cgroup's empty folder is
left.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1
CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID = 0x00020000, 0x40000000, 0x20000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFFLAGS = 0x8916, 0x891C, 0x8914
IFF_UP = 1
CGROUPS = Path("/sys/fs/cgroup")
GONE, SIGNALLED = 65, 128

libc = ctypes.CDLL(None, use_errno=True)


def main(spec: dict[str, Any]) -> None:
    """Prepare, wait, and become the machine."""
    _die_with(spec["parent"])
    _cgroup(spec["cgroup"])
    # What nspawn starts would outlive it, were it not the first process of a namespace: with that one the kernel ends
    # all others.
    _call(libc.unshare, CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID)
    launcher = os.getpid()
    child = os.fork()
    if child:
        _stand_by(child)
    _call(libc.prctl, PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
    if not Path(f"/proc/{launcher}").exists():
        sys.exit(GONE)
    _network(spec["addresses"])
    _disk(spec)
    _mount("proc", "/proc", "proc", 0, "")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if sys.stdin.readline() != "go\n":
        sys.exit(GONE)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(1, 2)
    os.execvp(spec["argv"][0], spec["argv"])  # noqa: S606 - it is to be replaced


def _stand_by(child: int) -> NoReturn:
    """Leave as the child does."""
    for number in range(3):
        os.close(number)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(code if code >= 0 else SIGNALLED - code)


def _die_with(parent: int) -> None:
    """Hear of the sandbox's death by dying; what is below dies with us."""
    _call(libc.prctl, PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(GONE)


def _call(function: Any, *arguments: Any) -> None:  # noqa: ANN401 - of the C library
    if function(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{function.__name__}: {os.strerror(number)}")


def _network(addresses: list[str]) -> None:
    """Only a loopback interface, which also has the addresses that AWS serves to its instances."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
        for number, address in enumerate(addresses):
            name = f"lo:{number}".encode()
            for request, value in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, "255.255.255.255")):
                packed = struct.pack("16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(value))
                fcntl.ioctl(control, request, packed)


def _disk(spec: dict[str, Any]) -> None:
    """The machine's own layer over those of its image; with a limit that layer is in memory and no larger."""
    _mount("none", "/", "", MS_REC | MS_PRIVATE, "")
    folder = Path(spec["folder"])
    upper = folder / "upper"
    if spec["disk_mb"]:
        limited = folder / "limited"
        limited.mkdir(exist_ok=True)
        _mount("tmpfs", str(limited), "tmpfs", 0, f"size={spec['disk_mb']}m,mode=755")
        shutil.copytree(upper, limited / "upper", symlinks=True)
        (limited / "work").mkdir()
        folder = limited
        upper = folder / "upper"
    options = f"lowerdir={':'.join(spec['lower'])},upperdir={upper},workdir={folder / 'work'}"
    _mount("overlay", spec["root"], "overlay", 0, options)


def _mount(what: str, where: str, kind: str, flags: int, options: str) -> None:
    try:
        _call(libc.mount, what.encode(), where.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())
    except OSError as error:
        raise OSError(error.errno, f"mount {kind or 'privately'} on {where}: {error.strerror}") from error


def _cgroup(name: str) -> None:
    """A group of its own in every hierarchy, or machines would share the groups of their units."""
    if not name:
        return
    for hierarchy in hierarchies():
        own = hierarchy / name
        own.mkdir(exist_ok=True)
        if (hierarchy / "cpuset.cpus").exists() and not (own / "cpuset.cpus").read_text().strip():
            for file in ("cpuset.cpus", "cpuset.mems"):
                (own / file).write_text((hierarchy / file).read_text())
        (own / "cgroup.procs").write_text(str(os.getpid()))


def hierarchies() -> list[Path]:
    """The top of each cgroup hierarchy: one of the second version, or one for each controller."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [entry for entry in CGROUPS.iterdir() if entry.is_dir() and not entry.is_symlink()]


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except OSError as problem:
        sys.exit(f"the machine cannot be made: {problem}")
