"""GitHub's own machines: a runner for each hosted job."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from runnerkit.sandbox.machines import HostedRunners
from runnerkit.sandbox.machines.hosted import AT_ONCE, TRIES
from runnerkit.sandbox.machines.init import kernel
from tests.sandbox.github_world import REPO, acme
from tests.sandbox.machines.yard import eventually, install

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from runnerkit.sandbox.github import GitHubWorld
    from runnerkit.sandbox.github.records import Job
    from runnerkit.sandbox.machines.roots import Install

SLOW = "#!/bin/sh\nexec sleep 600\n"
BAD = "#!/bin/sh\necho no room here\nexit 3\n"
MARK = "RUNNERKIT_MACHINE=hosted-"


def hosted(world: GitHubWorld, count: int = 1) -> list[Job]:
    """Queue hosted jobs, and one for somebody else's machine."""
    jobs = [{"name": f"job-{n}", "labels": ["ubuntu-latest"], "hosted": True} for n in range(count)]
    return world.jobs(world.add_run(REPO, [*jobs, {"name": "gpu", "labels": ["gpu"]}]))


def scripted(text: str) -> Install:
    """A runner that is this script."""

    def put(folder: Path, _: object) -> None:
        (folder / "bin").mkdir(parents=True)
        (folder / "bin/Runner.Listener").write_text(text)
        (folder / "bin/Runner.Listener").chmod(0o755)

    return put


def test_hosted_jobs_run_and_others_do_not(world: GitHubWorld, tmp_path: Path) -> None:
    """Each by a runner that no list shows; its folder is gone afterwards."""
    with HostedRunners(world, runner=install, folder=tmp_path):
        *mine, other = hosted(world, 2)
        eventually(lambda: all(job.conclusion == "success" for job in mine), "both succeed")
        assert world.runners() == []
        assert other.status == "queued"
        eventually(lambda: [each for folder in tmp_path.iterdir() for each in folder.iterdir()] == [], "no folder left")
    assert list(tmp_path.iterdir()) == []


def below(folder: Path) -> list[int]:
    """The runners at work in a folder."""
    found = []
    for pid in kernel.marked(MARK):
        # It may have ended meanwhile.
        with suppress(OSError):
            if (kernel.PROC / str(pid) / "cwd").readlink().is_relative_to(folder):
                found.append(pid)
    return found


def test_a_few_run_at_once_and_all_end_with_the_context(world: GitHubWorld, tmp_path: Path) -> None:
    """The others wait; leaving the block kills what still runs."""
    with HostedRunners(world, runner=scripted(SLOW), folder=tmp_path):
        hosted(world, AT_ONCE + 2)
        eventually(lambda: len(below(tmp_path)) >= AT_ONCE, "they start")
        time.sleep(0.3)
        assert len(below(tmp_path)) == AT_ONCE
    assert below(tmp_path) == []


def test_a_runner_that_fails_is_tried_a_few_times_and_told(
    world: GitHubWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """With what it said; the job stays queued and nothing goes on for ever."""
    with HostedRunners(world, runner=scripted(BAD)):
        (job, _) = hosted(world)
        eventually(lambda: len(caplog.records) >= TRIES, "it is tried")
        time.sleep(0.3)
    assert len(caplog.records) == TRIES
    assert "its runner left with 3: no room here" in caplog.text
    assert job.status == "queued"


SANDBOX = """
import sys, threading
from pathlib import Path
from runnerkit.sandbox.machines import HostedRunners
from tests.sandbox.github_world import acme
from tests.sandbox.machines.test_hosted import SLOW, hosted, scripted

with acme() as world, HostedRunners(world, runner=scripted(SLOW), folder=Path(sys.argv[1])):
    hosted(world)
    threading.Event().wait(60)
"""


def test_a_hosted_runner_ends_with_the_sandbox(tmp_path: Path) -> None:
    """Which is killed without a word."""
    with subprocess.Popen([sys.executable, "-c", SANDBOX, str(tmp_path)]) as sandbox:
        eventually(lambda: below(tmp_path), "the runner")
        sandbox.kill()
        eventually(lambda: not below(tmp_path), "it ends", within=30)
        eventually(lambda: list(tmp_path.iterdir()) == [], "its folder is removed", within=30)


def test_the_stand_in_serves_a_hosted_job() -> None:
    """The runner that is used where no other is given."""
    with acme() as world, HostedRunners(world):
        (job, _) = hosted(world)
        eventually(lambda: job.conclusion == "success", "it succeeds")
