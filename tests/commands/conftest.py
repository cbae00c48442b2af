"""The commands against a whole sandbox: in this process where that is enough, in one of their own where it matters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from runnerkit.cli.commands import app
from runnerkit.sandbox.together import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from runnerkit.sandbox.ec2 import SandboxEc2

LABEL = "runnerkit=42/gpu=t4"
# What tests wait for is short; what must not end under them while the computer is busy is long. A test that is to see
# a lease end sets its own.
LEASES = {
    "RUNNERKIT_POLICY__SETTLE": "2",
    "RUNNERKIT_POLICY__CONFIRM": "1",
    "RUNNERKIT_POLICY__ONLINE_WITHIN": "90",
    "RUNNERKIT_POLICY__IDLE": "90",
}


@dataclass
class Result:
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever it printed
        """The one JSON document it printed."""
        return json.loads(self.out)


@dataclass
class Bench:
    """A sandbox and the commands that run against it."""

    world: Sandbox
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str, **environment: str) -> Result:
        """Run a command in this process."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**self.environment, **environment}.items():
                patch.setenv(name, value)
            done = CliRunner().invoke(app, list(words), catch_exceptions=False)
        return Result(done.exit_code, done.stdout, done.stderr)

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Run a command in a process of its own, to be killed."""
        return subprocess.Popen(
            [sys.executable, "-m", "runnerkit", *words],
            env={**os.environ, **self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def launch(self, *more: str, label: str = LABEL, **environment: str) -> Result:
        """Launch a machine for a label, as JSON."""
        return self.run("launch", "--runs-on", label, "--json", *more, **environment)

    def wire(self, actions: Sequence[str]) -> list[str]:
        """The EC2 calls among these actions, in order."""
        return [call.action for call in self.world.ec2.calls if call.action in actions]


@pytest.fixture
def bench(_ec2_server: SandboxEc2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """An empty sandbox, and no setting of this machine."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "GITHUB_", "GH_", "RUNNERKIT_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    _ec2_server.reset()
    with Sandbox(boot=0.3, machines="hollow", work=0.5, ec2=_ec2_server) as world:
        yield Bench(world, {**world.environment(), **LEASES})
        if world.github.violations:
            pytest.fail("; ".join(world.github.violations))
    _ec2_server.reset()
