"""The examples' deployment: a release is in service when it says so itself, or the one before is again."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.examples.conftest import EXAMPLES
from tests.examples.targets import Keeper, environ

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow]

DEPLOY = EXAMPLES / "train-and-serve/deploy"
SERVICE = """
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        release = json.loads((Path(__file__).parents[1] / "release.json").read_text())["id"]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"release": release, "word": "WORD"}).encode())

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
"""


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    """A machine that serves, with nothing on it."""
    with Keeper(tmp_path / "serving") as found:
        yield found


def deploy(keeper: Keeper, folder: Path, service: str, sha: str, needs: str = "", **variables: str) -> tuple[int, str]:
    """Deploy a checkout of one script; the exit code and all that was said."""
    (folder / "app").mkdir(exist_ok=True)
    (folder / "app/serve.py").write_text(service, encoding="utf-8")
    (folder / "app/needs.txt").write_text(needs, encoding="utf-8")
    run = {"GITHUB_SHA": sha * 40, "GITHUB_RUN_ID": "1", "GITHUB_RUN_ATTEMPT": "1", "DEPLOY_WITHIN": "20"}
    words = ["--needs", "app/needs.txt", "--start", "app/serve.py", "app"]
    done = subprocess.run(
        [sys.executable, str(DEPLOY / "deploy.py"), *words],
        cwd=folder,
        env=environ() | keeper.target | run | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_release_that_does_not_get_well_gives_way_to_the_one_before(keeper: Keeper, tmp_path: Path) -> None:
    """The job fails, what was in service is in service again, and a good release takes over after that."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    code, said = deploy(keeper, folder, SERVICE.replace("WORD", "one"), "a")
    assert (code, keeper.asked("/health")["word"]) == (0, "one"), said
    code, said = deploy(keeper, folder, "raise SystemExit('cannot start')\n", "b", DEPLOY_WITHIN="2")
    assert (code, keeper.asked("/health")["word"]) == (1, "one"), said
    assert f"back to {'a' * 12}-1-1, which is in service again" in said
    assert f"::error::The release {'b' * 12}-1-1 is not in service" in said
    code, said = deploy(keeper, folder, SERVICE.replace("WORD", "two"), "c")
    assert (code, keeper.asked("/health")) == (0, {"release": f"{'c' * 12}-1-1", "word": "two"}), said
    assert (keeper.to / "current").resolve().name == f"{'c' * 12}-1-1"


def test_old_releases_go(keeper: Keeper, tmp_path: Path) -> None:
    """The one in service and the four newest of the others are kept."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for number in range(6):
        place = keeper.to / f"releases/old-{number}"
        place.mkdir(parents=True)
        os.utime(place, (number, number))
    assert deploy(keeper, folder, SERVICE, "a")[0] == 0
    assert sorted(keeper.releases) == sorted(["old-2", "old-3", "old-4", "old-5", f"{'a' * 12}-1-1"])


def test_without_a_target_nothing_happens(keeper: Keeper, tmp_path: Path) -> None:
    """The variable that is missing is named."""
    code, said = deploy(keeper, tmp_path, SERVICE, "a", DEPLOY_HEALTH="")
    assert (code, "DEPLOY_HEALTH" in said, list(keeper.to.iterdir())) == (2, True, [])


def test_a_release_whose_needs_cannot_be_met(keeper: Keeper, tmp_path: Path) -> None:
    """Nothing is changed on the machine that serves: no link, no start."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    assert deploy(keeper, folder, SERVICE, "a")[0] == 0
    starts = keeper.starts
    (keeper.to / "environments").write_text("in the way of what would be made\n", encoding="utf-8")
    code, said = deploy(keeper, folder, SERVICE, "b", needs="no-such-package==1.0\n")
    assert (code, "Nothing was changed" in said) == (1, True), said
    assert (keeper.starts, keeper.asked("/health")["release"]) == (starts, f"{'a' * 12}-1-1")


@pytest.mark.parametrize("script", ["deploy.py", "install.py"])
def test_the_examples_deploy_alike(script: str) -> None:
    """Each is a repository of its own, so they have a copy each; what is tested here is both."""
    other = EXAMPLES / "tag-release/deploy" / script
    assert (DEPLOY / script).read_text(encoding="utf-8") == other.read_text(encoding="utf-8")
