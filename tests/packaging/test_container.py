"""The container of `runnerkit serve`: built from the wheel, without root, on a root that cannot be written to."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import runnerkit
from runnerkit.sandbox.machines.nspawn.images import seen
from tests.examples.registries import _base
from tests.packaging.conftest import ROOT
from tests.sandbox.containers.podman import Podman, end_monitors, require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.packaging.conftest import Built

pytestmark = [pytest.mark.slow]

BASE, IMAGE = "localhost/base:1", "localhost/runnerkit:1"
SECRETS = {"runnerkit.toml": 'token = "ghp_a secret of the checkout"', "app.pem": "a secret of the checkout"}
LOOK = """
import json, os, subprocess, sys
from pathlib import Path
import runnerkit
def writable(name):
    try:
        Path(name, "tried").write_text("")
    except OSError:
        return False
    return True
print(json.dumps({
    "uid": os.getuid(),
    "gid": os.getgid(),
    "package": runnerkit.__file__,
    "root": writable("/"), "program": writable("/opt/runnerkit"), "state": writable("/var/lib/runnerkit"),
    "pip": Path(sys.prefix, "bin", "pip").exists(),
    "build": Path("/build").exists(),
    "says": subprocess.check_output(["runnerkit", "--version"], text=True),
}))
"""


def instructions() -> dict[str, list[str]]:
    """What the file says, by instruction."""
    text = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    for word, rest in re.findall(r"^([A-Z]+) +(.+)$", text, re.MULTILINE):
        found.setdefault(word, []).append(rest)
    return found


@pytest.fixture(scope="module")
def podman(built: Built) -> Iterator[Podman]:
    """An engine that has the image: the real file, on a base that stands for Python's.

    The base's variables keep pip from an index and let Python see the libraries of this computer.
    """
    require()
    folder = Path(tempfile.mkdtemp(prefix="rk-podman-"))
    folder.chmod(0o755)
    nowhere: Any = type("Registry", (), {"host": "localhost:1"})
    try:
        engine = Podman(folder, nowhere, [f"{place}:{place}:ro" for place in [Path("/usr"), *seen()]])
        engine.write()
        path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin"])
        changes = [
            f"PATH={path}",
            f"PYTHONPATH={sysconfig.get_paths()['purelib']}",
            "PIP_NO_DEPS=1",
            "PIP_NO_INDEX=1",
            "PIP_NO_COMPILE=1",
        ]
        words = [word for each in changes for word in ("--change", f"ENV {each}")]
        engine.call("import", *words, str(_base(folder)), BASE)
        engine.call(
            "build",
            "--quiet",
            "--layers=false",
            "--build-arg",
            f"BASE={BASE}",
            "--tag",
            IMAGE,
            str(_context(folder, built)),
        )
        yield engine
        engine.call("rm", "--all", "--force", "--volumes", "--time", "0")
    finally:
        end_monitors(folder)
        shutil.rmtree(folder)


def _context(folder: Path, built: Built) -> Path:
    """A checkout in which somebody keeps secrets."""
    context = folder / "context"
    (context / "dist").mkdir(parents=True)
    for name in ("Containerfile", ".containerignore", "constraints.txt"):
        shutil.copy(ROOT / name, context / name)
    shutil.copy(built.wheel, context / "dist")
    for name, text in SECRETS.items():
        (context / name).write_text(text)
    return context


def test_it_runs_without_root_and_writes_to_its_state_alone(podman: Podman) -> None:
    """A user of its own, a read-only root, no capability, no way to more rights: the program still works."""
    run = ["run", "--rm", "--read-only", "--read-only-tmpfs=false", "--network", "none", "--cap-drop", "all"]
    run += ["--security-opt", "no-new-privileges"]
    told = json.loads(podman.call(*run, "--entrypoint", "python", IMAGE, "-c", LOOK))
    assert told.pop("package").startswith("/opt/runnerkit/")
    assert {
        "uid": 10001,
        "gid": 10001,
        "root": False,
        "program": False,
        "state": True,
        "pip": False,
        "build": False,
        "says": f"runnerkit {runnerkit.__version__}\n",
    } == told


def test_no_secret_is_in_a_layer(podman: Podman) -> None:
    """What a checkout holds beside the wheel does not reach the builder, nor the image or its history."""
    (told,) = json.loads(podman.call("image", "inspect", IMAGE))
    assert ("10001:10001", ["runnerkit"]) == (told["Config"]["User"], told["Config"]["Entrypoint"])
    assert not re.search(r"(?i)token|secret|password|key", str(told["Config"]["Env"]))
    for file in (podman.folder / "graph").rglob("*"):
        assert file.name not in SECRETS


def test_the_base_is_named_and_nothing_else_is_fetched() -> None:
    """One base with its version in both stages; what is installed is pinned; the user is a number; no ADD from afar."""
    said = instructions()
    assert ["BASE=docker.io/library/python:3.13-slim"] == said["ARG"]
    assert ["${BASE} AS build", "${BASE}"] == said["FROM"]
    assert {"USER": ["10001:10001"], "ADD": []} == {word: said.get(word, []) for word in ("USER", "ADD")}
    assert "--constraint /build/constraints.txt" in said["RUN"][0]
    assert [
        "constraints.txt dist/*.whl /build/",
        "--from=build /opt/runnerkit /opt/runnerkit",
        "--from=build --chown=10001:10001 /build/state /var/lib/runnerkit",
    ] == said["COPY"]
    assert ["*", "!constraints.txt", "!dist/*.whl"] == (ROOT / ".containerignore").read_text().splitlines()[1:]


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_asks_the_service(status: int, healthy: bool) -> None:
    """The very command of the file: it ends well when /healthz says so, and only then."""
    asked: list[str] = []

    class Service(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        command = json.loads(instructions()["HEALTHCHECK"][0].partition("CMD ")[2])
        done = subprocess.run(
            [sys.executable, *command[1:]],
            env={"RUNNERKIT_SERVE__PORT": str(server.server_port)},
            capture_output=True,
            check=False,
            timeout=60,
        )
        server.shutdown()
        thread.join()
    assert (["python"], ["/healthz"], healthy) == (command[:1], asked, done.returncode == 0)
