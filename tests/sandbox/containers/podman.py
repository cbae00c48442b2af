"""podman as a container engine of its own: all its state in a scratch folder, its socket there too."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.sandbox.containers.image import make_tarball, pack
from tests.sandbox.containers.registry import Registry, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IMAGE = "localhost/runnerkit-small:1"
NEEDED = ("podman", "runc", "conmon")
STARTS = 20.0
CONFIGURATION = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
volumes = {volumes}
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
# Where podman takes them to be once its --root is given, as it does itself to tidy up after a container.
static_dir = "{folder}/graph/libpod"
tmp_dir = "{folder}/tmp"
volume_path = "{folder}/graph/volumes"
[network]
network_config_dir = "{folder}/networks"
"""
STORAGE = """
[storage]
driver = "vfs"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""
REGISTRIES = """
[[registry]]
location = "{host}"
insecure = true
"""


def require() -> None:
    """Skip where there is no podman or no root; in CI both must be there."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed (Debian: podman, runc, conmon)")
    if os.geteuid() != 0:
        if os.environ.get("CI"):
            pytest.fail("CI must run the tests of containers as root")
        pytest.skip("podman needs root here: its rootless mode needs more of a computer than tests can ask for")


class Podman:
    """A running engine, and a private registry that it may ask without encryption.

    Args:
        folder: Where all of it is.
        registry: The registry.
        volumes: What every container and every build sees of this computer: ``/folder:/folder:ro``.
    """

    def __init__(self, folder: Path, registry: Registry, volumes: Sequence[str] = ()) -> None:
        self.folder = folder
        self.registry = registry
        self.volumes = list(volumes)
        self.address = f"unix://{folder}/s"

    def write(self) -> None:
        """Write its configuration."""
        texts = {"containers.conf": CONFIGURATION, "storage.conf": STORAGE, "registries.conf": REGISTRIES}
        for name, text in texts.items():
            told = {"folder": self.folder, "host": self.registry.host, "volumes": json.dumps(self.volumes)}
            (self.folder / name).write_text(text.format(**told))

    def environ(self) -> dict[str, str]:
        """What points podman at them."""
        files = {
            "CONTAINERS_CONF": "containers.conf",
            "CONTAINERS_STORAGE_CONF": "storage.conf",
            "CONTAINERS_REGISTRIES_CONF": "registries.conf",
        }
        own = {name: str(self.folder / file) for name, file in files.items()}
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TMPDIR": str(self.folder), **own}

    def call(self, *arguments: str) -> str:
        """Run podman."""
        done = subprocess.run(
            ["podman", *arguments],  # noqa: S607 - as found
            env=self.environ(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def left(self) -> dict[str, list[str]]:
        """What jobs have left."""
        return {
            "containers": self.call("ps", "--all", "--format", "{{.Names}}").split(),
            "volumes": self.call("volume", "ls", "--quiet").split(),
            "networks": [each for each in self.call("network", "ls", "--quiet").split() if each != "podman"],
        }


@contextmanager
def running() -> Iterator[Podman]:
    """Start an engine; at the end nothing of it is left."""
    # A socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="rk-podman-"))
    folder.chmod(0o755)
    try:
        tarball = make_tarball(folder)
        with serving(pack(tarball)) as registry:
            podman = Podman(folder, registry)
            podman.write()
            podman.call("import", "--change", "ENV PATH=/opt/python/bin:/bin", str(tarball), IMAGE)
            with service(podman):
                yield podman
                podman.call("rm", "--all", "--force", "--volumes", "--time", "0")
    finally:
        end_monitors(folder)
        shutil.rmtree(folder)


def end_monitors(folder: Path) -> None:
    """End what podman leaves for minutes after each program that was run in a container, to keep its exit code."""
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdecimal() and str(folder).encode() in (entry / "cmdline").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)


@contextmanager
def service(podman: Podman) -> Iterator[None]:
    """Serve its socket until the block ends."""
    socket = podman.folder / "s"
    command = ["podman", "system", "service", "--time=0", podman.address]
    with (
        (podman.folder / "service.log").open("wb") as log,
        subprocess.Popen(command, env=podman.environ(), stdout=log, stderr=log) as process,
    ):
        try:
            until = time.monotonic() + STARTS
            while not socket.exists():
                assert process.poll() is None, (podman.folder / "service.log").read_text()
                assert time.monotonic() < until, "podman did not start in time"
                time.sleep(0.02)
            # As for a group that may use Docker: the job's user is not root.
            socket.chmod(0o666)
            yield
        finally:
            process.terminate()
