"""Days on which something is wrong: what people wrote, what GitHub and AWS answer, what the disk has room for."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from base64 import b64encode
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

from tests.stories.conftest import REPO, Theatre
from tests.stories.test_stories import TRAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow]

PAGE_LIMIT = 20
DISK = 64 * 1024 * 1024


def page(theatre: Theatre, path: str) -> str:
    """A web page of the sandbox's GitHub."""
    with urlopen(f"{theatre.world.github.url}{path}", timeout=PAGE_LIMIT) as answer:
        return str(answer.read().decode())


def console(theatre: Theatre, instance_id: str) -> str:
    """What a machine said on its console."""
    said = theatre.world.aws("ec2").get_console_output(InstanceId=instance_id).get("Output", "")
    return str(said)


def command(theatre: Theatre, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours against the sandbox."""
    return subprocess.run(
        [sys.executable, "-m", "runnerkit", *words],
        env={**os.environ, **theatre.world.environment(), "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# --- what people wrote ------------------------------------------------------------------------------------------------

CIRCLE = """
on: push
jobs:
  a: {needs: b, runs-on: x, steps: [run: echo]}
  b: {needs: a, runs-on: x, steps: [run: echo]}
"""
REFUSED = {
    "syntax.yml": ("name: a\non: push\njobs:\n  train: [\n", ":5", ""),
    "key.yml": (
        "on: push\njobs:\n  train:\n    runs_on: ubuntu-latest\n    steps:\n      - run: echo\n",
        ":4",
        "runs_on",
    ),
    "event.yml": ("on:\n  pushed:\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: echo\n", ":2", "pushed"),
    "empty.yml": ("on: push\njobs:\n  a:\n    runs-on: x\n", ":3", "steps"),
    "circle.yml": (CIRCLE, ":", "needs"),
}


def test_workflows_that_github_refuses(theatre: Theatre) -> None:
    """Each is a failed run that names file, line and reason, in the API and on its page; the others go on."""
    good = TRAIN.replace("on: pull_request", "on: push").replace("COUNTER", str(theatre.folder))
    files = {f".github/workflows/{name}": text for name, (text, _, _) in REFUSED.items()}
    theatre.controller()
    theatre.world.github.push(REPO, {**files, ".github/workflows/train.yml": good})
    theatre.until("the good one is over", lambda: theatre.times("train"))
    theatre.ends("", machines=1)
    said = {run["path"]: run for run in theatre.world.asked(f"/repos/{REPO}/actions/runs")["workflow_runs"]}
    assert said.pop(".github/workflows/train.yml")["conclusion"] == "success"
    assert set(said) == set(files)
    problems = {run.path: run.problem or "" for run in theatre.runs}
    for name, (_, line, word) in REFUSED.items():
        path = f".github/workflows/{name}"
        assert (said[path]["status"], said[path]["conclusion"]) == ("completed", "startup_failure")
        assert problems[path].startswith(f"{path}{line}"), problems[path]
        assert word in problems[path]
        shown = page(theatre, f"/{REPO}/actions/runs/{said[path]['id']}")
        assert f"{path}{line}" in shown
        assert word in shown


def test_an_action_that_is_not_to_be_had(theatre: Theatre) -> None:
    """The job fails before its first step and names the action; its machine is gone like any other."""
    pull = theatre.workflow(TRAIN + "      - uses: acme/polish@v3\n")
    theatre.controller()
    theatre.ends("failure", machines=1, pull=pull)
    assert theatre.times("train") == 0
    job = theatre.job()
    assert any("acme/polish@v3" in annotation for annotation in job.annotations)
    assert "acme/polish@v3" in page(theatre, f"/{REPO}/actions/runs/{theatre.run.id}/job/{job.id}")


MISSPELT = TRAIN.replace("runs-on: runnerkit=", "runs-on: runnerkt=")
FOREIGN = (
    MISSPELT
    + "  other:\n    runs-on: [self-hosted, big]\n    steps:\n      - run: echo\n"
    + "  unknown:\n    runs-on: runnerkit=${{ github.run_id }}/gpu=t5\n    steps:\n      - run: echo\n"
)


def test_labels_that_nobody_serves(theatre: Theatre) -> None:
    """Page and `status` say so; what is nearly ours, or no GPU, is refused with the reason. Nothing is launched."""
    theatre.workflow(FOREIGN)
    theatre.controller()

    def refused() -> list[Any]:
        return [event["error"] for event in theatre.events if event["event"] == "job-refused"]

    theatre.until("both slips are told", lambda: len({each["message"] for each in refused()}) == 2)
    assert any("runnerkit" in each["hint"] for each in refused())
    assert any("t5" in each["message"] for each in refused())
    status = command(theatre, "status", "--repo", REPO)
    assert status.returncode == 0, status.stderr
    (ours,) = [line for line in status.stdout.splitlines() if "runnerkt=" in line]
    (theirs,) = [line for line in status.stdout.splitlines() if "self-hosted, big" in line]
    assert "refused" in ours
    assert "spelt" in ours
    assert "nobody serves it" in theirs
    for name in ("train", "other"):
        shown = page(theatre, f"/{REPO}/actions/runs/{theatre.run.id}/job/{theatre.job(name).id}")
        assert "No runner with these labels is registered." in shown
    theatre.world.github.cancel_run(theatre.run)
    theatre.ends("cancelled", machines=0)


# --- what GitHub and AWS answer ---------------------------------------------------------------------------------------


def test_a_bad_day_at_github(theatre: Theatre) -> None:
    """Lists lag, answers fail and get lost, calls are too fast: one machine all the same, and one run of the job.

    The registration whose answer was lost, so that nobody heard of it, is found and removed.
    """
    github = theatre.world.github
    github.lag(1.5)
    for path, status, times in (
        ("*/actions/runs", 502, 2),
        ("*/actions/runs/*/jobs", 500, 2),
        ("*/actions/runners", 503, 2),
        ("*/actions/jobs/*", 502, 1),
    ):
        github.fail("GET", path, status, times)
    github.fail("POST", "*/generate-jitconfig", 500)
    github.secondary_limit(retry_after=2, method="POST", path="*/generate-jitconfig")
    github.lose_answer("POST", "*/generate-jitconfig")
    pull = theatre.workflow(TRAIN)
    theatre.controller()
    theatre.until("a machine", theatre.machines)
    github.fail("GET", "*/actions/runners*", 502, 4)
    theatre.until("the job is over", lambda: theatre.job().status == "completed")
    theatre.until("GitHub answers again", lambda: answers(theatre))
    theatre.ends("success", machines=1, pull=pull)
    assert theatre.times("train") == 1


def test_a_rate_limit_in_the_middle(theatre: Theatre) -> None:
    """While GitHub answers nothing the job goes on; afterwards everything is tidied up."""
    github = theatre.world.github
    pull = theatre.workflow(TRAIN + "      - run: sleep 3\n")
    theatre.controller()
    theatre.until("the job runs", lambda: theatre.times("train"))
    token = theatre.world.environment()["GITHUB_TOKEN"]
    github.rate_limit(0, reset_in=5, token=token, status=429)
    theatre.until("it is told", lambda: any("rate" in str(event).lower() for event in theatre.events))
    theatre.until("the job is over", lambda: theatre.job().status == "completed")
    theatre.until("GitHub answers again", lambda: answers(theatre))
    theatre.ends("success", machines=1, pull=pull)


def answers(theatre: Theatre) -> bool:
    """Whether the API answers again."""
    with suppress(OSError):
        return bool(theatre.world.asked(f"/repos/{REPO}/actions/runners"))
    return False


def test_a_bad_day_at_aws(theatre: Theatre) -> None:
    """Throttled, slow, lagging and with an answer lost after the launch: still one machine."""
    ec2 = theatre.world.ec2
    ec2.throttle("*", 12)
    ec2.lag(1.0)
    ec2.settle(1.0)
    ec2.lose_answer("CreateFleet")
    pull = theatre.workflow(TRAIN)
    theatre.controller()
    theatre.until("the job runs", lambda: theatre.times("train"))
    ec2.throttle("*", 12)
    theatre.until("the job is over", lambda: theatre.job().status == "completed")
    ec2.lag(0)
    theatre.ends("success", machines=1, pull=pull)
    assert theatre.times("train") == 1


# --- what the machine finds -------------------------------------------------------------------------------------------


class Disk:
    """A small disk that holds everything of the machines, and what fills the rest of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no room."""
        with suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def clear(self) -> None:
        """Make room."""
        self._ballast.unlink()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Where temporary files go while a test lasts."""
    folder = Path(tempfile.mkdtemp(prefix="rk-small-"))
    mounted = subprocess.run(
        ["/usr/bin/mount", "-t", "tmpfs", "-o", f"size={DISK},mode=1777", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"only root may mount a small disk: {mounted.stderr.strip()}")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["/usr/bin/umount", "-l", str(folder)], check=True, stdin=subprocess.DEVNULL)
        folder.rmdir()


def test_the_disk_is_full_when_a_machine_is_made(disk: Disk, theatre: Theatre) -> None:
    """The console says so, the machine is off, and once there is room the job gets another one."""
    pull = theatre.workflow(TRAIN)
    disk.fill()
    theatre.controller()
    theatre.until("a machine has ended", lambda: theatre.machines("terminated"))
    assert "No space left" in console(theatre, theatre.machines("terminated")[0].id)
    disk.clear()
    theatre.until_over()
    theatre.ends("success", machines=len(theatre.machines()), pull=pull)
    assert len(theatre.machines()) >= 2
    assert theatre.times("train") == 1


def test_the_disk_is_full_while_the_job_runs(disk: Disk, theatre: Theatre) -> None:
    """The job fails with the reason in its log, and the machine ends although it can write nothing any more."""
    assert disk.folder.exists()
    pull = theatre.workflow(TRAIN + "      - run: cat /dev/zero > full\n      - run: echo never >> COUNTER/never\n")
    theatre.controller()
    theatre.ends("failure", machines=1, pull=pull)
    assert (theatre.times("train"), theatre.times("never")) == (1, 0)
    assert "No space left" in theatre.job().log


def test_user_data_that_cannot_be_read(theatre: Theatre) -> None:
    """The machine never comes online and says why; its lease ends, it is ended, and the job gets another one."""
    ec2 = theatre.world.ec2
    ec2.times(boot=2)
    pull = theatre.workflow(TRAIN)
    theatre.controller(RUNNERKIT_POLICY__ONLINE_WITHIN="15")
    theatre.until("a machine is launched", theatre.machines)
    (machine,) = theatre.machines()
    with ec2._core.lock:
        told = ec2._core.machines[machine.id]
        told.spec = replace(told.spec, user_data=b64encode(b"\x1f\x8bcut").decode())
    ec2.times(boot=0)
    theatre.until("it says so", lambda: "user data cannot be used" in console(theatre, machine.id))
    theatre.until_over()
    # A busy computer may miss the short lease of the second one as well.
    launched = len(theatre.machines())
    assert launched >= 2
    theatre.ends("success", machines=launched, pull=pull)
    assert theatre.times("train") == 1
