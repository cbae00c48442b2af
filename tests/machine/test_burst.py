"""A machine of a burst on a real Debian: its user data is nobody's, and its parameter makes it somebody's."""

from __future__ import annotations

import time

import pytest

from runnerkit import boot
from runnerkit.names import Secret
from runnerkit.ports import Machine
from tests.machine.yard import END, REPO, Guest, Yard

PROFILE = "runnerkit-runner"


def launch(yard: Yard, name: str, *, baked: bool) -> tuple[Guest, Machine]:
    """Start a machine that waits for its parameter."""
    blob = yard._register(name)
    machine = Machine(name, REPO, (name,), online_within=60, idle=60, life=600, baked=baked)
    born = time.monotonic()
    instance = yard.stage.run(
        UserData=boot.shared_user_data(machine),
        ImageId=yard.baked if baked else yard.stage.image,
        IamInstanceProfile={"Name": PROFILE},
        **END,
    )
    return Guest(yard, instance, name, blob, born), machine


@pytest.fixture(scope="module", autouse=True)
def _profile(yard: Yard) -> None:
    yard.world.aws("iam").create_instance_profile(InstanceProfileName=PROFILE)


def test_a_parameter_makes_a_machine_a_runner(yard: Yard) -> None:
    """It runs its job under the name that it was given, and leaves no parameter."""
    guest, machine = launch(yard, "rk-901-1", baked=True)
    guest.wait_for("[Rr]unnerkit-prepare|make the machine ready")
    ssm = yard.world.aws("ssm")
    value = boot.own_document(machine, Secret(guest.blob)).reveal()
    ssm.put_parameter(Name=f"/runnerkit/{guest.id}", Value=value, Type="SecureString", Tier="Advanced")
    job = yard.queue_job(
        guest.name, "test ! -e /run/runnerkit/jit\n! curl -m 2 http://169.254.169.254/latest/api/token"
    )
    assert yard.finished(job) == "success"
    assert ssm.get_parameters_by_path(Path="/runnerkit")["Parameters"] == []
    guest.ended()
    assert guest.reason() == "the job is over"
