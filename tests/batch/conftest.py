"""One local AWS for these tests, in which Batch is quick, and the commands against it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from runnerkit.batch.trouble import ACTIONS
from runnerkit.cli.batch import app
from runnerkit.sandbox.ec2 import SandboxEc2

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = ("--poll", "0.02")
# What the tests themselves ask.
OURS = {"ssm:PutParameter", "secretsmanager:CreateSecret", "logs:DescribeLogStreams"}


@dataclass(frozen=True)
class Ended:
    """What a command ended with; ``out`` is the log, ``err`` what happened."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever it printed
        """The document on standard output."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Bench:
    """Commands of ``runnerkit batch`` in a workflow run."""

    world: SandboxEc2
    environ: dict[str, str]

    def __call__(self, *words: str, **environ: str) -> Ended:
        """Run one in this process."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**self.environ, **environ}.items():
                patch.setenv(name, value)
            done = CliRunner().invoke(app, list(words), catch_exceptions=False)
        return Ended(done.exit_code, done.stdout, done.stderr)

    def run(self, *words: str, **environ: str) -> Ended:
        """``batch run`` that looks often."""
        return self("run", *QUICK, *words, **environ)


@pytest.fixture(scope="module")
def aws_server() -> Iterator[SandboxEc2]:
    """One server for all tests of a file."""
    with SandboxEc2() as world:
        yield world


@pytest.fixture
def aws(aws_server: SandboxEc2) -> Iterator[SandboxEc2]:
    """An empty world."""
    aws_server.batch.times(compute=0.02, queue=0.02, step=0.02, grace=0.5)
    yield aws_server
    aws_server.reset()


@pytest.fixture
def batch(aws: SandboxEc2, tmp_path: Path) -> Iterator[Bench]:
    """The commands, in run 7 of a workflow; they ask AWS for nothing that the docs' permissions leave out."""
    for name in [name for name in os.environ if name.startswith("GITHUB_")]:
        os.environ.pop(name)
    own = {"GITHUB_RUN_ID": "7", "GITHUB_JOB": "run-model", "RUNNERKIT_CACHE_DIR": str(tmp_path / "cache")}
    yield Bench(aws, {**aws.environment(), **own})
    assert asked(aws) - OURS <= set(ACTIONS)


def asked(aws: SandboxEc2) -> set[str]:
    """What was seen at the wire, written as permissions."""
    return {f"{call.service}:{call.action}" for call in aws.calls}
