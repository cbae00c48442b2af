"""The requests to AWS for a wish: pure, and the same for the same wish, names included."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from runnerkit.batch.states import ENABLED, HOST_LOST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.batch.ports import Request, Surroundings
    from runnerkit.batch.wish import Container, Machines

LOG_GROUP = "/aws/batch/job"
NAME_LIMIT = 128
_STRANGE = re.compile(r"[^A-Za-z0-9_-]+")
_DIGITS = 10
GPU_IMAGE, PLAIN_IMAGE = "ECS_AL2023_NVIDIA", "ECS_AL2023"
# Batch's own choice of x86 families. https://docs.aws.amazon.com/batch/latest/APIReference/API_ComputeResource.html
ANY_TYPES = ("default_x86_64",)


def digest(content: object) -> str:
    """Ten hexadecimal digits that stand for something made of JSON's types."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def named(*parts: str, limit: int = NAME_LIMIT) -> str:
    """A name that AWS takes: parts joined, strange characters replaced, a digest for what is too much."""
    text = "-".join(_STRANGE.sub("-", part).strip("-") for part in parts if part)
    return text if len(text) <= limit else f"{text[: limit - _DIGITS - 1]}-{digest(text)}"


def compute_name(owner: str, machines: Machines, placed: Sequence[str] = ()) -> str:
    """The name of the compute environment, and of its queue, for this wish.

    Args:
        owner: Whose they are.
        machines: The wish.
        placed: Configured subnets and security groups, which are part of the wish.
    """
    market = "spot" if machines.spot else "on-demand"
    said = [machines.gpu, *sorted(machines.types), "|", market, machines.max_vcpus, machines.profile, *placed]
    kind = machines.gpu or "-".join(sorted(machines.types)[:2]) or "cpu"
    return named("rk", owner, kind, market, digest(said))


def compute(
    name: str, machines: Machines, where: Surroundings, tags: Mapping[str, str], *, gpu: bool = False
) -> Request:
    """CreateComputeEnvironment: managed, nothing kept running, and nothing that lets anybody in."""
    spot = machines.spot
    return {
        "computeEnvironmentName": name,
        "type": "MANAGED",
        "state": ENABLED,
        "computeResources": {
            "type": "SPOT" if spot else "EC2",
            "allocationStrategy": "SPOT_PRICE_CAPACITY_OPTIMIZED" if spot else "BEST_FIT_PROGRESSIVE",
            "minvCpus": 0,
            "maxvCpus": machines.max_vcpus,
            "instanceTypes": list(where.types or ANY_TYPES),
            "subnets": list(where.subnets),
            "securityGroupIds": list(where.groups),
            "instanceRole": where.profile,
            "ec2Configuration": [{"imageType": GPU_IMAGE if gpu else PLAIN_IMAGE}],
            "tags": {**tags, "Name": name},
        },
        "tags": dict(tags),
    }


def queue(name: str, compute_arn: str, tags: Mapping[str, str]) -> Request:
    """CreateJobQueue with one compute environment."""
    order = [{"order": 1, "computeEnvironment": compute_arn}]
    request = {"jobQueueName": name, "state": ENABLED, "priority": 1}
    return {**request, "computeEnvironmentOrder": order, "tags": dict(tags)}


def definition(owner: str, container: Container, region: str, tags: Mapping[str, str]) -> Request:
    """RegisterJobDefinition; the name carries the digest of everything in it."""
    content = {
        "type": "container",
        "platformCapabilities": ["EC2"],
        "containerProperties": _properties(container, region),
        "retryStrategy": retry(container.retries),
        "timeout": {"attemptDurationSeconds": container.timeout},
        "propagateTags": True,
    }
    return {"jobDefinitionName": named("rk", owner, digest(content)), **content, "tags": dict(tags)}


def _properties(container: Container, region: str) -> dict[str, Any]:
    sizes = {"VCPU": container.vcpus, "MEMORY": container.memory, "GPU": container.gpus}
    found: dict[str, Any] = {
        "image": container.image,
        "resourceRequirements": [{"type": kind, "value": str(value)} for kind, value in sizes.items() if value],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {"awslogs-group": LOG_GROUP, "awslogs-region": region},
        },
    }
    if container.secrets:
        found["secrets"] = [{"name": name, "valueFrom": source} for name, source in container.secrets]
    if container.registry_secret:
        found["repositoryCredentials"] = {"credentialsParameter": container.registry_secret}
    roles = {"jobRoleArn": container.job_role, "executionRoleArn": container.execution_role}
    return found | {key: arn for key, arn in roles.items() if arn}


def retry(retries: int) -> dict[str, Any]:
    """Again when the machine was lost, never when the command failed.

    What no rule matches is repeated, hence the last rule.
    https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
    """
    if not retries:
        return {"attempts": 1}
    rules = [{"onStatusReason": f"{HOST_LOST}*", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}]
    return {"attempts": retries + 1, "evaluateOnExit": rules}


def job_name(stem: str, command: Sequence[str], environment: Mapping[str, str], definition_name: str) -> str:
    """The same for the same command in the same run; another for anything else."""
    return named(stem, digest([list(command), dict(environment), definition_name]))


def job(
    name: str,
    queue_arn: str,
    definition_arn: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    tags: Mapping[str, str],
) -> Request:
    """SubmitJob."""
    overrides = {
        "command": list(command),
        "environment": [{"name": key, "value": value} for key, value in sorted(environment.items())],
    }
    request = {"jobName": name, "jobQueue": queue_arn, "jobDefinition": definition_arn}
    return {**request, "containerOverrides": overrides, "propagateTags": True, "tags": dict(tags)}
