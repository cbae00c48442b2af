"""From Batch's answers to plain values. Pure: what is missing in an answer is nothing.

Reasons hold words of the command and its image: they are kept to one line without control characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runnerkit.batch.states import Attempt, Compute, Definition, Job, JobState, Queue
from runnerkit.consoles import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    Answer = Mapping[str, Any]


def job(told: Answer) -> Job:
    """One entry of DescribeJobs."""
    container = told.get("container") or {}
    return Job(
        id=told["jobId"],
        name=told.get("jobName", ""),
        state=JobState(told["status"]),
        reason=_words(told.get("statusReason")),
        exit_code=container.get("exitCode"),
        container_reason=_words(container.get("reason")),
        log_stream=container.get("logStreamName") or "",
        attempts=tuple(_attempt(each) for each in told.get("attempts") or ()),
        queue=told.get("jobQueue", ""),
        definition=told.get("jobDefinition", ""),
        vcpus=_vcpus(container),
        created_at=_seconds(told.get("createdAt")),
        started_at=_seconds(told.get("startedAt")),
        stopped_at=_seconds(told.get("stoppedAt")),
        tags=dict(told.get("tags") or {}),
    )


def _attempt(told: Answer) -> Attempt:
    container = told.get("container") or {}
    return Attempt(
        exit_code=container.get("exitCode"),
        reason=_words(told.get("statusReason")),
        container_reason=_words(container.get("reason")),
        log_stream=container.get("logStreamName") or "",
    )


def _words(text: str | None) -> str:
    return " ".join(shown(text or "").split())


def _vcpus(container: Answer) -> float:
    wanted = {each.get("type"): each.get("value") for each in container.get("resourceRequirements") or ()}
    return float(wanted.get("VCPU") or container.get("vcpus") or 0)


def _seconds(milliseconds: float | None) -> float | None:
    return milliseconds / 1000 if milliseconds else None


def compute(told: Answer) -> Compute:
    """One entry of DescribeComputeEnvironments."""
    resources = told.get("computeResources") or {}
    return Compute(
        name=told["computeEnvironmentName"],
        arn=told["computeEnvironmentArn"],
        state=told.get("state", ""),
        status=told.get("status", ""),
        reason=_words(told.get("statusReason")),
        max_vcpus=resources.get("maxvCpus") or 0,
        desired_vcpus=resources.get("desiredvCpus") or 0,
        spot="SPOT" in str(resources.get("type", "")),
        types=tuple(resources.get("instanceTypes") or ()),
        tags=dict(told.get("tags") or {}),
    )


def queue(told: Answer) -> Queue:
    """One entry of DescribeJobQueues."""
    order = sorted(told.get("computeEnvironmentOrder") or (), key=lambda each: each["order"])
    return Queue(
        name=told["jobQueueName"],
        arn=told["jobQueueArn"],
        state=told.get("state", ""),
        status=told.get("status", ""),
        reason=_words(told.get("statusReason")),
        computes=tuple(each["computeEnvironment"] for each in order),
        tags=dict(told.get("tags") or {}),
    )


def definition(told: Answer) -> Definition:
    """One entry of DescribeJobDefinitions, or the answer to RegisterJobDefinition."""
    return Definition(
        told["jobDefinitionName"], told["jobDefinitionArn"], told["revision"], dict(told.get("tags") or {})
    )
