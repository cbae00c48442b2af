"""Secrets through Parameter Store: jobs of one label set are one launch call, and nothing of it is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit import app, boot
from runnerkit.actions import Launch
from runnerkit.bursting import Burster
from runnerkit.config import load
from runnerkit.handing import Papers
from runnerkit.labels import parse
from runnerkit.names import RunnerName
from runnerkit.readying import Readier
from tests.stories.conftest import REPO, Theatre

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow]

PROFILE = "runnerkit-runner"
SETTINGS = {"RUNNERKIT_AWS__SECRETS": "ssm", "RUNNERKIT_AWS__INSTANCE_PROFILE": PROFILE}
MATRIX = """
name: train
on: pull_request
jobs:
  train:
    strategy:
      matrix:
        lr: [1, 0.1, 0.01]
    runs-on: runnerkit=${{ github.run_id }}/gpu=t4
    steps:
      - run: echo ran ${{ matrix.lr }} >> COUNTER/train
"""


@pytest.fixture
def burster(theatre: Theatre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Burster:
    """What a controller starts machines with, for a story in which it dies in between."""
    theatre.world.aws("iam").create_instance_profile(InstanceProfileName=PROFILE)
    environment = {**theatre.world.environment(), **SETTINGS}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    config, _ = load(environment, tmp_path)
    outside = app.outside(config, repos=[REPO], events=None, environment=environment)
    papers = Papers(boot.shared_user_data, boot.own_document, config.aws.carrier)
    return Burster(outside, Readier(outside, config.policy, config.aws.owner), papers)


def launches(theatre: Theatre) -> list[Launch]:
    """One for each queued job."""
    found = [job for job in theatre.jobs() if job.status == "queued"]
    return [
        Launch(RunnerName.for_job(j.id), REPO, tuple(j.labels), parse(j.labels[0]).spec, theatre.run.id, j.id)
        for j in found
    ]


def test_a_controller_serves_equal_jobs_by_one_burst(theatre: Theatre) -> None:
    """One CreateFleet, three machines that learn who they are from their parameters, three jobs green, nothing left."""
    theatre.world.aws("iam").create_instance_profile(InstanceProfileName=PROFILE)
    pull = theatre.workflow(MATRIX)
    theatre.until("three jobs wait", lambda: theatre.runs and len(theatre.jobs()) == 3)
    theatre.controller(**SETTINGS)
    theatre.ends("success", machines=3, pull=pull)
    assert theatre.times("train") == 3
    assert len(theatre.world.ec2.calls.of("CreateFleet")) == 1
    assert len(theatre.world.ec2.calls.of("CreateLaunchTemplate")) == 1
    assert len(theatre.world.ec2.calls.of("PutParameter")) == 3
    (data,) = {machine.user_data for machine in theatre.machines()}
    assert b"rk-" not in data
    names = {job.runner_name for job in theatre.jobs()}
    assert {machine.tags["runnerkit:runner"] for machine in theatre.machines()} == names
    assert theatre.world.aws("ssm").get_parameters_by_path(Path="/runnerkit")["Parameters"] == []


def test_a_machine_that_is_never_handed_over_ends_itself(theatre: Theatre, burster: Burster) -> None:
    """Its controller crashed between launch and hand-over: the machine says so on its console and powers off."""
    theatre.workflow(MATRIX)
    theatre.until("three jobs wait", lambda: theatre.runs and len(theatre.jobs()) == 3)
    burster._readier._policy = burster._readier._policy.model_copy(update={"online_within": 6})

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    burster._giver.give = crash  # type: ignore[method-assign, assignment]  # it dies there
    with pytest.raises(KeyboardInterrupt):
        burster.start(launches(theatre)[:1])
    (machine,) = theatre.machines()
    theatre.until("it has ended", lambda: theatre.world.ec2.instance(machine.id).state == "terminated")
    console = theatre.world.aws("ec2").get_console_output(InstanceId=machine.id)["Output"]
    assert f"/runnerkit/{machine.id} did not come within" in console
    assert "powering off: the machine could not start the listener" in console
