"""One nspawn machine seen from the sandbox: started, listened to, looked into, ended."""

from __future__ import annotations

import errno
import json
import os
import select
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit.sandbox.machines.init import kernel
from runnerkit.sandbox.machines.nspawn import launcher, leftovers
from runnerkit.sandbox.machines.nspawn.console import Console
from runnerkit.sandbox.machines.nspawn.network import Network
from runnerkit.sandbox.machines.nspawn.trees import INIT_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NESTED = 2
READY = b"ready\n"
READY_WITHIN = 60.0
BLOCK = 65_536
BLOCKS_AT_ONCE = 16
GRACE = 10.0
# What nspawn leaves with when the system inside reboots and somebody else is to start it again.
REBOOTED = 133
LOOK_AGAIN = 0.02
METADATA = "169.254.169.254"
# A host of GitHub's as the machine sees it. Source: RFC 5737 keeps these addresses for such use.
MIRROR = "192.0.2.1"


@dataclass(frozen=True)
class Disk:
    """What a machine boots from: ``lower`` are folders, the topmost first; ``folder`` holds its own layer.

    ``limit_mb`` bounds that layer, which is then lost with the machine. ``binds`` are folders of this computer that it
    sees under the same names, to read.
    """

    folder: Path
    lower: Sequence[Path]
    binds: Sequence[Path] = ()
    limit_mb: int = 0

    @property
    def upper(self) -> Path:
        """The machine's own layer."""
        return self.folder / "upper"

    def make(self) -> None:
        """Make the folders that the layer needs.

        Raises:
            OSError: There is no room, or no right to write there.
        """
        for name in ("upper", "work", "root"):
            (self.folder / name).mkdir()
        self.upper.chmod(0o755)


class Guest:
    """One machine that is running. The thread that makes one must live as long as it.

    Args:
        name: The machine's host name.
        disk: What it boots from.
        furnish: Gets its network before anything boots in it.
        console: Gets what the serial console says.

    Raises:
        OSError: It cannot be made; what was begun is gone.
    """

    def __init__(
        self, name: str, disk: Disk, furnish: Callable[[Network], None], console: Callable[[bytes], None]
    ) -> None:
        self.name = name
        self._lines = Console()
        self._console = console
        self._cgroup = _cgroup(name)
        self._process, self._tell, self.output = _launch(_spec(self._cgroup, name, disk))
        try:
            _wait_until_ready(self.output)
            self.network = Network(self._process.pid)
            furnish(self.network)
            os.write(self._tell, b"go\n")
        except BaseException:
            self.end()
            raise
        os.set_blocking(self.output, False)

    @property
    def leader(self) -> int:
        """The process that is number one inside; 0 when there is none (yet)."""
        return next((pid for pid in kernel.below(self._process.pid) if _inside(pid)), 0)

    def read(self) -> bool:
        """Pass on what the console said, a part of it at a time; False once it can say no more."""
        for _ in range(BLOCKS_AT_ONCE):
            try:
                data = os.read(self.output, BLOCK)
            except BlockingIOError:
                return True
            if not data:
                self._show(self._lines.close())
                return False
            self._show(self._lines.hear(data))
        return True

    def _show(self, said: bytes) -> None:
        if said:
            self._console(said)

    def ended(self) -> int | None:
        """Its exit code once it has ended: 0 when it powered off."""
        return self._process.poll()

    def pull(self) -> None:
        """Pull the plug; :meth:`end` waits for what follows."""
        if self._process.poll() is None:
            self._process.kill()

    def end(self) -> None:
        """Make sure of its end, pass on the rest of what it said, and clear away what it had."""
        below = kernel.descendants(self._process.pid)
        self.pull()
        self._process.wait()
        until = time.monotonic() + GRACE
        while any(kernel.lives(pid) for pid in below) and time.monotonic() < until:
            time.sleep(LOOK_AGAIN)
        if not os.get_blocking(self.output):
            self.read()
        if hasattr(self, "network"):
            self.network.close()
        os.close(self.output)
        os.close(self._tell)
        _clear(self._cgroup, until)


def _inside(pid: int) -> bool:
    """Whether a process is number one in a namespace within the launcher's own."""
    with suppress(OSError):
        status = (kernel.PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace")
        ids = next(line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:"))
        return len(ids) > NESTED and ids[-1] == "1"
    return False


def check(disk: Disk) -> None:
    """Make all that a machine needs, and start none.

    Raises:
        OSError: It cannot be made here, and why.
    """
    name = "check"
    cgroup = _cgroup(name)
    process, tell, output = _launch(_spec(cgroup, name, disk))
    os.close(tell)
    try:
        _wait_until_ready(output)
    finally:
        os.close(output)
        process.kill()
        process.wait()
        _clear(cgroup, time.monotonic() + GRACE)


def _cgroup(name: str) -> str:
    """The group to make for it. Where systemd runs, it makes a scope; elsewhere we do what a scope does."""
    return "" if Path("/run/systemd/system").exists() else f"runnerkit-{name}-{os.getpid()}"


def _clear(cgroup: str, until: float) -> None:
    # What has just died may not be collected yet.
    while cgroup and not leftovers.clear_groups(cgroup) and time.monotonic() < until:
        time.sleep(LOOK_AGAIN)


def _launch(spec: dict[str, object]) -> tuple[subprocess.Popen[bytes], int, int]:
    """Start the launcher; where to tell it to go on, and what it says."""
    with ExitStack() as failed, ExitStack() as theirs:
        told, tell = os.pipe()
        theirs.callback(os.close, told)
        failed.callback(os.close, tell)
        output, said = os.pipe()
        theirs.callback(os.close, said)
        failed.callback(os.close, output)
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-IS", launcher.__file__, json.dumps(spec)],
            stdin=told,
            stdout=said,
            stderr=said,
            cwd="/",
            start_new_session=True,
        )
        failed.pop_all()
    return process, tell, output


def _spec(cgroup: str, name: str, disk: Disk) -> dict[str, object]:
    """What the launcher has to know."""
    return {
        "parent": os.getpid(),
        "addresses": [METADATA, MIRROR],
        "folder": str(disk.folder),
        "root": str(disk.folder / "root"),
        "lower": [str(layer) for layer in disk.lower],
        "disk_mb": disk.limit_mb,
        "cgroup": cgroup,
        "argv": _argv(name, disk, keep_unit=bool(cgroup)),
    }


def _argv(name: str, disk: Disk, *, keep_unit: bool) -> list[str]:
    return [
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        *(["--keep-unit"] if keep_unit else []),
        "--network-namespace-path=/proc/self/ns/net",
        f"--directory={disk.folder / 'root'}",
        f"--machine={name}",
        "--console=read-only",
        "--capability=CAP_NET_ADMIN",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        *(f"--bind-ro={folder}" for folder in disk.binds),
        INIT_FILE,
    ]


def _wait_until_ready(output: int) -> None:
    """Until its network is there; whatever else it says is why it is not."""
    said, until = b"", time.monotonic() + READY_WITHIN
    while not said.endswith(READY):
        readable, _, _ = select.select([output], [], [], max(0.0, until - time.monotonic()))
        block = os.read(output, BLOCK) if readable else b""
        if not block:
            raise OSError(errno.EIO, said.decode(errors="replace").strip() or "its launcher says nothing")
        said += block
