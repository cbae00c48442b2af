"""A world furnished for launches: boto3 clients, a subnet per zone, a security group and a baked image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.sandbox.ec2.world import SandboxEc2

Client = Any
"""A boto3 client; its methods are made at run time."""
Json = Any
"""A value of an API's arguments."""
TYPE = "g5.xlarge"


@dataclass(frozen=True, slots=True)
class Stage:
    """What a launch needs, and short ways to launch and look. ``subnets`` are ids by zone.

    Make one with ``Stage.of(world)``; after ``world.reset()`` it is void.
    """

    world: SandboxEc2
    ec2: Client
    subnets: dict[str, str]
    group: str
    image: str

    @classmethod
    def of(cls, world: SandboxEc2) -> Stage:
        """Furnish a world: the default subnets, a new security group, a new image; the record of calls is cleared."""
        ec2 = connect(world, "ec2")
        subnets = ec2.describe_subnets()["Subnets"]
        group = ec2.create_security_group(GroupName="runners", Description="runners", VpcId=subnets[0]["VpcId"])
        by_zone = {subnet["AvailabilityZone"]: subnet["SubnetId"] for subnet in subnets}
        image = world.bake("runner-image")
        world.calls.clear()
        return cls(world, ec2, dict(sorted(by_zone.items())), group["GroupId"], image)

    def connect(self, service: str) -> Client:
        """A boto3 client of another service."""
        return connect(self.world, service)

    def template(self, name: str = "runner", **data: Json) -> str:
        """Create a launch template for g5.xlarge with the stage's image and group; returns its id."""
        full = {"ImageId": self.image, "InstanceType": TYPE, "SecurityGroupIds": [self.group], **data}
        made = self.ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=full)
        return str(made["LaunchTemplate"]["LaunchTemplateId"])

    def fleet_request(
        self,
        template: str,
        overrides: Sequence[Json] | None = None,
        *,
        market: str = "spot",
        count: int = 1,
        **more: Json,
    ) -> dict[str, Json]:
        """The arguments of a CreateFleet call; by default one g5.xlarge on the spot market in either of two zones."""
        two = [{"InstanceType": TYPE, "SubnetId": subnet} for subnet in list(self.subnets.values())[:2]]
        specification = {"LaunchTemplateId": template, "Version": "$Latest"}
        config = {"LaunchTemplateSpecification": specification, "Overrides": two if overrides is None else overrides}
        target = {"TotalTargetCapacity": count, "DefaultTargetCapacityType": market}
        return {"Type": "instant", "LaunchTemplateConfigs": [config], "TargetCapacitySpecification": target, **more}

    def run(self, *, spot: bool = True, **more: Json) -> str:
        """Start one machine in the first zone with RunInstances; returns its id."""
        return str(self.ec2.run_instances(**self.run_request(spot=spot, **more))["Instances"][0]["InstanceId"])

    def run_request(self, *, spot: bool = True, **more: Json) -> dict[str, Json]:
        """The arguments of a RunInstances call."""
        market = {"InstanceMarketOptions": {"MarketType": "spot"}} if spot else {}
        place = {"ImageId": self.image, "InstanceType": TYPE, "SubnetId": next(iter(self.subnets.values()))}
        return {"MinCount": 1, "MaxCount": 1, **place, **market, **more}

    def describe(self, instance_id: str) -> dict[str, Json]:
        """What DescribeInstances says of one id."""
        found = self.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
        return dict(found[0]["Instances"][0])

    def listed(self, **filters: Sequence[str]) -> list[str]:
        """The ids that DescribeInstances lists; write ``_`` for the ``-`` of a filter's name and ``__`` for ``:``."""
        asked = [{"Name": k.replace("__", ":").replace("_", "-"), "Values": list(v)} for k, v in filters.items()]
        pages = self.ec2.get_paginator("describe_instances").paginate(Filters=asked)
        return [i["InstanceId"] for page in pages for r in page["Reservations"] for i in r["Instances"]]


def connect(world: SandboxEc2, service: str, *, attempts: int = 1, region: str = "", key: str = "AKIATEST") -> Client:
    """A boto3 client of a world. By default it makes one attempt, so that every refusal is seen."""
    import boto3
    from botocore.config import Config

    make: Any = boto3.client
    retries: Any = {"total_max_attempts": attempts, "mode": "standard"}
    return make(
        service,
        endpoint_url=world.url,
        region_name=region or world.region,
        aws_access_key_id=key,
        aws_secret_access_key="sandbox",  # noqa: S106 - nobody checks it
        config=Config(retries=retries, connect_timeout=5, read_timeout=30),
    )
