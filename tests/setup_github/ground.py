"""The ground of these tests: the local GitHub, the command beside it, and a person with a browser."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from html import unescape
from typing import TYPE_CHECKING, Any, NamedTuple

import requests
from typer.testing import CliRunner

from runnerkit.cli.commands import app

if TYPE_CHECKING:
    from pathlib import Path

    from runnerkit.sandbox.github import GitHubWorld

REPO = "acme/train"
HOOK = "http://127.0.0.1:9/hooks"
WITHIN = 60


class Told(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON is anything
        """Its one JSON document."""
        return json.loads(self.out)


def environment(world: GitHubWorld, folder: Path, **more: str) -> dict[str, str]:
    """What the command reads: nothing of the machine that the tests run on."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    ours = {"RUNNERKIT_GITHUB__API_URL": world.url, "RUNNERKIT_STATE_DIR": str(folder / "state")}
    return kept | ours | {"PYTHONDONTWRITEBYTECODE": "1"} | more


def say(world: GitHubWorld, folder: Path, *words: str, typed: str = "", **more: str) -> Told:
    """Run the command here; what is not named in the environment is not set."""
    wanted = environment(world, folder, **more)
    gone: dict[str, str | None] = {
        name: None for name in os.environ if name.startswith(("RUNNERKIT_", "GITHUB_", "GH_"))
    }
    told = CliRunner().invoke(app, ["setup", "github", *words], env={**gone, **wanted}, input=typed)
    return Told(told.exit_code, told.stdout, told.stderr)


class Beside:
    """The command as a process of its own, which waits for a person."""

    def __init__(self, world: GitHubWorld, folder: Path, *words: str, **more: str) -> None:
        self._out, self._err = folder / "out.txt", folder / "err.txt"
        with self._out.open("w") as out, self._err.open("w") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "runnerkit", "setup", "github", *words],
                env=environment(world, folder, **more),
                cwd=folder,
                stdout=out,
                stderr=err,
                stdin=subprocess.DEVNULL,
            )

    def page(self) -> str:
        """The address that it asks to open."""
        return self.heard(r"open this page: (\S+)\n")

    def heard(self, pattern: str) -> str:
        """Wait until it says something, and give the group of the pattern."""
        until = time.monotonic() + WITHIN
        while time.monotonic() < until and self._process.poll() is None:
            if found := re.search(pattern, self._err.read_text()):
                return found[1]
            time.sleep(0.05)
        raise AssertionError(self._err.read_text() + self._out.read_text())

    def interrupt(self) -> Told:
        """Press Ctrl-C and wait for its end."""
        self._process.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> Told:
        """Wait for its end."""
        code = self._process.wait(WITHIN)
        return Told(code, self._out.read_text(), self._err.read_text())

    def kill(self) -> None:
        """End it if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(WITHIN)


class Person:
    """Somebody with a browser: reads pages, fills in forms, presses buttons."""

    def __init__(self, world: GitHubWorld) -> None:
        self.world = world
        self.session = requests.Session()
        self.session.trust_env = False

    def press(self, page: requests.Response, **filled: str | list[str]) -> requests.Response:
        """Press the one button of a page, with what is filled in."""
        action = unescape(_found(r'<form [^>]*action="([^"]+)"', page.text))
        fields = dict(re.findall(r'<input type="?hidden"? name="?(\w+)"? value="([^"]*)"', page.text))
        fields |= dict(re.findall(r'<input name="(\w+)" value="([^"]*)"', page.text))
        given = {name: unescape(value) for name, value in fields.items()} | filled
        own = "/".join(page.url.split("/")[:3])
        address = action if "://" in action else own + action
        return self.session.post(address, data=given, headers={"Origin": own}, timeout=WITHIN)

    def read(self, url: str) -> requests.Response:
        """Open a page."""
        return self.session.get(url, timeout=WITHIN)

    def make_app(self, url: str, **filled: str) -> requests.Response:
        """From the page of the command to its last one."""
        asked = self.press(self.read(url))
        return self.press(asked, **filled)

    def install(self, last: requests.Response, **filled: str | list[str]) -> requests.Response:
        """Follow the last page's button and install the App."""
        link = unescape(_found(r'<a class=go href="([^"]+)"', last.text))
        return self.press(self.read(link), **{"selection": "all", **filled})


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found, text[:2000]
    return found[1]
