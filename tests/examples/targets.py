"""What the examples deploy to: a machine that keeps a service up, and an index of packages, both on this computer."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from runnerkit.sandbox.github.records import Run
    from tests.theatre import Theatre

# A whole training on a computer that has other things to do.
PATIENCE = 300.0


class Keeper:
    """Stands for the machine that serves, and its systemd: what ``current`` leads to runs, and is restarted if told."""

    def __init__(self, folder: Path) -> None:
        self.to = folder
        self._again = folder / "again"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def __enter__(self) -> Self:
        self.to.mkdir()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join(timeout=30)
        self._stop()

    @property
    def target(self) -> dict[str, str]:
        """The variables by which the examples find it."""
        return {
            # With a Python that has what models need: nothing is downloaded here.
            "DEPLOY_VIA": f"env PATH={environ()['PATH']} PYTHONDONTWRITEBYTECODE=1 sh -c",
            "DEPLOY_TO": str(self.to),
            "DEPLOY_RESTART": f"touch {self._again}",
            "DEPLOY_HEALTH": f"{self.url}/health",
        }

    def _keep(self) -> None:
        start = self.to / "current" / "start"
        while not self._ending.wait(0.05):
            if self._again.exists():
                self._again.unlink()
                self._stop()
            if start.exists() and (self._process is None or self._process.poll() is not None):
                self._process = subprocess.Popen([str(start), "--port", self.url.rpartition(":")[2]])
                self.starts += 1

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=30)
            self._process = None

    @property
    def releases(self) -> list[str]:
        """The releases that are there, oldest first."""
        found = sorted((self.to / "releases").iterdir(), key=lambda each: each.stat().st_mtime)
        return [each.name for each in found]

    def asked(self, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """What the service answers."""
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(self.url + path, data), timeout=PATIENCE) as answer:
                return json.load(answer)
        except HTTPError as error:
            with error:
                return json.load(error)


# A process of its own, since pypiserver changes how the process around it imports. It reads passwords from files in the
# manner of Apache only with a library more, so it is asked from Python.
INDEX = """
import sys
from pathlib import Path
from wsgiref.simple_server import make_server

import pypiserver

folder, user, password = sys.argv[1:]
app = pypiserver.app(
    roots=[Path(folder)],
    authenticate=["update", "download", "list"],
    auther=lambda *said: said == (user, password),
    password_file="never read",
    disable_fallback=True,
)
with make_server("127.0.0.1", 0, app) as server:
    print(server.server_port, flush=True)
    server.serve_forever()
"""


class Index:
    """A package index that asks everybody for a password; a context manager."""

    user, password = "ci", "right"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Self:
        self.folder.mkdir()
        words = [sys.executable, "-W", "ignore", "-c", INDEX, str(self.folder), self.user, self.password]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate(timeout=30)

    @property
    def url(self) -> str:
        """Where packages are sent."""
        return f"http://127.0.0.1:{self._port}/"

    @property
    def files(self) -> dict[str, bytes]:
        """What was published."""
        return {each.name: each.read_bytes() for each in self.folder.iterdir()}

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which the scripts of the example find it and may use it."""
        addresses = {"PACKAGE_INDEX": f"{self.url}simple/", "PACKAGE_UPLOAD": self.url}
        return addresses | {"PACKAGE_USER": self.user, "PACKAGE_PASSWORD": self.password}


def environ() -> dict[str, str]:
    """An environment whose ``python3`` and ``uv`` are those that run the tests."""
    place = os.path.dirname(sys.executable)  # noqa: PTH120 - a plain string
    return os.environ | {"PATH": f"{place}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}


def runs_of(theatre: Theatre, workflow: str) -> list[Run]:
    """The runs of one workflow, oldest first."""
    return [each for each in theatre.runs if each.workflow == workflow]


def ended(theatre: Theatre, workflow: str, count: int) -> dict[str, str]:
    """Wait until everything is over; a workflow has run so often by then. How the jobs of its last run ended."""
    theatre.until(f"{workflow} has run {count} times", lambda: len(runs_of(theatre, workflow)) >= count, PATIENCE)
    theatre.until_over(PATIENCE)
    found = runs_of(theatre, workflow)
    assert len(found) == count, theatre.describe()
    return {job.name: str(job.conclusion) for job in theatre.jobs(found[-1])}
