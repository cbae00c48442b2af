"""A container engine beside Debian's docker-registry, which stands for GitHub's, and a base image that has Python.

Nothing is fetched: containers and builds see this computer's Python and packages, read-only, as nspawn machines do.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest

from runnerkit.sandbox.machines.nspawn.images import seen
from tests.sandbox.containers.podman import Podman, end_monitors, require, service

if TYPE_CHECKING:
    from collections.abc import Iterator

USER, PASSWORD = "model-builder", "let me push"
STARTS = 20.0
CONFIGURATION = """
version: 0.1
log: {{level: info, formatter: text}}
storage:
  filesystem: {{rootdirectory: {folder}/images}}
http: {{addr: {host}}}
auth:
  htpasswd: {{realm: models, path: {folder}/htpasswd}}
"""
LINKS = {name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64")}
FILES = {
    "etc/passwd": "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/sh\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}


class Registry:
    """docker-registry, as a process."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{free.getsockname()[1]}"
        self.folder = folder
        (folder / "images").mkdir(parents=True)
        secret = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        (folder / "htpasswd").write_text(f"{USER}:{secret}\n")
        (folder / "config.yml").write_text(CONFIGURATION.format(folder=folder, host=self.host))

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve until the block ends."""
        command = ["docker-registry", "serve", str(self.folder / "config.yml")]
        with (self.folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                until = time.monotonic() + STARTS
                while not self._answers():
                    assert process.poll() is None, self.said()
                    assert time.monotonic() < until, f"docker-registry did not start in time: {self.said()}"
                    time.sleep(0.05)
                yield
            finally:
                process.terminate()

    def _answers(self) -> bool:
        try:
            self.ask("/v2/")
        except OSError:
            return False
        return True

    def ask(self, path: str) -> bytes:
        """GET with the password."""
        signed = "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request = urllib.request.Request(f"http://{self.host}{path}", headers={"Authorization": signed})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read())

    def said(self) -> str:
        """Its log."""
        return (self.folder / "log").read_text(errors="replace")


@contextmanager
def running() -> Iterator[Podman]:
    """Start both; ``BASE`` is an image that the registry has."""
    require()
    if shutil.which("docker-registry") is None:
        pytest.skip("docker-registry not installed (Debian: docker-registry)")
    # A socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="rk-podman-"))
    folder.chmod(0o755)
    try:
        registry: Any = Registry(folder / "registry")
        places = [Path("/usr"), *seen()]
        podman = Podman(folder, registry, [f"{place}:{place}:ro" for place in places])
        podman.write()
        with registry.serving():
            path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin"])
            podman.call("import", "--change", f"ENV PATH={path}", str(_base(folder)), base(podman))
            with service(podman):
                yield podman
                podman.call("rm", "--all", "--force", "--volumes", "--time", "0")
    finally:
        end_monitors(folder)
        shutil.rmtree(folder)


def base(podman: Podman) -> str:
    """The base image's name."""
    return f"{podman.registry.host}/base/python:3"


def _base(folder: Path) -> Path:
    """A tree in which everything but a few files is mounted."""
    tree = folder / "tree"
    for name in ("etc", "proc", "sys", "dev", "tmp", "usr", "root", "run", "var/tmp"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (tree / name).chmod(0o1777)
    for name, target in LINKS.items():
        (tree / name).symlink_to(target)
    for name, text in FILES.items():
        (tree / name).write_text(text)
    for name in ("ld.so.cache", "nsswitch.conf", "os-release"):
        if Path("/etc", name).exists():
            shutil.copy(Path("/etc", name), tree / "etc" / name)
    with tarfile.open(folder / "base.tar", "w") as archive:
        archive.add(tree, ".")
    return folder / "base.tar"


__all__ = ["PASSWORD", "USER", "Registry", "base", "running"]
