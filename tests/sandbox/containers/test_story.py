from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from runnerkit.sandbox import standin
from runnerkit.sandbox.controller import Controller
from runnerkit.sandbox.together import Sandbox
from tests.sandbox.containers.image import PRETTY
from tests.sandbox.containers.podman import IMAGE, Podman
from tests.sandbox.standin.running import until

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2 import SandboxEc2

REPO = "acme/widgets"
WORKFLOW = f"""
on: push
jobs:
  train:
    runs-on: runnerkit=${{{{ github.run_id }}}}/gpu=t4
    container:
      image: {IMAGE}
    steps:
      - uses: actions/checkout@v5
      - run: cat /etc/os-release; cat data; touch /__w/left
      - run: if [ -e long ]; then echo begun; sleep 300; fi
"""
PATIENCE = 120.0


@pytest.mark.usefixtures("podman")
def test_a_workflow_with_a_container_runs_green_on_its_machine(ec2_world: SandboxEc2) -> None:
    """Pushed, launched, run in the image, ended; nothing is left at EC2, at GitHub or at the engine."""
    with Sandbox(REPO, boot=0.2, ec2=ec2_world) as sandbox, Controller(sandbox):
        sandbox.github.push(REPO, {".github/workflows/train.yml": WORKFLOW, "data": "from git\n"})
        (job,) = sandbox.github.jobs(sandbox.github.runs(REPO)[0])
        until(lambda: job.status == "completed", PATIENCE)
        assert job.conclusion == "success", job.log
        assert {f'PRETTY_NAME="{PRETTY}"', "from git"} <= {line.partition(" ")[2] for line in job.log.splitlines()}
        until(lambda: not any(sandbox.left().values()), PATIENCE)


def test_a_machine_that_is_unplugged_takes_its_container_along(podman: Podman, ec2_world: SandboxEc2) -> None:
    """Everything on the machine is killed at once, and with it what holds the container up."""
    files = {".github/workflows/train.yml": WORKFLOW, "data": "", "long": ""}
    with Sandbox(REPO, boot=0.2, ec2=ec2_world) as sandbox, Controller(sandbox):
        sandbox.github.push(REPO, files)
        (job,) = sandbox.github.jobs(sandbox.github.runs(REPO)[0])
        until(lambda: "Z begun\n" in job.log or job.status == "completed", PATIENCE)
        (machine,) = sandbox.ec2.instances("running")
        inspected = json.loads(podman.call("inspect", podman.left()["containers"][0]))
        assert inspected[0]["State"]["Status"] == "running"
        sandbox.aws("ec2").terminate_instances(InstanceIds=[machine.id])
        until(lambda: not podman.call("ps", "--quiet"), PATIENCE)
        # podman keeps the dead container for minutes when a program was running in it.
        standin.tidy_up()
        assert podman.left()["containers"] == []
