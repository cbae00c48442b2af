"""AWS takes a real machine in stage 3 of 4: the job fails at once, runs again elsewhere, and goes on where it was.

A process on a machine of its own can count nothing outside of it but in its job's log, which is GitHub's; so stages and
epochs write there.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from runnerkit.sandbox.machines.nspawn import missing
from runnerkit.sandbox.together import Sandbox
from tests.theatre import Theatre

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

REPO = "acme/resume"
BUCKET = "acme-models"
WORKFLOW = """name: train
on: pull_request
jobs:
  train:
    runs-on: runnerkit=${{ github.run_id }}/gpu=t4
    permissions: {contents: read, id-token: write}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
      - uses: aws-actions/configure-aws-credentials@v4
        with: {role-to-assume: 'arn:aws:iam::210000000001:role/train', aws-region: eu-west-1}
      - run: exec runnerkit dvc run --checkpoint-every 1
"""
PIPELINE = """stages:
  fetch: {cmd: echo COUNT fetch && cp raw.txt raw.csv, deps: [raw.txt], outs: [raw.csv]}
  prepare: {cmd: echo COUNT prepare && cp raw.csv data.txt, deps: [raw.csv], outs: [data.txt]}
  train:
    cmd: echo COUNT train && sh train.sh
    deps: [data.txt, train.sh]
    outs: [model.txt]
    meta: {runnerkit: {checkpoints: [checkpoints]}}
  evaluate:
    cmd: echo COUNT evaluate && echo "METRIC $(wc -l <model.txt)" && cp model.txt metrics.txt
    deps: [model.txt]
    outs: [metrics.txt]
"""
# Twelve epochs. The first machine stays in the sixth for longer than AWS lets it.
TRAIN = """mkdir -p checkpoints && touch checkpoints/model
while [ "$(wc -l <checkpoints/model)" -lt 12 ]; do
  { cat checkpoints/model; echo "epoch $(wc -l <checkpoints/model)"; } >checkpoints/.next
  mv checkpoints/.next checkpoints/model
  echo "EPOCH $(wc -l <checkpoints/model)"
  if [ "$GITHUB_RUN_ATTEMPT" = 1 ] && [ "$(wc -l <checkpoints/model)" -eq 6 ]; then sleep 1000; fi
done
cp checkpoints/model model.txt
"""
FILES = {
    ".github/workflows/train.yml": WORKFLOW,
    ".dvc/config": f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = s3://{BUCKET}/resume\n",
    ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
    ".gitignore": "/raw.csv\n/data.txt\n/model.txt\n/metrics.txt\n/checkpoints/\n",
    "dvc.yaml": PIPELINE,
    "train.sh": TRAIN,
    "raw.txt": "one\ntwo\n",
}


@pytest.fixture
def theatre(tmp_path: Path) -> Iterator[Theatre]:
    """A sandbox whose machines are Debians of their own."""
    if lacking := missing():
        pytest.skip(f"nspawn is not installed for us: {lacking}")
    with Sandbox(REPO, machines="nspawn") as world, ExitStack() as stack:
        world.aws("s3").create_bucket(Bucket=BUCKET)
        world.github.push(REPO, FILES, message="Begin")
        yield Theatre(world, tmp_path, stack)


def test_the_next_machine_goes_on_in_the_stage_that_was_interrupted(theatre: Theatre) -> None:
    """Stages 1 and 2 are restored and not executed, no epoch is computed twice, the metric is as without."""
    theatre.world.github.push(REPO, {"change.txt": "x\n"}, branch="change", message="Change something")
    pull = theatre.world.github.open_pull_request(REPO, head="change", title="Change something")
    theatre.controller(RUNNERKIT_POLICY__CONFIRM="60", RUNNERKIT_POLICY__ONLINE_WITHIN="90")
    kept = ("checkpoint of 'train' kept", "runnerkit: pushed fetch, prepare")
    theatre.until("all is kept", lambda: all(words in _logs(theatre)[0] for words in kept), 150)
    theatre.world.ec2.interrupt(theatre.machines()[0].id, 22.0)
    theatre.until("the second attempt", lambda: len(theatre.run.attempts) == 2, 90)
    theatre.until_over(150)
    theatre.ends("success", machines=2, pull=pull)

    first, second = _logs(theatre)
    assert "runnerkit: spot interruption" in first
    assert [_counted(log) for log in (first, second)] == [["fetch", "prepare", "train"], ["train", "evaluate"]], second
    epochs = [int(number) for log in (first, second) for number in re.findall(r"EPOCH (\d+)", log)]
    assert epochs == list(range(1, 13))
    assert "METRIC 12" in second
    assert {machine.reason for machine in theatre.machines()} == {
        "Server.SpotInstanceTermination",
        "Client.InstanceInitiatedShutdown",
    }
    left = theatre.world.aws("s3").list_objects_v2(Bucket=BUCKET, Prefix="resume/runnerkit/checkpoints/")
    assert left["KeyCount"] == 0, "the checkpoint goes once its stage is pushed"


def _counted(log: str) -> list[str]:
    return re.findall(r"(?m)COUNT (\w+)$", "\n".join(line for line in log.splitlines() if "> echo" not in line))


def _logs(theatre: Theatre) -> list[str]:
    """The logs of the run's attempts, oldest first."""
    jobs = theatre.all_jobs(theatre.run) if theatre.runs else []
    return [job.log for job in sorted(jobs, key=lambda job: job.id)] or [""]
