"""The EC2 adapter keeps the Cloud contract, over real boto3 and the local EC2."""

# ruff: noqa: D102 - what a bench does is told by its Protocol in runnerkit.testing.contracts

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest

from runnerkit import tags as words
from runnerkit.ec2 import Ec2Cloud
from runnerkit.settings import AwsSettings
from runnerkit.testing.contracts import CloudContract
from tests.contract.ec2_world import WorldTime, _shared_loader

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime
    from pathlib import Path

    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import TagTypeDef

    from runnerkit.model import Offering
    from runnerkit.sandbox.ec2 import SandboxEc2

LONG_AGO = 11 * 60
RECIPE = {words.RECIPE: "0123456789ab", words.RUNNER_VERSION: "2.336.0"}


class Ec2Bench:
    """A local EC2 with a baked image for each architecture, and an adapter that talks to it."""

    owner = "lab-7"

    def __init__(self, ec2: SandboxEc2, cache_dir: Path) -> None:
        self._ec2 = ec2
        self._clock = WorldTime(ec2)
        self._image_id = ec2.bake("ml-x64", RECIPE, gigabytes=40)
        ec2.bake("ml-arm64", RECIPE, arch="arm64", gigabytes=40)
        self._refused: list[Offering] = []
        boto3.client("iam", region_name=ec2.region).create_instance_profile(InstanceProfileName="runners")
        self.cloud = Ec2Cloud(AwsSettings(owner=self.owner), clock=self._clock, cache_dir=cache_dir)

    def now(self) -> datetime:
        return self._clock.now()

    def advance(self, seconds: float) -> None:
        self._clock.wait(seconds)

    def settle(self) -> None:
        self._clock.wait(60)

    def live(self) -> Collection[str]:
        return [machine.id for machine in self._ec2.instances("pending", "running", "stopping", "stopped")]

    def remains(self) -> Collection[str]:
        client = self._client()
        templates = client.describe_launch_templates()["LaunchTemplates"]
        volumes = client.describe_volumes(Filters=[{"Name": "status", "Values": ["available"]}])["Volumes"]
        return [t["LaunchTemplateName"] for t in templates] + [v["VolumeId"] for v in volumes]

    def user_data(self, instance_id: str) -> bytes:
        return self._ec2.instance(instance_id).user_data

    def tags(self, instance_id: str) -> Mapping[str, str]:
        # EC2 adds tags of its own.
        return {key: v for key, v in self._ec2.instance(instance_id).tags.items() if not key.startswith("aws:")}

    def documents(self) -> Mapping[str, str]:
        ssm = boto3.client("ssm", region_name=self._ec2.region)
        found = ssm.get_parameters_by_path(Path="/runnerkit", WithDecryption=True)["Parameters"]
        return {parameter["Name"].rpartition("/")[2]: parameter["Value"] for parameter in found}

    def refuse(self, offering: Offering, code: str) -> None:
        self._refused.append(offering)
        self._ec2.capacity(offering.type.name, offering.zone, offering.market, 0, code=code)

    def limit(self, offering: Offering, left: int) -> None:
        self._refused.append(offering)
        self._ec2.capacity(offering.type.name, offering.zone, offering.market, left, code="UnfulfillableCapacity")

    def accept(self) -> None:
        for offering in self._refused:
            self._ec2.capacity(offering.type.name, offering.zone, offering.market, None)

    def lose_launch_answers(self) -> None:
        self._ec2.lose_answer("CreateFleet", times=None)

    def foreign(self, tags: Mapping[str, str]) -> str:
        marks: list[TagTypeDef] = [{"Key": key, "Value": value} for key, value in tags.items()]
        made = self._client().run_instances(
            ImageId=self._image_id,
            InstanceType="t3.micro",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": marks}],
        )
        return made["Instances"][0]["InstanceId"]

    def power_off(self, instance_id: str) -> None:
        self._ec2.power_off(instance_id)

    def interrupt(self, instance_id: str) -> None:
        self._ec2.interrupt(instance_id, notice=1)
        self._clock.wait(5)

    def write_console(self, instance_id: str, text: str) -> None:
        self._ec2.console(instance_id, text)

    def leave_behind(self) -> None:
        self._client().create_launch_template(
            LaunchTemplateName="rk-9-1",
            LaunchTemplateData={"InstanceType": "t3.nano"},
            TagSpecifications=[
                {"ResourceType": "launch-template", "Tags": [{"Key": words.OWNER, "Value": self.owner}]}
            ],
        )
        self._clock.wait(LONG_AGO)

    def _client(self) -> EC2Client:
        return boto3.client("ec2", region_name=self._ec2.region)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What AWS told in earlier tests."""
    return tmp_path_factory.mktemp("catalogue")


class TestEc2Cloud(CloudContract):
    @pytest.fixture
    def bench(self, ec2: SandboxEc2, catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> Ec2Bench:
        # Types, zones and prices are the same in every fresh world and slow to read; subnets and images are new.
        for kept in catalogue.iterdir():
            if not kept.name.startswith(("types", "zones", "spot")):
                kept.unlink()
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        # botocore parses its model of EC2 for every session, a third of a second each time; once is enough here.
        monkeypatch.setattr("botocore.session.create_loader", _shared_loader)
        return Ec2Bench(ec2, catalogue)
