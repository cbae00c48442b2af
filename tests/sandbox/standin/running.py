"""A stand-in under test: installed, started against a local GitHub, watched."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from runnerkit.sandbox import standin
from tests.sandbox.github_world import REPO, register

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from runnerkit.sandbox.github import GitHubWorld
    from runnerkit.sandbox.github.records import Job

PATIENCE = 45.0
LOOK = 0.02


class StandIn:
    """A runner's root and its listener."""

    def __init__(self, root: Path, world: GitHubWorld, environ: Mapping[str, str] | None = None) -> None:
        self.root = root
        self.world = world
        self.home = root.parent / "home"
        self.home.mkdir(exist_ok=True)
        standin.install(root, environ)

    def environment(self, **more: str) -> dict[str, str]:
        """What a listener is started with; nothing of this process's own settings reaches a step."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8", **more}

    def blob(self, name: str = "rk-1") -> str:
        """Register."""
        token = self.world.add_token("fine-grained")
        return str(register(self.world, token, name).body["encoded_jit_config"])

    @contextmanager
    def listener(self, *arguments: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
        """Start the listener; at the end it is gone."""
        command = [str(self.root / "bin" / "Runner.Listener"), *(arguments or ("run",))]
        given = self.environment(**environ)
        pipe = subprocess.PIPE
        with subprocess.Popen(command, env=given, stdout=pipe, stderr=subprocess.STDOUT, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    def call(self, *arguments: str, **environ: str) -> tuple[int, str]:
        """Run the listener to its end."""
        with self.listener(*arguments, **environ) as process:
            said, _ = process.communicate(timeout=PATIENCE)
            return process.returncode, said

    def job(self, payload: Mapping[str, Any], **run: Any) -> Job:  # noqa: ANN401 - of add_run
        """Queue a job."""
        started = self.world.add_run(REPO, [{"name": "train", "labels": ["gpu"], "payload": dict(payload)}], **run)
        return self.world.jobs(started)[0]

    def run(self, payload: Mapping[str, Any], **environ: str) -> Job:
        """Run a job to its end."""
        job = self.job(payload)
        code, said = self.call(ACTIONS_RUNNER_INPUT_JITCONFIG=self.blob(), **environ)
        assert (code, job.status) == (0, "completed"), said
        return job

    def steps(self, steps: Sequence[Mapping[str, Any]], **environ: str) -> Job:
        """Run a job of these steps to its end."""
        return self.run(payload(*steps), **environ)


def payload(*steps: Mapping[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - a tree of JSON
    """A flattened job."""
    return {"job": {"key": "train", "timeout_minutes": 5}, "steps": [dict(each) for each in steps], **more}


def said(job: Job, name: str) -> str:
    """The log of a step without its times."""
    number = next(each["number"] for each in job.steps if each["name"] == name)
    return "\n".join(line.partition(" ")[2] for line in job.step_logs.get(number, "").splitlines())


def ended(job: Job) -> dict[str, str]:
    """The conclusions of a job's steps by their names."""
    return {each["name"]: each["conclusion"] for each in job.steps}


def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(LOOK)
