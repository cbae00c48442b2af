"""Machines coming and going, and the reasons EC2 gives, seen by a real boto3 client."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.sandbox.ec2 import MachineEvent, Stage

UNKNOWN = "i-00000000000000000"


def state(stage: Stage, instance_id: str) -> str:
    """The state that DescribeInstances shows."""
    return str(stage.describe(instance_id)["State"]["Name"])


def reason(stage: Stage, instance_id: str) -> str:
    """The code of the state's reason."""
    return str(stage.describe(instance_id).get("StateReason", {}).get("Code", ""))


def test_a_machine_boots_and_shuts_down_in_its_time(stage: Stage) -> None:
    """Pending, running, shutting-down, terminated, each after the delay that is set."""
    stage.world.times(boot=30, shutdown=20)
    instance_id = stage.run()
    assert state(stage, instance_id) == "pending"
    stage.world.advance(30)
    assert state(stage, instance_id) == "running"
    answer = stage.ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"][0]
    assert (answer["PreviousState"]["Name"], answer["CurrentState"]["Name"]) == ("running", "shutting-down")
    assert state(stage, instance_id) == "shutting-down"
    stage.world.advance(20)
    assert state(stage, instance_id) == "terminated"


def test_what_is_due_happens_without_anybody_asking(stage: Stage) -> None:
    """The world has a clock of its own: listeners hear of a boot that no call has asked about."""
    heard: list[MachineEvent] = []
    stop = stage.world.subscribe(heard.append)
    stage.world.times(boot=0.1)
    instance_id = stage.run()
    deadline = time.monotonic() + 30
    while [e.kind for e in heard] != ["pending", "running"] and time.monotonic() < deadline:
        time.sleep(0.02)
    stop()
    assert [(e.kind, e.instance_id) for e in heard] == [("pending", instance_id), ("running", instance_id)]


def test_terminated_by_the_api(stage: Stage) -> None:
    """Client.UserInitiatedShutdown, with the time in the transition reason."""
    instance_id = stage.run()
    stage.ec2.terminate_instances(InstanceIds=[instance_id])
    seen = stage.describe(instance_id)
    assert seen["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert seen["StateTransitionReason"].startswith("User initiated (")


def test_a_power_off_ends_the_machine_if_it_was_launched_so(stage: Stage) -> None:
    """InstanceInitiatedShutdownBehavior=terminate: Client.InstanceInitiatedShutdown."""
    instance_id = stage.run(InstanceInitiatedShutdownBehavior="terminate")
    stage.world.power_off(instance_id)
    assert (state(stage, instance_id), reason(stage, instance_id)) == ("terminated", "Client.InstanceInitiatedShutdown")


def test_a_power_off_stops_the_machine_by_default(stage: Stage) -> None:
    """The default behaviour is stop, and it can be changed while the machine runs."""
    stopped, ended = stage.run(spot=False), stage.run(spot=False)
    stage.ec2.modify_instance_attribute(InstanceId=ended, InstanceInitiatedShutdownBehavior={"Value": "terminate"})
    for instance_id in (stopped, ended):
        stage.world.power_off(instance_id)
    assert (state(stage, stopped), state(stage, ended)) == ("stopped", "terminated")


def test_a_launch_can_fail_after_its_call_succeeded(stage: Stage) -> None:
    """From pending to terminated with the server's reason; only as often as scripted."""
    stage.world.times(boot=5)
    stage.world.fail_launch("Server.InsufficientInstanceCapacity")
    failed, fine = stage.run(), stage.run()
    assert state(stage, failed) == "pending"
    stage.world.advance(5)
    assert (state(stage, failed), reason(stage, failed)) == ("terminated", "Server.InsufficientInstanceCapacity")
    assert state(stage, fine) == "running"


def test_terminated_machines_vanish_after_an_hour(stage: Stage, refused: Callable[..., str]) -> None:
    """They stay in lists for a while, then EC2 has never heard of them."""
    instance_id = stage.run()
    stage.ec2.terminate_instances(InstanceIds=[instance_id])
    stage.world.advance(3599)
    assert stage.listed() == [instance_id]
    stage.world.advance(2)
    assert stage.listed() == []
    assert refused(stage.ec2.describe_instances, InstanceIds=[instance_id]) == "InvalidInstanceID.NotFound"


def test_one_unknown_id_voids_a_whole_termination(stage: Stage, refused: Callable[..., str]) -> None:
    """Nothing is terminated, neither for an unknown nor for a malformed id."""
    instance_id = stage.run()
    ids = [instance_id, UNKNOWN]
    assert refused(stage.ec2.terminate_instances, InstanceIds=ids) == "InvalidInstanceID.NotFound"
    assert refused(stage.ec2.terminate_instances, InstanceIds=[instance_id, "x"]) == "InvalidInstanceID.Malformed"
    assert state(stage, instance_id) == "running"


def test_terminating_twice_is_no_error(stage: Stage) -> None:
    """The first reason stays."""
    instance_id = stage.run(InstanceInitiatedShutdownBehavior="terminate")
    stage.world.power_off(instance_id)
    answer = stage.ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"][0]
    assert answer["CurrentState"]["Name"] == "terminated"
    assert reason(stage, instance_id) == "Client.InstanceInitiatedShutdown"


def test_a_protected_machine_is_not_terminated(stage: Stage, refused: Callable[..., str]) -> None:
    """Termination protection."""
    instance_id = stage.run(spot=False, DisableApiTermination=True)
    assert refused(stage.ec2.terminate_instances, InstanceIds=[instance_id]) == "OperationNotPermitted"


def test_a_one_time_spot_machine_cannot_be_stopped(stage: Stage, refused: Callable[..., str]) -> None:
    """UnsupportedOperation, and it goes on running."""
    instance_id = stage.run()
    assert refused(stage.ec2.stop_instances, InstanceIds=[instance_id]) == "UnsupportedOperation"
    assert state(stage, instance_id) == "running"


def test_stopping_and_starting_takes_its_time(stage: Stage, refused: Callable[..., str]) -> None:
    """Stopping, stopped, pending, running; not from a state in which it cannot be."""
    stage.world.times(boot=10, shutdown=10)
    instance_id = stage.run(spot=False)
    assert refused(stage.ec2.stop_instances, InstanceIds=[instance_id]) == "IncorrectInstanceState"
    seen = []
    stage.world.advance(10)
    stage.ec2.stop_instances(InstanceIds=[instance_id])
    for action in (lambda: None, lambda: None, lambda: stage.ec2.start_instances(InstanceIds=[instance_id])):
        action()
        seen.append(state(stage, instance_id))
        stage.world.advance(10)
    assert [*seen, state(stage, instance_id)] == ["stopping", "stopped", "pending", "running"]


def test_only_a_running_machine_is_rebooted(stage: Stage, refused: Callable[..., str]) -> None:
    """A reboot does not bring a terminated machine back."""
    instance_id = stage.run()
    stage.ec2.reboot_instances(InstanceIds=[instance_id])
    stage.ec2.terminate_instances(InstanceIds=[instance_id])
    assert refused(stage.ec2.reboot_instances, InstanceIds=[instance_id]) == "IncorrectInstanceState"
    assert state(stage, instance_id) == "terminated"


def test_disk_and_interface_go_with_the_machine(stage: Stage) -> None:
    """Nothing is left of it but its entry."""
    instance_id = stage.run()
    assert len(stage.ec2.describe_network_interfaces()["NetworkInterfaces"]) == 1
    stage.ec2.terminate_instances(InstanceIds=[instance_id])
    assert stage.ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    assert stage.ec2.describe_volumes()["Volumes"] == []
    seen = stage.describe(instance_id)
    assert "SubnetId" not in seen
    assert seen.get("SecurityGroups", []) == []


def test_a_disk_that_should_stay_stays(stage: Stage) -> None:
    """DeleteOnTermination=false leaves an available volume: the leak that sweeps look for."""
    data = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 10, "DeleteOnTermination": False}}]
    instance_id = stage.run(BlockDeviceMappings=data)
    stage.ec2.terminate_instances(InstanceIds=[instance_id])
    (volume,) = stage.ec2.describe_volumes()["Volumes"]
    assert (volume["State"], volume["Size"]) == ("available", 10)


def test_a_group_in_use_cannot_be_deleted(stage: Stage, refused: Callable[..., str]) -> None:
    """DependencyViolation until the machine has ended, or while another group's rule names it."""
    instance_id = stage.run(SecurityGroupIds=[stage.group])
    assert refused(stage.ec2.delete_security_group, GroupId=stage.group) == "DependencyViolation"
    stage.ec2.terminate_instances(InstanceIds=[instance_id])
    vpc = stage.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    other = stage.ec2.create_security_group(GroupName="other", Description="other", VpcId=vpc)["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupId": stage.group}]}
    stage.ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[rule])
    assert refused(stage.ec2.delete_security_group, GroupId=stage.group) == "DependencyViolation"
    stage.ec2.delete_security_group(GroupId=other)
    stage.ec2.delete_security_group(GroupId=stage.group)


def test_waiters_wait_for_the_state(stage: Stage) -> None:
    """boto3's instance_running waiter polls until the machine has booted."""
    stage.world.times(boot=0.3)
    instance_id = stage.run()
    waiter = stage.ec2.get_waiter("instance_running")
    waiter.wait(InstanceIds=[instance_id], WaiterConfig={"Delay": 0.1, "MaxAttempts": 50})
    assert stage.world.calls.count("DescribeInstances") > 1


@pytest.mark.parametrize("everything", [True, False])
def test_the_status_of_machines_that_do_not_run_is_shown_on_request(stage: Stage, *, everything: bool) -> None:
    """DescribeInstanceStatus shows running machines, and the others with IncludeAllInstances."""
    stage.run()
    stage.ec2.terminate_instances(InstanceIds=[stage.run()])
    found = stage.ec2.describe_instance_status(IncludeAllInstances=everything)["InstanceStatuses"]
    shown = sorted(s["InstanceStatus"]["Status"] for s in found)
    assert shown == (["not-applicable", "ok"] if everything else ["ok"])
