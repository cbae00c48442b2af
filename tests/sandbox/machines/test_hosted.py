"""GitHub's own machines: a runner for each hosted job."""

from __future__ import annotations

import subprocess
import sys
import time
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

SLOW = "#!/bin/sh\nexec sleep 60\n"
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


def test_a_few_run_at_once_and_all_end_with_the_context(world: GitHubWorld) -> None:
    """The others wait; leaving the block kills what still runs."""
    with HostedRunners(world, runner=scripted(SLOW)):
        hosted(world, AT_ONCE + 2)
        # A keeper and its runner each.
        eventually(lambda: len(kernel.marked(MARK)) >= 2 * AT_ONCE, "they start")
        time.sleep(0.3)
        assert len({_job(pid) for pid in kernel.marked(MARK)}) == AT_ONCE
    assert kernel.marked(MARK) == []


def _job(pid: int) -> bytes:
    environ = (kernel.PROC / str(pid) / "environ").read_bytes()
    return environ.partition(MARK.encode())[2].partition(b"/")[0]


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
import threading
from runnerkit.sandbox.machines import HostedRunners
from tests.sandbox.github_world import acme
from tests.sandbox.machines.test_hosted import SLOW, hosted, scripted

with acme() as world, HostedRunners(world, runner=scripted(SLOW)):
    print(hosted(world)[0].id, flush=True)
    threading.Event().wait(60)
"""


def test_a_hosted_runner_ends_with_the_sandbox() -> None:
    """Which is killed without a word."""
    with subprocess.Popen([sys.executable, "-c", SANDBOX], stdout=subprocess.PIPE, text=True) as sandbox:
        assert sandbox.stdout is not None
        marker = f"{MARK}{sandbox.stdout.readline().strip()}/"
        eventually(lambda: len(kernel.marked(marker)) == 2, "keeper and runner")
        sandbox.kill()
        eventually(lambda: not kernel.marked(marker), "both end", within=5)


def test_the_stand_in_serves_a_hosted_job() -> None:
    """The runner that is used where no other is given."""
    with acme() as world, HostedRunners(world):
        (job, _) = hosted(world)
        eventually(lambda: job.conclusion == "success", "it succeeds")
