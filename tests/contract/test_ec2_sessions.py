"""What the EC2 adapter learns about sessions: the instance's profile, and what Systems Manager hears of its agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest

from runnerkit.connecting import Access
from runnerkit.ec2 import Ec2Sessions
from runnerkit.errors import CloudUnavailable
from runnerkit.settings import AwsSettings
from runnerkit.wishes import GpuWish, RunnerSpec
from tests.contract.ec2_world import REGION, World, ec2_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

T4 = RunnerSpec(gpu=(GpuWish(model="t4"),), type=("g4dn.xlarge",))
UNKNOWN = "i-0123456789abcdef0"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """A local EC2 with a baked image."""
    with ec2_world(monkeypatch, tmp_path / "cache") as made:
        yield made


@pytest.fixture
def sessions() -> Ec2Sessions:
    """The adapter."""
    return Ec2Sessions(AwsSettings())


def test_a_machine_without_profile_and_agent_has_neither(world: World, sessions: Ec2Sessions) -> None:
    """The plain machine of a launch."""
    launched = world.launch(world.cloud())
    assert Access("", "") == sessions.access(REGION, launched.instance_id)


def test_profile_and_agent_are_told(world: World, sessions: Ec2Sessions) -> None:
    """The profile by its ARN, the agent in AWS's own word, and never that of another machine."""
    boto3.client("iam", region_name=REGION).create_instance_profile(InstanceProfileName="train")
    cloud = world.cloud()
    launched = world.launch(cloud, T4.model_copy(update={"profile": "train"}))
    other = world.launch(cloud, name="rk-78-1")
    world.ec2.agent(launched.instance_id)
    found = sessions.access(REGION, launched.instance_id)
    assert found.profile.endswith(":instance-profile/train")
    assert found.agent == "Online"
    assert Access("", "") == sessions.access(REGION, other.instance_id)
    world.ec2.agent(launched.instance_id, "ConnectionLost")
    assert sessions.access(REGION, launched.instance_id).agent == "ConnectionLost"


def test_a_missing_permission_is_told_and_not_raised(world: World, sessions: Ec2Sessions) -> None:
    """Who may not ask about agents may still open sessions."""
    launched = world.launch(world.cloud())
    world.ec2.agent(launched.instance_id)
    world.ec2.refuse("AccessDeniedException", "DescribeInstanceInformation")
    found = sessions.access(REGION, launched.instance_id)
    assert found.agent == ""
    assert "ssm:DescribeInstanceInformation" in found.unknown


def test_what_aws_fails_at_is_an_error_of_ours(world: World, sessions: Ec2Sessions) -> None:
    """No exception of boto3's gets through."""
    launched = world.launch(world.cloud())
    world.ec2.refuse("InternalServerError", "DescribeInstanceInformation", times=None, status=500)
    with pytest.raises(CloudUnavailable, match=launched.instance_id):
        sessions.access(REGION, launched.instance_id)
