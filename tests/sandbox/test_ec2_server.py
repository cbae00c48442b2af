"""The server itself: address, environment, isolation, record, and scripts over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError

from runnerkit.sandbox.ec2 import SandboxEc2, Stage, connect

if TYPE_CHECKING:
    from collections.abc import Callable

OTHER_PROCESS = """
import boto3
print([len(r["Instances"]) for r in boto3.client("ec2").describe_instances()["Reservations"]])
"""
HABITS = {
    "AWS_PROFILE": "work",
    "AWS_DEFAULT_PROFILE": "work",
    "AWS_SESSION_TOKEN": "of-the-real-account",
    "AWS_ENDPOINT_URL_EC2": "http://127.0.0.1:9",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_USE_FIPS_ENDPOINT": "true",
}


def post(world: SandboxEc2, script: str, **arguments: object) -> Any:  # noqa: ANN401 - JSON
    """Run a script over HTTP as another process would."""
    body = json.dumps(arguments).encode()
    request = Request(f"{world.url}/_runnerkit/ec2/{script}", data=body, method="POST")
    with urlopen(request, timeout=30) as answer:
        return json.load(answer)["result"]


def get(world: SandboxEc2, what: str) -> Any:  # noqa: ANN401 - JSON
    """Look at something over HTTP."""
    with urlopen(f"{world.url}/_runnerkit/ec2/{what}", timeout=30) as answer:
        return json.load(answer)


def test_it_listens_on_this_machine_only(ec2_world: SandboxEc2) -> None:
    """127.0.0.1 and a free port."""
    assert ec2_world.url.startswith("http://127.0.0.1:")
    assert not ec2_world.url.endswith(":0")


def test_other_processes_use_it_through_the_environment(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An SDK that knows nothing of the sandbox finds it, whatever its user's own variables say of AWS."""
    stage.run(MinCount=2, MaxCount=2)
    for name, value in HABITS.items():
        monkeypatch.setenv(name, value)
    environment = {**os.environ, **stage.world.environment()}
    done = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[2]"


def test_calls_are_recorded_at_the_wire(stage: Stage) -> None:
    """Service, action, region, key, parameters and status, for every service."""
    template = stage.template()
    stage.ec2.create_fleet(**stage.fleet_request(template))
    stage.connect("ssm").put_parameter(Name="/a", Value="b", Type="String")
    stage.connect("s3").create_bucket(Bucket="remote")
    calls = stage.world.calls
    assert [c.service for c in calls] == ["ec2", "ec2", "ssm", "s3"]
    assert calls.actions() == ["CreateLaunchTemplate", "CreateFleet", "PutParameter", "PUT /remote"]
    assert calls.count("CreateFleet") == 1
    (fleet,) = calls.of("CreateFleet")
    assert (fleet.status, fleet.region, fleet.access_key) == (200, "us-east-1", "AKIATEST")
    assert fleet.parameters["TargetCapacitySpecification"]["TotalTargetCapacity"] == 1


def test_what_moto_does_well_is_left_to_it(stage: Stage) -> None:
    """S3 objects, with checksums and conditions, for a DVC remote."""
    s3 = stage.connect("s3")
    s3.create_bucket(Bucket="remote")
    s3.put_object(Bucket="remote", Key="files/md5/ab", Body=b"x" * 100_000, IfNoneMatch="*")
    assert s3.head_object(Bucket="remote", Key="files/md5/ab")["ContentLength"] == 100_000
    assert s3.get_object(Bucket="remote", Key="files/md5/ab")["Body"].read() == b"x" * 100_000
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket="remote", Key="files/md5/ab", Body=b"y", IfNoneMatch="*")


def test_worlds_do_not_see_each_other(stage: Stage) -> None:
    """Two worlds in one process have accounts of their own."""
    stage.run()
    stage.connect("s3").create_bucket(Bucket="first")
    with SandboxEc2(region="eu-west-1") as other:
        assert connect(other, "ec2").describe_instances()["Reservations"] == []
        assert connect(other, "s3").list_buckets()["Buckets"] == []
        assert connect(other, "sts").get_caller_identity()["Account"] == other.account
        there = Stage.of(other)
        assert all(zone.startswith("eu-west-1") for zone in there.subnets)
        there.run(InstanceType="g4dn.xlarge")
    assert len(stage.world.instances()) == 1
    assert stage.connect("sts").get_caller_identity()["Account"] == stage.world.account


def test_regions_are_separate(stage: Stage, refused: Callable[..., str]) -> None:
    """A machine of one region is unknown in another."""
    instance_id = stage.run()
    far = connect(stage.world, "ec2", region="us-west-2")
    assert far.describe_instances()["Reservations"] == []
    assert refused(far.terminate_instances, InstanceIds=[instance_id]) == "InvalidInstanceID.NotFound"


def test_a_reset_world_is_empty(stage: Stage) -> None:
    """Machines, scripts, record, times, buckets: all gone; the address stays."""
    world, url = stage.world, stage.world.url
    stage.run()
    stage.connect("s3").create_bucket(Bucket="remote")
    world.refuse("InternalError", times=None)
    world.capacity("*", "*", "*", 0)
    world.settle(99)
    world.reset()
    assert (world.url, len(world.calls), world.instances()) == (url, 0, [])
    fresh = Stage.of(world)
    fresh.connect("s3").create_bucket(Bucket="remote")
    assert fresh.describe(fresh.run())["State"]["Name"] == "running"


def test_a_world_that_does_not_run_has_no_address() -> None:
    """The error says what to do."""
    with pytest.raises(RuntimeError, match="start"):
        _ = SandboxEc2().url


def test_a_fleet_is_created_in_a_fifth_of_a_second(stage: Stage) -> None:
    """Not the first, which loads what moto has not needed so far; a busy computer gets some more tries."""
    request = stage.fleet_request(stage.template())

    def took() -> float:
        begun = time.perf_counter()
        stage.ec2.create_fleet(**request)
        return time.perf_counter() - begun

    assert any(took() < 0.2 for _ in range(20))


# --- scripts over HTTP ---------------------------------------------------------------------------------------------


def test_scripts_run_over_http(stage: Stage) -> None:
    """Another process sets capacity, powers machines off, writes the console and looks at the world."""
    world = stage.world
    post(world, "capacity", type="g5.xlarge", zone="*", market="spot", left=1)
    answer = stage.ec2.create_fleet(**stage.fleet_request(stage.template(), count=2))
    assert len(answer["Errors"]) == 2
    (instance_id,) = answer["Instances"][0]["InstanceIds"]
    post(world, "console", instance_id=instance_id, text="hello\n")
    assert stage.ec2.get_console_output(InstanceId=instance_id)["Output"] == "hello\n"
    assert get(world, f"instances/{instance_id}")["state"] == "running"
    post(world, "interrupt", instance_id=instance_id, notice=0)
    assert [m["reason"] for m in get(world, "instances")] == ["Server.SpotInstanceTermination"]
    assert "CreateFleet" in [call["action"] for call in get(world, "calls")]


def test_a_call_is_held_over_http(stage: Stage) -> None:
    """A CLI can be killed at an exact point by a test that is not Python."""
    number = post(stage.world, "hold", action="DescribeSubnets", when="before")
    waiting = subprocess.Popen(
        [sys.executable, "-c", 'import boto3; boto3.client("ec2").describe_subnets()'],
        env={**os.environ, **stage.world.environment()},
    )
    deadline = time.monotonic() + 30
    while not get(stage.world, f"holds/{number}")["reached"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert waiting.poll() is None
    post(stage.world, "release", hold=number)
    assert waiting.wait(30) == 0


@pytest.mark.parametrize(
    ("script", "arguments", "status"),
    [
        ("nonsense", {}, 404),
        ("capacity", {"typo": 1}, 400),
        ("capacity", {"type": "*", "zone": "*", "market": "ondemand", "left": 0}, 400),
        ("capacity", {"type": "*", "zone": "*", "market": "spot", "left": -1}, 400),
        ("quota", {"market": "spot", "family": "g5", "vcpus": 8}, 400),
        ("delay", {"action": "*", "seconds": -1}, 400),
        ("hold", {"action": "*", "when": "during"}, 400),
        ("refuse", {"code": "Unavailable", "status": 999}, 400),
        ("power_off", {"instance_id": "i-none"}, 400),
    ],
)
def test_a_wrong_script_is_told(stage: Stage, script: str, arguments: dict[str, object], status: int) -> None:
    """With a status and a sentence: one that matched nothing would let its test pass."""
    with pytest.raises(HTTPError) as caught:
        post(stage.world, script, **arguments)
    with caught.value as answer:
        assert answer.status == status
        assert json.load(answer)["error"]
