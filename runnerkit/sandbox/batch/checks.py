"""What Batch refuses although its description allows it, and what makes a compute environment INVALID afterwards.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/ and the user guide's pages on job definitions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runnerkit.sandbox.batch.wire import refused

if TYPE_CHECKING:
    from runnerkit.sandbox.batch.records import Compute
    from runnerkit.sandbox.batch.world import BatchWorld, Region
    from runnerkit.sandbox.ec2.model import Params

CHOICES = {
    "optimal": ("m6i", "c6i", "r6i", "c7i"),
    "default_x86_64": ("m6i", "c6i", "r6i", "c7i"),
    "default_arm64": ("m6g", "c6g", "r6g", "c7g"),
}
NO_AL2023_GPU = ("p3", "p3dn", "g3", "g3s")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
MOST_RULES, MOST_ATTEMPTS, SHORTEST = 5, 10, 60


def name(text: str) -> None:
    """Names have up to 128 letters, digits, dashes and underscores."""
    if not _NAME.fullmatch(text):
        raise refused(f"Error executing request, Exception : {text!r} is not a valid name")


def compute(world: BatchWorld, region: Region, params: Params) -> None:
    """A managed compute environment on EC2; others are not emulated."""
    resources = params.get("computeResources", {})
    kind, strategy = resources.get("type"), resources.get("allocationStrategy", "BEST_FIT")
    if params["type"] != "MANAGED" or kind not in {"EC2", "SPOT"}:
        raise refused("The sandbox has managed compute environments of type EC2 and SPOT only")
    for key in ("instanceTypes", "subnets", "instanceRole", "securityGroupIds"):
        if not resources.get(key):
            raise refused(f"Error executing request, Exception : {key} is required")
    if kind != "SPOT" and strategy.startswith("SPOT_"):
        raise refused(f"allocationStrategy {strategy} is not valid for compute environments of type {kind}")
    if kind == "SPOT" and strategy == "BEST_FIT" and not resources.get("spotIamFleetRole"):
        raise refused("spotIamFleetRole is required for BEST_FIT on SPOT")
    if resources.get("minvCpus", 0) > resources["maxvCpus"]:
        raise refused("minvCpus must not be greater than maxvCpus")
    for image in resources.get("ec2Configuration", ()):
        if "AL2023" not in image["imageType"] and not image.get("imageIdOverride"):
            raise refused(f"imageType {image['imageType']} is not supported any more")
    if not types(world, region, resources["instanceTypes"]):
        raise refused(f"Instance types {resources['instanceTypes']} are not supported in {region.name}")


def trouble(world: BatchWorld, region: Region, made: Compute) -> str:
    """Why a compute environment turns out to be INVALID; empty when it is fine."""
    resources, ec2 = made.resources, world.core.region(region.name)
    known = {subnet.id for subnet in ec2.subnets()}
    for subnet in resources["subnets"]:
        if subnet not in known:
            return f"CLIENT_ERROR - The subnet ID '{subnet}' does not exist (Service: AutoScaling)"
    for group in resources["securityGroupIds"]:
        if ec2.group(group) is None:
            return f"CLIENT_ERROR - The security group '{group}' does not exist (Service: AmazonEC2)"
    role = resources["instanceRole"]
    if ec2.beside.profile({"Arn": role} if role.startswith("arn:") else {"Name": role}) is None:
        return f"CLIENT_ERROR - Invalid IamInstanceProfile: {role} (Service: AutoScaling)"
    return ""


def types(world: BatchWorld, region: Region, words: list[str]) -> list[str]:
    """The instance types that names, families and Batch's own words mean there."""
    offered = {type_ for type_, _ in world.core.region(region.name).offerings}
    families = {family for word in words for family in CHOICES.get(word, (word,))}
    return sorted(type_ for type_ in offered if type_ in families or type_.partition(".")[0] in families)


def definition(params: Params) -> None:
    """A container on EC2; others are not emulated."""
    container = params.get("containerProperties")
    if params["type"] != "container" or container is None:
        raise refused("The sandbox has job definitions of type container only")
    if not container.get("image"):
        raise refused("Container properties image must not be empty")
    wanted = {each["type"]: each["value"] for each in container.get("resourceRequirements", ())}
    if not (wanted.get("VCPU") or container.get("vcpus")) or not (wanted.get("MEMORY") or container.get("memory")):
        raise refused("Container properties should contain VCPU and MEMORY resourceRequirements")
    if container.get("secrets") and not container.get("executionRoleArn"):
        raise refused("executionRoleArn is required when secrets are specified")
    environment(container.get("environment", ()))
    retry(params.get("retryStrategy", {}))
    timeout(params.get("timeout", {}))


def environment(given: list[Params]) -> None:
    """Variables that Batch sets itself cannot be given."""
    for each in given:
        if str(each.get("name", "")).startswith("AWS_BATCH"):
            raise refused(f"Environment variable {each['name']} cannot start with AWS_BATCH")


def retry(strategy: Params) -> None:
    """One to ten attempts, up to five rules, and no rules without attempts."""
    if not strategy:
        return
    if not 1 <= strategy.get("attempts", 0) <= MOST_ATTEMPTS:
        raise refused("Job retry attempts must be between 1 and 10")
    if len(strategy.get("evaluateOnExit", ())) > MOST_RULES:
        raise refused("evaluateOnExit must have at most 5 entries")


def timeout(given: Params) -> None:
    """At least a minute."""
    if given and given.get("attemptDurationSeconds", 0) < SHORTEST:
        raise refused("Job timeout attemptDurationSeconds must be at least 60")
