"""Why a job waits: Batch's own reason where it gives one, and what its queue and compute environments look like. Pure.

The reasons and what helps against them are those of
https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html and
https://docs.aws.amazon.com/batch/latest/userguide/invalid_compute_environment.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerkit.batch.states import DISABLED, ENABLED, INVALID, VALID
from runnerkit.errors import CloudError, LaunchRejected, LeaseExpired, NoCapacity, RunnerkitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.batch.states import Compute, Job, Queue


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a job waits.

    ``lasting`` means that only somebody's change helps, so that waiting is no use; ``error`` is what giving up is then
    told as.
    """

    text: str
    hint: str = ""
    lasting: bool = False
    error: type[RunnerkitError] = LeaseExpired


@dataclass(frozen=True, slots=True)
class Others:
    """The other jobs that have a machine now: how many, and their virtual CPUs."""

    count: int = 0
    vcpus: float = 0.0


def _wrong(text: str, hint: str) -> Explanation:
    return Explanation(text, hint, lasting=True, error=LaunchRejected)


_TAKE_OTHERS = "allow more types (--types, another --gpu), use --on-demand, or another --region"
# By the beginning of Batch's reason; the first that fits.
REASONS: tuple[tuple[str, Explanation], ...] = (
    (
        "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
        Explanation("EC2 has no capacity for any allowed type just now", _TAKE_OTHERS, error=NoCapacity),
    ),
    (
        "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
        _wrong(
            "the job asks for more vCPUs than its compute environments may run at all",
            "ask for less with --vcpus, or allow more with --max-vcpus",
        ),
    ),
    (
        "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
        _wrong(
            "no type of the compute environments is large enough for the job",
            "ask for less (--vcpus, --memory: a machine keeps about a tenth of its memory for itself), or allow larger "
            "--types",
        ),
    ),
    (
        "MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED",
        _wrong(
            "EC2 does not start these types with this image, in these zones or with this placement",
            "choose other --types; the GPU image runs on no Graviton, p3 or g3",
        ),
    ),
    (
        "MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS",
        _wrong(
            "the role with which Batch itself acts may not do what it must",
            "use the service-linked role AWSServiceRoleForBatch, or give the role the policy AWSBatchServiceRole",
        ),
    ),
    (
        "ACTION_REQUIRED",
        _wrong("the compute environments of the queue cannot be used", "look at them with `runnerkit batch status`"),
    ),
    ("UNDETERMINED", Explanation("Batch sees that its queue is blocked, and does not know why", _TAKE_OTHERS)),
)
# Words in the reason of an INVALID compute environment, and what to do.
CURES = (
    (
        ("role", "not authorized", "assume"),
        "the name or the trust of a role is wrong: see --instance-profile, and [aws]",
    ),
    (("instance profile", "instanceprofile"), "the instance profile does not exist (any more): see --instance-profile"),
    (("subnet",), "a subnet is gone or of another VPC: see [aws] subnets"),
    (("security group",), "a security group is gone: see [aws] security_groups"),
    (("launch template",), "the launch template that Batch keeps for it was removed by somebody"),
    (("spot fleet", "spotfleet"), "once: aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"),
    (("quota", "limit exceeded", "limitexceeded"), "raise the limit in Service Quotas"),
)
_MAKE_ANEW = "`runnerkit batch remove` removes it, and the next run makes it anew"


def explain(job: Job, queue: Queue | None, computes: Sequence[Compute], others: Others) -> Explanation:
    """Why this RUNNABLE job has no machine, as far as can be known.

    Args:
        job: The job.
        queue: Its queue; None when it is gone.
        computes: The queue's compute environments that exist.
        others: The jobs of this queue that have machines.
    """
    unusable = _queue(queue) or _computes(computes)
    if unusable is not None:
        return unusable
    told = next((known for start, known in REASONS if job.reason.startswith(start)), None)
    turn = None if told is not None and told.lasting else _turn(job, computes, others)
    if told is not None and turn is None:
        return Explanation(f"{told.text} (Batch says: {job.reason})", told.hint, told.lasting, told.error)
    return turn or _unsaid(job, computes)


def invalid(compute: Compute) -> Explanation:
    """What is wrong with a compute environment that Batch calls invalid."""
    reason = compute.reason or "Batch gives no reason"
    low = reason.lower()
    cure = next((cure for words, cure in CURES if any(word in low for word in words)), "")
    return _wrong(
        f"the compute environment {compute.name} is INVALID: {reason}", "; ".join(filter(None, (cure, _MAKE_ANEW)))
    )


def _queue(queue: Queue | None) -> Explanation | None:
    if queue is None:
        return _wrong("its job queue is gone", "submit it again")
    if queue.status == INVALID:
        return _wrong(f"the job queue {queue.name} is INVALID: {queue.reason or 'Batch gives no reason'}", _MAKE_ANEW)
    return None


def _computes(computes: Sequence[Compute]) -> Explanation | None:
    """What keeps all of them from being used; None as long as one can be."""
    if any(compute.status == VALID and compute.state == ENABLED for compute in computes):
        return None
    bad = next((compute for compute in computes if compute.status == INVALID), None)
    if bad is not None:
        return invalid(bad)
    off = next((compute for compute in computes if compute.state == DISABLED), None)
    if off is not None:
        enable = f"aws batch update-compute-environment --compute-environment {off.name} --state ENABLED"
        return _wrong(f"the compute environment {off.name} is disabled, so nothing is placed there", enable)
    if not computes:
        return _wrong("the compute environments of its queue are gone", _MAKE_ANEW)
    return Explanation(f"the compute environment {computes[0].name} is not ready yet ({computes[0].status})")


def _turn(job: Job, computes: Sequence[Compute], others: Others) -> Explanation | None:
    """Whether the job waits for others to end."""
    most = max((compute.max_vcpus for compute in computes), default=0)
    if not most:
        return None
    if job.vcpus > most:
        return REASONS[1][1]
    if not others.count or others.vcpus + job.vcpus <= most:
        return None
    jobs = "another job has" if others.count == 1 else f"{others.count} other jobs have"
    return Explanation(
        f"it waits for its turn: {jobs} {others.vcpus:g} of the {most} vCPUs that may run at once, and it needs "
        f"{job.vcpus:g}",
        "allow more with --max-vcpus, or wait",
    )


def _unsaid(job: Job, computes: Sequence[Compute]) -> Explanation:
    said = f" (Batch says: {job.reason})" if job.reason else ""
    asked = next((compute for compute in computes if compute.desired_vcpus), None)
    if asked is not None:
        return Explanation(
            f"Batch asked EC2 for machines with {asked.desired_vcpus} vCPUs, and none has taken the job yet{said}",
            "after some minutes this means that machines cannot join the cluster: their subnets need a way to the "
            "internet (public addresses or NAT), and their instance profile AmazonEC2ContainerServiceforEC2Role",
        )
    spot = any(compute.spot for compute in computes)
    words = "Batch has not asked EC2 for a machine yet"
    return Explanation(words + said, _TAKE_OTHERS if spot else "", error=NoCapacity if spot else LeaseExpired)


def giving_up(why: Explanation | None, waited: str) -> RunnerkitError:
    """The error with which waiting ends."""
    text = f"the job got no machine within {waited} and was cancelled"
    if why is None:
        return LeaseExpired(text, hint="allow more time with --give-up-after")
    if why.lasting:
        text = "the job can get no machine and was cancelled"
    error: type[RunnerkitError] = why.error if issubclass(why.error, CloudError | LeaseExpired) else LeaseExpired
    return error(f"{text}: {why.text}", hint=why.hint or "allow more time with --give-up-after")
