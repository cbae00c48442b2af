"""The requests of dry runs: the real calls with our tag, about things that nobody has. Pure.

EC2 says whether the call would be allowed and does nothing. What has no dry run (S3, IAM, Parameter Store) is left to
IAM's simulation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runnerkit import tags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NOBODY = "i-00000000000000000"
# A policy that asks for our tag on these denies what does not exist: their denial says nothing.
ABOUT_NOBODY = frozenset(
    f"ec2:{name}"
    for name in (
        "CreateFleet", "CreateTags", "DeleteLaunchTemplate", "DeleteVolume", "GetConsoleOutput", "TerminateInstances"
    )
)  # fmt: skip


def _mark(ground: dict[str, str], *kinds: str) -> dict[str, Any]:
    marks = [{"Key": tags.OWNER, "Value": ground["owner"]}]
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": marks} for kind in kinds]}


def _template(ground: dict[str, str]) -> dict[str, Any]:
    return {
        "LaunchTemplateName": "runnerkit-doctor",
        "LaunchTemplateData": {"ImageId": ground["image"]} if ground["image"] else {"EbsOptimized": True},
        **_mark(ground, "launch-template"),
    }


def _instance(ground: dict[str, str]) -> dict[str, Any]:
    request = {"MinCount": 1, "MaxCount": 1, "ImageId": ground["image"] or "ami-00000000000000000"}
    placed = {"SubnetId": ground["subnet"]} if ground["subnet"] else {}
    return {**request, **placed, "InstanceType": "t3.micro", **_mark(ground, "instance", "volume")}


def _group(ground: dict[str, str]) -> dict[str, Any]:
    about = {"GroupName": "runnerkit-doctor", "Description": "asked for by runnerkit doctor, never made"}
    return {**about, **({"VpcId": ground["vpc"]} if ground["vpc"] else {}), **_mark(ground, "security-group")}


def _fleet(ground: dict[str, str]) -> dict[str, Any]:
    launch = {"LaunchTemplateSpecification": {"LaunchTemplateName": "runnerkit-doctor", "Version": "1"}}
    capacity = {"TotalTargetCapacity": 1, "DefaultTargetCapacityType": "spot"}
    return {
        "Type": "instant",
        "LaunchTemplateConfigs": [launch],
        "TargetCapacitySpecification": capacity,
        **_mark(ground, "instance", "volume", "fleet"),
    }


def _nothing(_ground: dict[str, str]) -> dict[str, Any]:
    return {}


_READS = {
    "ec2:DescribeImages": "describe_images",
    "ec2:DescribeInstances": "describe_instances",
    "ec2:DescribeInstanceTypes": "describe_instance_types",
    "ec2:DescribeInstanceTypeOfferings": "describe_instance_type_offerings",
    "ec2:DescribeLaunchTemplates": "describe_launch_templates",
    "ec2:DescribeRegions": "describe_regions",
    "ec2:DescribeRouteTables": "describe_route_tables",
    "ec2:DescribeSecurityGroups": "describe_security_groups",
    "ec2:DescribeSpotPriceHistory": "describe_spot_price_history",
    "ec2:DescribeSubnets": "describe_subnets",
    "ec2:DescribeVolumes": "describe_volumes",
}
DRY_RUNS: Mapping[str, tuple[str, Callable[[dict[str, str]], dict[str, Any]]]] = {
    **{action: (method, _nothing) for action, method in _READS.items()},
    "ec2:CreateFleet": ("create_fleet", _fleet),
    "ec2:CreateLaunchTemplate": ("create_launch_template", _template),
    "ec2:CreateSecurityGroup": ("create_security_group", _group),
    "ec2:CreateTags": (
        "create_tags",
        lambda ground: {"Resources": [NOBODY], "Tags": [{"Key": tags.OWNER, "Value": ground["owner"]}]},
    ),
    "ec2:DeleteLaunchTemplate": ("delete_launch_template", lambda _: {"LaunchTemplateName": "runnerkit-doctor"}),
    "ec2:DeleteVolume": ("delete_volume", lambda _: {"VolumeId": "vol-00000000000000000"}),
    "ec2:GetConsoleOutput": ("get_console_output", lambda _: {"InstanceId": NOBODY}),
    "ec2:RunInstances": ("run_instances", _instance),
    "ec2:TerminateInstances": ("terminate_instances", lambda _: {"InstanceIds": [NOBODY]}),
}
