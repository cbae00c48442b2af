"""A machine below a folder, for the tests of the agent: real files and processes, systemd's commands recorded."""

from __future__ import annotations

import json
import os
import pwd
from typing import TYPE_CHECKING, Any

from runnerkit.machine.runnerkit_agent import main as commands
from runnerkit.machine.runnerkit_agent import prepare
from runnerkit.machine.runnerkit_agent.guard import Guard
from runnerkit.machine.runnerkit_agent.imds import ENDPOINT_VARIABLE, Imds, Notice
from runnerkit.machine.runnerkit_agent.machine import Paths
from runnerkit.machine.runnerkit_agent.rules import Rules

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ME = pwd.getpwuid(os.getuid()).pw_name
RULES = {"online_within": 300, "idle": 240, "life": 7200}


class SilentImds(Imds):
    """A metadata service that says what a test tells it to."""

    def __init__(self) -> None:
        super().__init__({})
        self.told: Notice | None = None
        self.moved: float | None = None
        self.broken = False

    def notice(self, wall: float) -> Notice | None:
        """The notice the test made."""
        del wall
        if self.broken:
            raise TimeoutError("timed out")
        return self.told

    def rebalance(self, wall: float) -> float | None:
        """The recommendation the test made."""
        del wall
        return self.moved


class Machine:
    """A machine that is not prepared yet."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.environ = {"RUNNERKIT_ROOT": str(root), "RUNNERKIT_USER": ME, ENDPOINT_VARIABLE: "http://127.0.0.1:1"}
        monkeypatch.setenv("PATH", f"{root / 'bin'}:{os.environ['PATH']}")
        self.paths = Paths(self.environ)
        self.imds = SilentImds()
        self.bin = root / "bin"
        self.bin.mkdir()
        for name in ("systemctl", "nft"):
            self.command(name, "cat >/dev/null" if name == "systemctl" else f"cat >{root}/ruleset")
        self.paths.etc.mkdir(parents=True)
        (self.paths.runner / "bin").mkdir(parents=True)
        (self.paths.runner / "bin/Runner.Listener").touch()
        self.paths.run.mkdir(parents=True)
        self.paths.jit.write_text("ZW5jb2RlZA==")
        self.configure()

    def command(self, name: str, script: str) -> None:
        """Put a command on the path that records how it was called."""
        file = self.bin / name
        file.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.root}/calls\n{script}\n')
        file.chmod(0o755)

    def configure(self, **changes: Any) -> None:  # noqa: ANN401 - whatever machine.json may hold
        """Write machine.json."""
        said = {**RULES, "name": "rk-1-1", "repo": "acme/models", "labels": ["runnerkit=1"], "facts": {}, **changes}
        self.paths.machine.write_text(json.dumps(said))

    def calls(self) -> list[str]:
        """How systemd's commands were called."""
        file = self.root / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def listen(self, pid: int) -> None:
        """The listener has this process."""
        commands.listener_started(self.paths, {**self.environ, "MAINPID": str(pid)})

    def guard(self, **rules: float) -> Guard:
        """A guard with these deadlines."""
        return Guard(self.paths, Rules.of({**RULES, **rules}), self.environ, self.imds)

    def prepare(self) -> Machine:
        """Prepare it."""
        prepare.prepare(self.paths, self.environ)
        return self
