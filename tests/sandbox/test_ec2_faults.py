"""Trouble on demand: refusals, throttles, lost answers, held calls, bad credentials."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError

from runnerkit.sandbox.ec2 import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.sandbox.ec2 import Stage


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InsufficientInstanceCapacity", 500),
        ("RequestLimitExceeded", 503),
        ("UnauthorizedOperation", 403),
        ("AuthFailure", 401),
        ("MaxFleetCountExceeded", 400),
    ],
)
def test_a_call_is_refused_with_any_code(stage: Stage, code: str, status: int) -> None:
    """With the HTTP status that AWS uses, once, and for that action only."""
    stage.world.refuse(code, "RunInstances")
    stage.ec2.describe_subnets()
    with pytest.raises(ClientError) as caught:
        stage.run()
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert stage.world.instances() == []
    stage.run()


def test_a_denial_names_the_action_and_encodes_the_reason(stage: Stage) -> None:
    """As EC2 words it."""
    stage.world.refuse("UnauthorizedOperation", "CreateFleet")
    with pytest.raises(ClientError, match=r"perform: ec2:CreateFleet .*Encoded authorization failure message: "):
        stage.ec2.create_fleet(**stage.fleet_request(stage.template()))


def test_a_throttle_is_retried_by_a_client_that_may(stage: Stage) -> None:
    """Two throttled attempts, then the answer; every attempt is recorded."""
    stage.world.throttle("DescribeInstances", times=2)
    patient = connect(stage.world, "ec2", attempts=3)
    assert patient.describe_instances()["Reservations"] == []
    assert [call.status for call in stage.world.calls.of("DescribeInstances")] == [503, 503, 200]
    assert [call.error for call in stage.world.calls.of("DescribeInstances")] == ["RequestLimitExceeded"] * 2 + [""]


def test_the_published_limits_can_be_applied(stage: Stage, refused: Callable[..., str]) -> None:
    """RunInstances has a bucket of 5 that refills with 2 a second; reads have their own."""
    stage.world.stand_still()
    stage.world.limits()
    for _ in range(5):
        stage.run()
    assert refused(stage.run) == "RequestLimitExceeded"
    stage.ec2.describe_subnets()
    stage.world.advance(1)
    stage.run()
    stage.world.limits(enabled=False)
    for _ in range(8):
        stage.run()


def test_a_lost_answer_leaves_the_effect(stage: Stage) -> None:
    """The connection drops after the launch; the same token then tells what was launched."""
    request = stage.fleet_request(stage.template(), ClientToken="attempt-1")
    stage.world.lose_answer("CreateFleet")
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        stage.ec2.create_fleet(**request)
    (machine,) = stage.world.instances()
    assert stage.ec2.create_fleet(**request)["Instances"][0]["InstanceIds"] == [machine.id]
    assert [call.status for call in stage.world.calls.of("CreateFleet")] == [None, 200]


@pytest.mark.parametrize(("when", "machines"), [("before", 0), ("after", 1)])
def test_a_call_is_held_at_its_effect(stage: Stage, when: str, machines: int) -> None:
    """Before it nothing exists, after it everything does, and others are served meanwhile."""
    hold = stage.world.hold("RunInstances", "before" if when == "before" else "after")
    with ThreadPoolExecutor(1) as pool, hold:
        launch = pool.submit(stage.run)
        assert hold.reached.wait(30)
        assert len(stage.world.instances()) == machines
        stage.ec2.describe_instances()
        assert not launch.done()
        hold.release()
        assert launch.result(30) == stage.world.instances()[0].id


def test_a_dropped_call_never_happened(stage: Stage) -> None:
    """As when the client is killed before its request is carried out."""
    hold = stage.world.hold("RunInstances")
    with ThreadPoolExecutor(1) as pool:
        launch = pool.submit(stage.run)
        assert hold.reached.wait(30)
        hold.drop()
        assert isinstance(launch.exception(30), ConnectionClosedError | HTTPClientError)
    assert stage.world.instances() == []


def test_calls_can_be_slow(stage: Stage) -> None:
    """One action, or all of them."""
    stage.world.delay("DescribeSubnets", 0.2, times=1)

    def took() -> float:
        begun = time.perf_counter()
        stage.ec2.describe_subnets()
        return time.perf_counter() - begun

    assert took() >= 0.2
    assert any(took() < 0.2 for _ in range(20))  # at once, unless the computer is busy


def test_credentials_can_be_unknown_or_expired(stage: Stage, refused: Callable[..., str]) -> None:
    """One key or all of them, for every service in its own way of saying so."""
    stage.world.credentials("AuthFailure", "AKIAOLD")
    old = connect(stage.world, "ec2", key="AKIAOLD")
    assert refused(old.describe_instances) == "AuthFailure"
    stage.ec2.describe_instances()
    stage.world.credentials("ExpiredToken")
    calls = [
        stage.ec2.describe_instances,
        stage.connect("ssm").describe_parameters,
        stage.connect("s3").list_buckets,
        stage.connect("iam").list_roles,
    ]
    assert [refused(call) for call in calls] == ["ExpiredToken"] * 4
    stage.world.credentials(None)
    stage.ec2.describe_instances()


def test_what_nobody_emulates_is_said_plainly(stage: Stage, refused: Callable[..., str]) -> None:
    """An error that boto3 can read, where moto alone answers an HTML page with status 500."""
    asked = {"TargetCapacity": 1, "InstanceTypes": ["g5.xlarge"]}
    assert refused(stage.ec2.get_spot_placement_scores, **asked) == "InvalidAction"
    assert refused(stage.connect("pricing").describe_services) == "InvalidAction"
