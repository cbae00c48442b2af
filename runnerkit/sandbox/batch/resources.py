"""Compute environments, queues and definitions: made, changed and deleted in the order that AWS demands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from runnerkit.sandbox.batch import checks
from runnerkit.sandbox.batch.records import Compute, Definition, Queue
from runnerkit.sandbox.batch.wire import refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runnerkit.sandbox.batch.world import BatchWorld, Region
    from runnerkit.sandbox.ec2.model import Params

PAGE = 100
_Named = TypeVar("_Named", Compute, Queue)


def _chosen(things: dict[str, _Named], wanted: Iterable[str]) -> list[_Named]:
    names = [name.rpartition("/")[2] for name in wanted]
    return [each for each in things.values() if not names or each.name in names]


def _one(things: dict[str, _Named], name: str, what: str) -> _Named:
    found = things.get(name.rpartition("/")[2])
    if found is None:
        raise refused(f"Object {name} of type {what} does not exist")
    return found


def paged(entries: list[Any], params: Params, key: str) -> Params:
    """One page of a list."""
    start, most = int(params.get("nextToken") or 0), int(params.get("maxResults") or PAGE)
    more = {"nextToken": str(start + most)} if start + most < len(entries) else {}
    return {key: entries[start : start + most], **more}


# --- compute environments ---------------------------------------------------------------------------------------------


def create_compute(world: BatchWorld, region: Region, params: Params) -> Params:
    """CreateComputeEnvironment."""
    name = params["computeEnvironmentName"]
    checks.name(name)
    if name in region.computes:
        raise refused("Object already exists")
    checks.compute(world, region, params)
    arn = f"arn:aws:batch:{region.name}:{world.account}:compute-environment/{name}"
    made = Compute(name, arn, params, state=params.get("state", "ENABLED"))
    region.computes[name] = made

    def settle() -> None:
        if made.status == "CREATING":
            made.reason = world.invalid or checks.trouble(world, region, made)
            made.status = "INVALID" if made.reason else "VALID"

    world.after(world.compute_delay, settle)
    return {"computeEnvironmentName": name, "computeEnvironmentArn": arn}


def describe_computes(_world: BatchWorld, region: Region, params: Params) -> Params:
    """DescribeComputeEnvironments."""
    chosen = _chosen(region.computes, params.get("computeEnvironments", ()))
    return paged([_told_compute(region, each) for each in chosen], params, "computeEnvironments")


def _told_compute(region: Region, compute: Compute) -> Params:
    used = sum(job.wants("VCPU") for job in region.jobs.values() if job.compute is compute)
    resources = {**compute.resources, "desiredvCpus": int(used)}
    return {
        "computeEnvironmentName": compute.name,
        "computeEnvironmentArn": compute.arn,
        "ecsClusterArn": compute.arn.replace(":batch:", ":ecs:").replace("compute-environment", "cluster"),
        "type": compute.told["type"],
        "state": compute.state,
        "status": compute.status,
        "statusReason": compute.reason or "ComputeEnvironment Healthy",
        "computeResources": resources,
        "serviceRole": compute.told.get("serviceRole", ""),
        "tags": compute.told.get("tags", {}),
        "containerOrchestrationType": "ECS",
    }


def update_compute(world: BatchWorld, region: Region, params: Params) -> Params:
    """UpdateComputeEnvironment: state and size."""
    found = _one(region.computes, params["computeEnvironment"], "COMPUTE_ENVIRONMENT")
    if found.status in {"CREATING", "UPDATING", "DELETING"}:
        raise refused("Cannot update, resource is being modified.")
    before, found.status = found.status, "UPDATING"
    found.state = params.get("state", found.state)
    if "maxvCpus" in params.get("computeResources", {}):
        found.told["computeResources"]["maxvCpus"] = params["computeResources"]["maxvCpus"]
    world.after(world.compute_delay, lambda: setattr(found, "status", before))
    return {"computeEnvironmentName": found.name, "computeEnvironmentArn": found.arn}


def delete_compute(world: BatchWorld, region: Region, params: Params) -> Params:
    """DeleteComputeEnvironment."""
    found = _one(region.computes, params["computeEnvironment"], "COMPUTE_ENVIRONMENT")
    if found.state != "DISABLED":
        raise refused("Cannot delete, state must be DISABLED")
    if found.status == "UPDATING":
        raise refused("Cannot delete, resource is being modified.")
    if any(found.arn in queue.computes for queue in region.queues.values()):
        raise refused("Cannot delete, found existing JobQueue relationship")
    found.status = "DELETING"
    world.after(world.compute_delay, lambda: region.computes.pop(found.name, None))
    return {}


# --- queues -----------------------------------------------------------------------------------------------------------


def create_queue(world: BatchWorld, region: Region, params: Params) -> Params:
    """CreateJobQueue."""
    name = params["jobQueueName"]
    checks.name(name)
    if name in region.queues:
        raise refused("Object already exists")
    for each in params.get("computeEnvironmentOrder", ()):
        compute = _one(region.computes, each["computeEnvironment"], "COMPUTE_ENVIRONMENT")
        if compute.status != "VALID":
            raise refused(f"computeEnvironmentArn {compute.arn} is not valid")
        each["computeEnvironment"] = compute.arn
    if not params.get("computeEnvironmentOrder"):
        raise refused("computeEnvironmentOrder must not be empty")
    arn = f"arn:aws:batch:{region.name}:{world.account}:job-queue/{name}"
    made = Queue(name, arn, params, state=params.get("state", "ENABLED"))
    region.queues[name] = made
    world.after(world.queue_delay, lambda: setattr(made, "status", "VALID"))
    return {"jobQueueName": name, "jobQueueArn": arn}


def describe_queues(_world: BatchWorld, region: Region, params: Params) -> Params:
    """DescribeJobQueues."""
    told = [
        {
            "jobQueueName": queue.name,
            "jobQueueArn": queue.arn,
            "state": queue.state,
            "status": queue.status,
            "statusReason": "JobQueue Healthy",
            "priority": queue.told["priority"],
            "computeEnvironmentOrder": queue.told["computeEnvironmentOrder"],
            "tags": queue.told.get("tags", {}),
        }
        for queue in _chosen(region.queues, params.get("jobQueues", ()))
    ]
    return paged(told, params, "jobQueues")


def update_queue(world: BatchWorld, region: Region, params: Params) -> Params:
    """UpdateJobQueue: its state."""
    found = _one(region.queues, params["jobQueue"], "JOB_QUEUE")
    if found.status in {"CREATING", "UPDATING", "DELETING"}:
        raise refused("Cannot update, resource is being modified.")
    found.state, found.status = params.get("state", found.state), "UPDATING"
    world.after(world.queue_delay, lambda: setattr(found, "status", "VALID"))
    return {"jobQueueName": found.name, "jobQueueArn": found.arn}


def delete_queue(world: BatchWorld, region: Region, params: Params) -> Params:
    """DeleteJobQueue: its jobs are ended."""
    found = _one(region.queues, params["jobQueue"], "JOB_QUEUE")
    if found.state != "DISABLED":
        raise refused("Cannot delete, state must be DISABLED")
    if found.status == "UPDATING":
        raise refused("Cannot delete, resource is being modified.")
    found.status = "DELETING"
    for job in [job for job in region.jobs.values() if job.queue is found]:
        world.jobs.end(job, "Job Queue deleted")
    world.after(world.queue_delay, lambda: region.queues.pop(found.name, None))
    return {}


# --- definitions ------------------------------------------------------------------------------------------------------


def register(world: BatchWorld, region: Region, params: Params) -> Params:
    """RegisterJobDefinition."""
    name = params["jobDefinitionName"]
    checks.name(name)
    checks.definition(params)
    revisions = region.definitions.setdefault(name, [])
    arn = f"arn:aws:batch:{region.name}:{world.account}:job-definition/{name}:{len(revisions) + 1}"
    made = Definition(name, len(revisions) + 1, arn, params)
    revisions.append(made)
    return {"jobDefinitionName": name, "jobDefinitionArn": arn, "revision": made.revision}


def describe_definitions(_world: BatchWorld, region: Region, params: Params) -> Params:
    """DescribeJobDefinitions."""
    ids, name, status = params.get("jobDefinitions"), params.get("jobDefinitionName"), params.get("status")
    told = [
        {
            **each.told,
            "jobDefinitionArn": each.arn,
            "revision": each.revision,
            "status": each.status,
            "containerOrchestrationType": "ECS",
        }
        for revisions in region.definitions.values()
        for each in reversed(revisions)
        if (not name or name == each.name)
        and (not status or status == each.status)
        and (not ids or each.arn in ids or f"{each.name}:{each.revision}" in ids)
    ]
    return paged(told, params, "jobDefinitions")


def deregister(_world: BatchWorld, region: Region, params: Params) -> Params:
    """DeregisterJobDefinition."""
    found = definition_of(region, params["jobDefinition"])
    found.status = "INACTIVE"
    return {}


def definition_of(region: Region, word: str) -> Definition:
    """The revision that an ARN or ``name:revision`` means, or the newest active one of a name.

    Raises:
        AwsError: There is none.
    """
    name, _, revision = word.rpartition("/")[2].partition(":")
    known = region.definitions.get(name, [])
    active = [each for each in known if each.status == "ACTIVE"]
    found = active[-1:] if not revision else [each for each in known if str(each.revision) == revision]
    if not found:
        raise refused(f"JobDefinition {word} does not exist")
    return found[0]
