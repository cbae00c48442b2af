"""Where a job is put: the first usable compute environment with room and capacity, or why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.sandbox.batch import checks
from runnerkit.sandbox.ec2.capacity import ON_DEMAND, SPOT, Pool, Stock
from runnerkit.sandbox.ec2.errors import AwsError

if TYPE_CHECKING:
    from runnerkit.sandbox.batch.records import Compute, Job
    from runnerkit.sandbox.batch.world import BatchWorld, Region

Place = tuple["Compute", str, Stock | None]
# What a machine's own processes leave of its memory.
USABLE = 0.95
# https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html
TOO_MANY = (
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) associated with the job queue cannot meet the CPU "
    "requirement of the job."
)
TOO_LARGE = (
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU) is higher than that "
    "can be met by the CE(s) attached to the job queue."
)
EMPTY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity for type [{type}]"


def find_place(world: BatchWorld, region: Region, job: Job) -> Place | str:
    """A compute environment, a type and the stock it was taken from; or the reason for none, which may be empty."""
    if world.held is not None:
        return world.held
    reasons = []
    for arn in job.queue.computes:
        compute = next((each for each in region.computes.values() if each.arn == arn), None)
        if compute is None or not compute.usable:
            continue
        place = _in(world, region, compute, job)
        if not isinstance(place, str):
            return place
        reasons.append(place)
    return next(iter(reasons), "")


def _in(world: BatchWorld, region: Region, compute: Compute, job: Job) -> Place | str:
    most = compute.resources["maxvCpus"]
    if job.wants("VCPU") > most:
        return TOO_MANY
    fitting = _fitting(world, region, compute, job)
    if not fitting:
        return TOO_LARGE
    used = sum(other.wants("VCPU") for other in region.jobs.values() if other.compute is compute)
    if used + job.wants("VCPU") > most:
        return ""
    market = SPOT if compute.resources["type"] == "SPOT" else ON_DEMAND
    ec2 = world.core.region(region.name)
    zones = sorted(subnet.zone for subnet in ec2.subnets() if subnet.id in compute.resources["subnets"])
    for type_, vcpus in fitting:
        for zone in zones:
            try:
                pool = Pool(type_, zone, market)
                return compute, type_, world.core.capacity.take(pool, vcpus, world.core.running(region.name))
            except AwsError:
                continue
    return EMPTY.format(type=fitting[0][0])


def _fitting(world: BatchWorld, region: Region, compute: Compute, job: Job) -> list[tuple[str, int]]:
    """The types that are large enough, the smallest first, with their vCPUs."""
    ec2 = world.core.region(region.name)
    found = []
    for type_ in checks.types(world, region, compute.resources["instanceTypes"]):
        info = ec2.type_info(type_) or {}
        vcpus = info.get("VCpuInfo", {}).get("DefaultVCpus", 0)
        memory = info.get("MemoryInfo", {}).get("SizeInMiB", 0)
        gpus = sum(gpu.get("Count", 0) for gpu in info.get("GpuInfo", {}).get("Gpus", ()))
        enough = vcpus >= job.wants("VCPU") and memory * USABLE >= job.wants("MEMORY") and gpus >= job.wants("GPU")
        if enough:
            found.append((vcpus, memory, type_))
    return [(type_, vcpus) for vcpus, _, type_ in sorted(found)]
