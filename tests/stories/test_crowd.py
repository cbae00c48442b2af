"""Forty jobs on a bad day: webhooks are lost, boots fail, AWS takes a machine back, the controller is killed."""

from __future__ import annotations

import random
import socket
from typing import TYPE_CHECKING

import pytest

from runnerkit.sandbox.controller import Controller
from tests.stories.conftest import REPO, SHORT, Theatre

if TYPE_CHECKING:
    from runnerkit.sandbox.github.records import Job

pytestmark = [pytest.mark.slow]

SECRET = "a-secret-of-the-hook"
WORKFLOWS = 5
PATIENCE = 420.0
MATRIX = """
name: NAME
on: pull_request
jobs:
  NAME:
    strategy:
      fail-fast: false
      matrix:
        shard: SHARDS
    runs-on: runnerkit=${{ github.run_id }}/gpu=t4
    steps:
      - run: echo ran >> COUNTER/NAME-${{ matrix.shard }}
"""
# The pipeline's second stage waits, the first time, until AWS has taken the machine.
PIPELINE = """
  train:
    runs-on: runnerkit=${{ github.run_id }}/gpu=l4
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.11"
      - run: exec runnerkit dvc run
"""
STAGES = """
stages:
  prepare:
    cmd: echo prepared >> COUNTER/prepare && cp raw.txt prepared.txt
    deps: [raw.txt]
    outs: [prepared.txt]
  train:
    cmd: >-
      echo training >> COUNTER/training;
      test $(wc -l < COUNTER/training) -gt 1 || sleep 90;
      cp prepared.txt model.txt
    deps: [prepared.txt]
    outs: [model.txt]
"""
REMOTE = """
[core]
    remote = storage
    analytics = false
['remote "storage"']
    url = COUNTER/remote
"""


class Serving:
    """``runnerkit serve``, which can be killed and started again at the same address."""

    def __init__(self, theatre: Theatre) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._theatre = theatre
        self._at_work: Controller | None = None

    def start(self) -> None:
        """Start it; it learns of hooks at once and looks around every five seconds."""
        environ = {
            **SHORT,
            "RUNNERKIT_SERVE__WEBHOOK_SECRETS": SECRET,
            "RUNNERKIT_POLICY__MAX_MACHINES": "60",
            "RUNNERKIT_POLICY__ONLINE_WITHIN": "120",
            "RUNNERKIT_POLICY__CONFIRM": "60",
        }
        command = ("serve", "--port", str(self.port), "--interval", "5")
        self._at_work = Controller(self._theatre.world, self._theatre.events.append, environ, command)
        self._theatre.open.enter_context(self._at_work)

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._at_work is not None
        self._at_work.kill()


@pytest.fixture
def serving(theatre: Theatre) -> Serving:
    """A controller that GitHub's webhooks reach, four fifths of them."""
    found = Serving(theatre)
    url = f"http://127.0.0.1:{found.port}/hooks"
    theatre.world.github.add_hook(REPO, url, ["workflow_job", "workflow_run"], secret=SECRET)
    mischief = theatre.world.github.service.sender.mischief
    mischief.lose_share, mischief.random = 0.2, random.Random(7)
    found.start()
    return found


def crowd() -> dict[str, str]:
    """Five workflows with forty jobs, one of which is a pipeline."""
    shards = [8, 8, 8, 8, 7]
    files = {
        f".github/workflows/w{number}.yml": MATRIX.replace("NAME", f"w{number}").replace("SHARDS", str(list(range(n))))
        for number, n in enumerate(shards)
    }
    files[f".github/workflows/w{WORKFLOWS - 1}.yml"] += PIPELINE
    return files | {
        "dvc.yaml": STAGES,
        "raw.txt": "1\n",
        ".dvc/config": REMOTE,
        ".gitignore": "/prepared.txt\n/model.txt\n",
    }


def latest(theatre: Theatre) -> list[Job]:
    """The jobs of every run's latest attempt."""
    return [job for run in theatre.runs for job in theatre.jobs(run)]


def test_forty_jobs_on_a_bad_day(theatre: Theatre, serving: Serving) -> None:
    """All green, each step executed once, the finished stage not computed again, and nothing left."""
    github, ec2 = theatre.world.github, theatre.world.ec2
    (theatre.folder / "remote").mkdir(mode=0o777)
    (theatre.folder / "remote").chmod(0o777)
    ec2.fail_launch(times=4)
    files = {name: text.replace("COUNTER", str(theatre.folder)) for name, text in crowd().items()}
    github.push(REPO, files, message="Add five workflows")
    github.push(REPO, {"change.txt": "1\n"}, branch="change", message="Change something")
    pull = github.open_pull_request(REPO, head="change", title="Change something")
    assert len(latest(theatre)) == 40

    theatre.until("a third is launched", lambda: len(theatre.machines()) >= 13, PATIENCE, every=0.25)
    serving.kill()
    serving.start()
    theatre.until("the pipeline trains", lambda: theatre.times("training") == 1, PATIENCE, every=0.25)
    (trainer,) = [job for job in latest(theatre) if job.name == "train"]
    (machine,) = [each for each in theatre.machines() if each.tags.get("runnerkit:runner") == trainer.runner_name]
    # So long that the finished stage is pushed before the pipeline is interrupted, also on a busy computer.
    ec2.interrupt(machine.id, 50.0)
    serving.kill()
    serving.start()

    def green() -> bool:
        jobs = latest(theatre)
        return len(jobs) == 40 and all(job.conclusion == "success" for job in jobs)

    theatre.until("every job is green", green, PATIENCE, every=0.5)
    theatre.until_nothing_left(PATIENCE)
    assert theatre.concluded(pull) == "success"
    counted = [theatre.times(f"w{number}-{shard}") for number, n in enumerate([8, 8, 8, 8, 7]) for shard in range(n)]
    assert counted == [1] * 39
    assert (theatre.times("prepare"), theatre.times("training")) == (1, 2)
    first = next(job for run in theatre.runs for job in theatre.all_jobs(run) if job.id == trainer.id)
    assert first.conclusion == "failure"
    # One for each job, one for each failed boot, one for the interrupted job: nothing was launched in vain.
    assert len(theatre.machines()) <= 40 + 4 + 1 + 2, theatre.describe()
    assert github.violations == []
