"""The system that every nspawn machine boots: a small Debian, made once and kept between runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError
from runnerkit.sandbox.machines.init import folders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDER_VARIABLE = "RUNNERKIT_SANDBOX_TREES"
FOLDER = "/var/cache/runnerkit/trees"
FALLBACK = "bookworm"
# What an image for runners has, the programs that the tests of the agent use (faketime), and what shared objects of the
# computer's own Python and of its packages link to.
PACKAGES = (
    "ca-certificates,cloud-init,curl,dbus,git,iproute2,libexpat1,libfaketime,libffi8,libpython3-stdlib,libreadline8,"
    "libsqlite3-0,nftables,openssh-server,procps,python3,sudo,systemd,systemd-sysv"
)
# The least of the cloud's own habits that would cost time or reach out. The user is called as on Ubuntu's images.
CLOUD = """\
datasource_list: [Ec2]
datasource:
  Ec2: {strict_id: false, timeout: 5, max_wait: 30}
network: {config: disabled}
system_info: {default_user: {name: ubuntu, lock_passwd: true, shell: /bin/bash, sudo: ["ALL=(ALL) NOPASSWD:ALL"]}}
apt: {preserve_sources_list: true}
locale: C.UTF-8
manage_etc_hosts: false
preserve_hostname: true
ssh_genkeytypes: [ed25519]
"""
# Of a cgroup hierarchy of the first version nspawn gives a machine only a look. Each has a group of its own here, and
# limits of memory and processes must hold inside as they do on a real machine.
INIT = """\
#!/bin/sh
for name in memory pids; do
    if [ -e "/sys/fs/cgroup/$name/tasks" ]; then mount -o remount,rw,bind "/sys/fs/cgroup/$name"; fi
done
exec /lib/systemd/systemd "$@"
"""
INIT_FILE = "/usr/local/sbin/sandbox-init"
# cloud-init asks with a token (version 2 of the metadata service) only where it knows that this is AWS, and knows it by
# a file of the hypervisor, which no container can have.
CLOUD_INIT = """\
#!/usr/bin/python3
import sys
from cloudinit import util
from cloudinit.cmd.main import main

def told(read):
    def load(file, *rest, **more):
        return "ec200000-sandbox" if file == "/sys/hypervisor/uuid" else read(file, *rest, **more)
    return load

for name in ("load_file", "load_text_file"):
    if hasattr(util, name):
        setattr(util, name, told(getattr(util, name)))
sys.exit(main())
"""
FILES = {
    "/etc/cloud/cloud.cfg.d/99-sandbox.cfg": (CLOUD, 0o644),
    INIT_FILE: (INIT, 0o755),
    "/usr/bin/cloud-init": (CLOUD_INIT, 0o755),
}
# What mmdebstrap copies from this computer.
NOT_OURS = ("etc/hostname", "etc/resolv.conf")
# A login prompt on the serial console, and what Debian does from time to time.
MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "motd-news.timer",
    "systemd-timesyncd.service",
)
KEPT_LINES = 20
BUILDING = ".building-"
TREE = re.compile(r"[a-z]+-[0-9a-f]{12}")
UNUSED_FOR = 30 * 24 * 3600.0
BUILT_WITHIN = 1800.0
HINT = "mmdebstrap takes packages from where apt does; does `apt-get update` work here?"
# Whatever becomes of us, the builder ends with all it has started, and its mounts are gone: they show devices of this
# computer in a folder that is removed.
ALONE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


@contextmanager
def base(say: Callable[[str], None]) -> Iterator[Path]:
    """The tree, kept from being removed; made if it is not there yet, which takes a minute or two.

    Args:
        say: Hears that it takes a while.

    Raises:
        ConfigError: It cannot be made.
    """
    within = Path(os.environ.get(FOLDER_VARIABLE) or FOLDER)
    tree = within / f"{_suite()}-{_digest()}"
    with ExitStack() as using:
        try:
            within.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _alone(within / "lock", say):
                if not tree.exists():
                    _clear_half_built(within)
                    say(f"building the machines' system (Debian packages, once, a minute or two) in {tree}")
                    _build(within, tree)
                using.callback(os.close, _hold(tree))
                remove_unused(within, time.time())
        except OSError as error:
            hint = f"{FOLDER_VARIABLE} names another folder"
            raise ConfigError(f"the machines' system cannot be kept in {within}: {error}", hint=hint) from error
        yield tree


def _hold(tree: Path) -> int:
    """Mark a tree as in use: now by its time, and by a lock as long as the descriptor is open."""
    descriptor = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        # Where the folder can only be read, nobody removes anything either.
        with suppress(OSError):
            os.utime(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def remove_unused(within: Path, now: float) -> None:
    """Remove the trees that nobody has used for a month: those of other versions of runnerkit.

    Args:
        within: Where the trees are; its lock is held.
        now: Seconds since the epoch.
    """
    for tree in within.iterdir():
        if not TREE.fullmatch(tree.name) or now - tree.stat().st_mtime < UNUSED_FOR:
            continue
        descriptor = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # It bears the lock of whoever uses it.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folders.remove(tree)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)


def _clear_half_built(within: Path) -> None:
    """What a builder left that was killed: while we hold the lock there is no other."""
    for folder in within.glob(f"{BUILDING}*"):
        folders.remove(folder)


def _suite() -> str:
    """The computer's own suite where it is a Debian or one of its kind: its Python then runs in the machines, too."""
    with suppress(OSError):
        return platform.freedesktop_os_release().get("VERSION_CODENAME") or FALLBACK
    return FALLBACK


def _digest() -> str:
    said = repr((PACKAGES, sorted(FILES.items()), MASKED, NOT_OURS))
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def _build(within: Path, tree: Path) -> None:
    made = Path(tempfile.mkdtemp(prefix=BUILDING, dir=within))
    try:
        _debian(made)
        for name, (text, mode) in FILES.items():
            file = made / name.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            file.chmod(mode)
        for name in NOT_OURS:
            (made / name).unlink(missing_ok=True)
        for unit in MASKED:
            (made / "etc/systemd/system" / unit).symlink_to("/dev/null")
        # The computer's Python may lie below it.
        (made / "root").chmod(0o711)
        made.chmod(0o755)
        made.rename(tree)
    finally:
        folders.remove(made)


def _debian(into: Path) -> None:
    argv = ["mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", "--quiet"]
    argv += ['--aptopt=Apt::Install-Recommends "false"', "--dpkgopt=path-exclude=/usr/share/doc/*"]
    argv += ["--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"]
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(  # noqa: S603 - words of our own
            [*ALONE, *argv, _suite(), str(into)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environ,
            text=True,
            errors="replace",
            timeout=BUILT_WITHIN,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"mmdebstrap was not done after {BUILT_WITHIN / 60:.0f} minutes", hint=HINT) from None
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-KEPT_LINES:])
        raise ConfigError(
            f"mmdebstrap left with {done.returncode} while building the machines' system:\n{last}", hint=HINT
        )


@contextmanager
def _alone(file: Path, say: Callable[[str], None]) -> Iterator[None]:
    """One builder at a time; the others wait for its tree."""
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that builds the machines' system")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
