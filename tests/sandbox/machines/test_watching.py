"""What all machines have in common, with bodies that are nothing but a pipe."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from runnerkit.sandbox.ec2 import SandboxEc2, Stage
from runnerkit.sandbox.ec2.world import CONSOLE_KEPT
from runnerkit.sandbox.machines.watching import Body, Machines, Watched
from tests.sandbox.machines.yard import END, eventually

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runnerkit.sandbox.ec2 import InstanceView

AGAIN, CRASHED = 133, 7


class Pipe:
    """A body that says nothing and ends when it is told to."""

    def __init__(self) -> None:
        self.output, self._told = os.pipe()
        self.code: int | None = None

    def read(self) -> bool:
        """It says nothing."""
        return False

    def ended(self) -> int | None:
        """What it was told."""
        return self.code

    def close(self) -> None:
        """Both ends."""
        os.close(self.output)
        os.close(self._told)


class Pipes(Machines):
    """Machines of such bodies; one in ``broken`` cannot be made."""

    def __init__(self, ec2: SandboxEc2) -> None:
        super().__init__(ec2, "pipes", None)
        self.started: dict[str, list[Pipe]] = {}
        self.broken: set[str] = set()

    def _lay_out(self, view: InstanceView, machine: Watched) -> None:
        """Nothing."""

    def _start(self, view: InstanceView, _machine: Watched) -> Body:
        if view.tags.get("Name") in self.broken:
            raise RuntimeError("can't start new thread")
        self.started.setdefault(view.id, []).append(Pipe())
        return self.started[view.id][-1]

    def _end(self, bodies: Iterable[Body]) -> None:
        for body in bodies:
            assert isinstance(body, Pipe)
            body.close()

    def _crash(self, code: int) -> str:
        return f"it left with {code}"

    def _reboots(self, code: int) -> bool:
        return code == AGAIN

    def boots(self, instance_id: str) -> int:
        """How often it was started."""
        return len(self.started.get(instance_id, ()))


@pytest.fixture
def ec2() -> Iterator[SandboxEc2]:
    """An EC2 of one's own."""
    with SandboxEc2() as ec2:
        yield ec2


@pytest.fixture
def machines(ec2: SandboxEc2) -> Iterator[Pipes]:
    """And its machines."""
    with Pipes(ec2) as machines:
        yield machines


@pytest.fixture
def stage(ec2: SandboxEc2) -> Stage:
    """What launches."""
    return Stage.of(ec2)


def _launch(stage: Stage, name: str = "x", *, spot: bool = True) -> str:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}]
    return stage.run(spot=spot, TagSpecifications=tags, **END)


def test_a_machine_that_cannot_be_made_ends_alone(ec2: SandboxEc2, stage: Stage, machines: Pipes) -> None:
    """Whatever the reason: its console says it, the instance ends, and the next one is started."""
    machines.broken.add("broken")
    broken = _launch(stage, "broken")
    eventually(lambda: ec2.instance(broken).state == "terminated", "the end of the broken one")
    assert b"the machine cannot be made: can't start new thread" in ec2._core.machines[broken].console
    good = _launch(stage)
    eventually(lambda: machines.boots(good) == 1, "the good one")


def test_a_system_that_reboots_is_started_again(ec2: SandboxEc2, stage: Stage, machines: Pipes) -> None:
    """The instance goes on, as on EC2; one that crashes ends it."""
    instance = _launch(stage)
    eventually(lambda: machines.boots(instance) == 1, "its start")
    machines.started[instance][0].code = AGAIN
    eventually(lambda: machines.boots(instance) == 2, "its second start")
    assert ec2.instance(instance).state == "running"
    machines.started[instance][1].code = CRASHED
    eventually(lambda: ec2.instance(instance).state == "terminated", "its end")
    assert machines.boots(instance) == 2


def test_the_api_reboots_a_machine(stage: Stage, machines: Pipes) -> None:
    """RebootInstances is more than a word: the machine starts anew, and once."""
    instance = _launch(stage)
    eventually(lambda: machines.boots(instance) == 1, "its start")
    stage.ec2.reboot_instances(InstanceIds=[instance])
    eventually(lambda: machines.boots(instance) == 2, "its second start")
    other = _launch(stage)
    eventually(lambda: machines.boots(other) == 1, "some looks later")
    assert machines.boots(instance) == 2


def test_a_stopped_machine_starts_again(stage: Stage, machines: Pipes) -> None:
    """Stopped by the API, it has no body; started, it has a new one."""
    instance = _launch(stage, spot=False)
    eventually(lambda: machines.boots(instance) == 1, "its start")
    client = stage.ec2
    client.stop_instances(InstanceIds=[instance])
    eventually(lambda: machines._machines[instance].body is None, "its stop")
    client.start_instances(InstanceIds=[instance])
    eventually(lambda: machines.boots(instance) == 2, "its second start")


def test_an_image_whose_disk_cannot_be_kept_is_none(ec2: SandboxEc2, stage: Stage) -> None:
    """CreateImage fails and leaves neither image nor snapshot, and machines that have gone are not asked."""

    def refuse(_instance: str, _image: str) -> None:
        raise OSError(28, "No space left on device")

    instance = _launch(stage)
    before = _images(stage)
    ec2.furnish(imaged=refuse)
    with pytest.raises(ClientError, match="No space left on device"):
        stage.ec2.create_image(InstanceId=instance, Name="half")
    assert _images(stage) == before
    ec2.furnish()
    assert stage.ec2.create_image(InstanceId=instance, Name="half")["ImageId"]


def _images(stage: Stage) -> tuple[int, int]:
    images = stage.ec2.describe_images(Owners=["self"])["Images"]
    return len(images), len(stage.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"])


def test_a_console_does_not_grow_for_ever(ec2: SandboxEc2, stage: Stage) -> None:
    """Its end is kept: a machine that writes for days would fill the sandbox's memory."""
    instance = _launch(stage)
    for _ in range(3):
        ec2.console(instance, b"x" * CONSOLE_KEPT)
    ec2.console(instance, b"the end")
    kept = ec2._core.machines[instance].console
    assert len(kept) == CONSOLE_KEPT
    assert kept.endswith(b"the end")
