"""What Batch does with jobs on request: submit, list, describe, cancel, terminate; and the tags of everything."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.batch import checks
from runnerkit.sandbox.batch.records import Job
from runnerkit.sandbox.batch.resources import definition_of, paged
from runnerkit.sandbox.batch.wire import refused

if TYPE_CHECKING:
    from runnerkit.sandbox.batch.world import BatchWorld, Region
    from runnerkit.sandbox.ec2.model import Params

NOT_HERE = ("arrayProperties", "dependsOn", "nodeOverrides", "eksPropertiesOverride", "parameters")


def submit(world: BatchWorld, region: Region, params: Params) -> Params:
    """SubmitJob."""
    checks.name(params["jobName"])
    if strange := [key for key in NOT_HERE if params.get(key)]:
        raise refused(f"The sandbox's Batch has no {strange[0]}")
    queue = region.queues.get(params["jobQueue"].rpartition("/")[2])
    if queue is None:
        raise refused(f"JobQueue {params['jobQueue']} does not exist")
    if queue.state != "ENABLED" or queue.status not in {"VALID", "CREATING"}:
        raise refused(f"JobQueue {queue.name} is {queue.state} and {queue.status}: it takes no jobs")
    definition = definition_of(region, params["jobDefinition"])
    container = _merged(definition.told["containerProperties"], params.get("containerOverrides", {}))
    checks.environment(container["environment"])
    retry = params.get("retryStrategy") or definition.told.get("retryStrategy", {})
    timeout = params.get("timeout") or definition.told.get("timeout", {})
    checks.retry(retry)
    checks.timeout(timeout)
    job_id = str(uuid.uuid4())
    job = Job(
        id=job_id,
        name=params["jobName"],
        arn=f"arn:aws:batch:{region.name}:{world.account}:job/{job_id}",
        queue=queue,
        definition=definition,
        container=container,
        retry=retry or {"attempts": 1},
        timeout=timeout.get("attemptDurationSeconds"),
        tags=params.get("tags", {}),
        number=len(region.jobs),
        created=world.now(),
    )
    region.jobs[job_id] = job
    world.jobs.begin(job)
    return {"jobName": job.name, "jobId": job.id, "jobArn": job.arn}


def _merged(container: Params, overrides: Params) -> Params:
    """The definition's container with what the submission says otherwise."""
    said: Params = {key: overrides[key] for key in ("command", "vcpus", "memory") if key in overrides}
    merged = {**container, **said}
    by_name = {each["name"]: each for each in (*container.get("environment", ()), *overrides.get("environment", ()))}
    by_type = {
        each["type"]: each
        for each in (*container.get("resourceRequirements", ()), *overrides.get("resourceRequirements", ()))
    }
    return {**merged, "environment": list(by_name.values()), "resourceRequirements": list(by_type.values())}


def describe(_world: BatchWorld, region: Region, params: Params) -> Params:
    """DescribeJobs; ids that nobody knows are left out."""
    ids = [word.rpartition("/")[2] for word in params["jobs"]]
    return {"jobs": [_told(region.jobs[id_]) for id_ in ids if id_ in region.jobs]}


def _told(job: Job) -> Params:
    container = {
        **job.container,
        "taskArn": job.arn.replace(":batch:", ":ecs:"),
        "networkInterfaces": [],
        **({"logStreamName": job.stream} if job.stream else {}),
        **({} if job.exit_code is None else {"exitCode": job.exit_code}),
        **({"reason": job.container_reason} if job.container_reason else {}),
    }
    told = {
        **_summary(job),
        "jobQueue": job.queue.arn,
        "attempts": job.attempts,
        "startedAt": _milliseconds(job.started),
        "retryStrategy": job.retry,
        "jobDefinition": job.definition.arn,
        "dependsOn": [],
        "container": container,
        "tags": job.tags,
        "platformCapabilities": ["EC2"],
        "isCancelled": job.cancelled,
        "isTerminated": job.terminated,
    }
    return told if job.timeout is None else {**told, "timeout": {"attemptDurationSeconds": job.timeout}}


def _summary(job: Job) -> Params:
    times: dict[str, int] = {"startedAt": _milliseconds(job.started), "stoppedAt": _milliseconds(job.stopped)}
    told: dict[str, Any] = {"jobArn": job.arn, "jobId": job.id, "jobName": job.name, "status": job.status}
    reason = {"statusReason": job.reason} if job.reason else {}
    return {**told, **reason, "createdAt": int(job.created * 1000), **{key: at for key, at in times.items() if at}}


def _milliseconds(at: float | None) -> int:
    return int(at * 1000) if at else 0


def listed(_world: BatchWorld, region: Region, params: Params) -> Params:
    """ListJobs of a queue: those of a state (RUNNING when none is given), or of a name; the newest first."""
    queue = region.queues.get(params.get("jobQueue", "").rpartition("/")[2])
    if queue is None:
        raise refused(f"JobQueue {params.get('jobQueue')} does not exist")
    jobs = sorted((job for job in region.jobs.values() if job.queue is queue), key=lambda job: -job.number)
    filters = params.get("filters", [])
    if filters:
        if [each["name"] for each in filters] != ["JOB_NAME"]:
            raise refused("The sandbox's ListJobs filters by JOB_NAME only")
        jobs = [job for job in jobs if any(_means(word, job.name) for word in filters[0]["values"])]
    else:
        jobs = [job for job in jobs if job.status == params.get("jobStatus", "RUNNING")]
    return paged([_summary(job) for job in jobs], params, "jobSummaryList")


def _means(word: str, name: str) -> bool:
    word, name = word.lower(), name.lower()
    return name.startswith(word[:-1]) if word.endswith("*") else name == word


def cancel(world: BatchWorld, region: Region, params: Params) -> Params:
    """CancelJob."""
    world.jobs.cancel(_job(region, params), params["reason"])
    return {}


def terminate(world: BatchWorld, region: Region, params: Params) -> Params:
    """TerminateJob."""
    world.jobs.end(_job(region, params), params["reason"])
    return {}


def _job(region: Region, params: Params) -> Job:
    found = region.jobs.get(params["jobId"].rpartition("/")[2])
    if found is None:
        raise refused(f"Job {params['jobId']} does not exist")
    return found
