"""AWS Batch: queues, jobs, logs, and the profile of Batch's machines.

Resources and conditions after AWS's service authorization reference for Batch, IAM and CloudWatch Logs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runnerkit.permissions.conditions import EVERYTHING, allow, in_regions, ours, ours_or_nobodys, ours_to_be
from runnerkit.permissions.runners import ec2_read, tagging

if TYPE_CHECKING:
    from runnerkit.permissions.words import Place, Statement

POLICY = "policy/service-role/AmazonEC2ContainerServiceforEC2Role"
# Names as runnerkit.batch makes them: strange characters replaced, a digest of ten digits for what is too much.
_STRANGE = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST, _BEFORE_DIGEST, _LONGEST_REGION = 64, 53, "ap-southeast-1"
READS = "ec2:DescribeInstanceTypeOfferings DescribeSecurityGroups DescribeSubnets"
# Batch hands an instance profile's role to EC2 and a job's role to ECS; its own pages name no service for each call.
SERVICES = ("batch.amazonaws.com", "ec2.amazonaws.com", "ecs-tasks.amazonaws.com")


def batch(place: Place) -> tuple[Statement, ...]:
    """What ``runnerkit batch`` needs; names begin with ``rk-`` where runnerkit makes the thing."""
    return (*_service(place), *_network(place), *_logs(place), *_roles(place))


def _service(place: Place) -> tuple[Statement, ...]:
    everything, definitions = (place.arn("batch", "*/*"),), (place.arn("batch", "job-definition/*"),)
    jobs = (place.arn("batch", "job-queue/*"), place.arn("batch", "job/*"))
    return (
        allow(
            "BatchRead",
            "batch:DescribeComputeEnvironments DescribeJobDefinitions DescribeJobQueues DescribeJobs ListJobs",
            EVERYTHING,
            "to see queues and jobs",
            in_regions(place),
        ),
        allow(
            "BatchMakeOurs",
            "batch:CreateComputeEnvironment CreateJobQueue RegisterJobDefinition",
            everything,
            "to make queues and definitions that carry our tag",
            ours_to_be(place),
        ),
        allow("BatchSubmit", "batch:SubmitJob", jobs, "to submit jobs that carry our tag", ours_to_be(place)),
        allow(
            "BatchSubmitOurs",
            "batch:SubmitJob",
            definitions,
            "to submit what we defined: another's definition runs with another's role",
            ours(place),
        ),
        allow("BatchTagOurs", "batch:TagResource", everything, "to tag what is made", ours_or_nobodys(place)),
        allow(
            "BatchChange",
            "batch:CancelJob DeleteComputeEnvironment DeleteJobQueue DeregisterJobDefinition TerminateJob"
            " UpdateComputeEnvironment UpdateJobQueue",
            everything,
            "to end jobs and to remove what was made",
            ours(place),
        ),
    )


def _network(place: Place) -> tuple[Statement, ...]:
    group, vpc = place.arn("ec2", "security-group/*"), place.arn("ec2", "vpc/*")
    return (
        ec2_read(place, READS),
        allow("BatchGroup", "ec2:CreateSecurityGroup", (group,), "a group that lets nothing in", ours_to_be(place)),
        allow("Ec2GroupIn", "ec2:CreateSecurityGroup", (vpc,), "the network of that group", in_regions(place)),
        tagging(place, "BatchGroupTag", ("CreateSecurityGroup",)),
    )


def _logs(place: Place) -> tuple[Statement, ...]:
    group = place.arn("logs", "log-group:/aws/batch/job")
    # A stream is called after the job's definition, and that after its owner.
    streams = f"{group}:log-stream:rk-{_spelt(place.owner)}-*"
    return (
        allow("BatchLogGroup", "logs:CreateLogGroup", (group, f"{group}:*"), "to have the log group of jobs"),
        allow("BatchLogs", "logs:GetLogEvents", (streams,), "to follow the log of a job of ours"),
    )


def _roles(place: Place) -> tuple[Statement, ...]:
    name = _name(place)
    role = place.arn("iam", f"role/{name}", region="")
    profile = place.arn("iam", f"instance-profile/{name}", region="")
    attached = {"ArnEquals": {"iam:PolicyARN": (f"arn:{place.partition}:iam::aws:{POLICY}",)}}
    passed = {"StringEqualsIfExists": {"iam:PassedToService": SERVICES}}
    return (
        allow(
            "BatchRole",
            "iam:CreateRole DeleteRole GetRole TagRole",
            (role,),
            "the role of Batch's machines, where none is named",
        ),
        allow(
            "BatchRolePolicy",
            "iam:AttachRolePolicy DetachRolePolicy",
            (role,),
            "AWS's own policy for it, and no other",
            attached,
        ),
        allow(
            "BatchProfile",
            "iam:AddRoleToInstanceProfile CreateInstanceProfile DeleteInstanceProfile RemoveRoleFromInstanceProfile"
            " TagInstanceProfile",
            (profile,),
            "the instance profile of that role",
        ),
        allow(
            "ProfilesSeen",
            "iam:GetInstanceProfile",
            (place.arn("iam", "instance-profile/*", region=""),),
            "to see the profile that is named, or ours",
        ),
        allow("BatchPass", "iam:PassRole", (role, *place.job_roles), "to give machines and jobs their roles", passed),
    )


def _name(place: Place) -> str:
    """The name of the role and of the profile of Batch's machines; a region ends it, in the shape of all regions."""
    start, region = f"rk-batch-{_spelt(place.owner)}-", place.regions[0] if len(place.regions) == 1 else ""
    whole = len(start) + len(region or _LONGEST_REGION) <= _LONGEST
    return start + (region or "??-*-?") if whole else f"{start[:_BEFORE_DIGEST]}*"


def _spelt(owner: str) -> str:
    return _STRANGE.sub("-", owner).strip("-")
