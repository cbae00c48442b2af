"""Values: what is done, where, and one statement of an IAM policy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Use(StrEnum):
    """What somebody does with runnerkit that needs permissions of AWS; each is one group of statements.

    A group holds all that its use needs, but for those that come on top of others (see :data:`BESIDE`).
    """

    RUNNERS = "runners"  # launch, once, run, serve, sweep, terminate, status, logs
    BURST = "burst"  # secrets = "ssm"
    CONNECT = "connect"
    BAKE = "bake"  # ami bake, list, prune, check
    JOURNAL = "journal"  # an S3 prefix
    DOCTOR = "doctor"  # what doctor reads beyond the others
    BATCH = "batch"
    JOB = "job"  # the DVC remote and what a job keeps beside it
    NOTIFY = "notify"  # SNS
    MACHINE = "machine"  # the machine's own role with secrets = "ssm"
    LAMBDA = "lambda"  # the controller's function, for its queue, log and parameters
    SETUP = "setup"  # setup aws itself


BESIDE: Mapping[Use, tuple[Use, ...]] = {
    Use.BURST: (Use.RUNNERS,),
    Use.DOCTOR: (Use.RUNNERS,),
    Use.LAMBDA: (Use.RUNNERS, Use.JOURNAL),
}
"""Uses that are of no use alone, and what they come on top of."""


@dataclass(frozen=True)
class Place:
    """Where a policy holds; what is empty is not limited (a ``*`` in the ARN), or left out where it must be named.

    Attributes:
        account: The account's number.
        regions: Regions that may be used.
        owner: The installation, as in the tag ``runnerkit:owner``.
        roles: ARNs of the roles that machines may be given (``iam:PassRole``).
        journal: ``BUCKET/PREFIX`` of the journal.
        data: ``BUCKET/PREFIX`` of the DVC remote.
        topics: ARNs of SNS topics.
        partition: ``aws``, ``aws-cn``, ``aws-eusc`` or ``aws-us-gov``.
        job_roles: ARNs of the roles that jobs on AWS Batch may be given.
        log: ARN of the log group of the controller's function.
        queue: ARN of the queue that feeds it.
        parameters: The path below which its secrets are in Parameter Store, with a leading ``/``.
        key: ARN of the KMS key of those parameters, if it is one of your own.
    """

    account: str = "*"
    regions: tuple[str, ...] = ()
    owner: str = "runnerkit"
    roles: tuple[str, ...] = ()
    journal: str = ""
    data: str = ""
    topics: tuple[str, ...] = ()
    partition: str = "aws"
    job_roles: tuple[str, ...] = ()
    log: str = ""
    queue: str = ""
    parameters: str = ""
    key: str = ""

    def arn(self, service: str, resource: str, *, region: str = "*", account: str | None = None) -> str:
        """An ARN in this place; ``region`` and ``account`` are empty where AWS's ARNs of a kind have none."""
        owner = self.account if account is None else account
        return f"arn:{self.partition}:{service}:{region}:{owner}:{resource}"


@dataclass(frozen=True)
class Statement:
    """One statement that allows something.

    Attributes:
        sid: Its name in the policy, letters and digits.
        actions: ``service:Action``, sorted.
        resources: ARNs or ``*``.
        conditions: IAM's conditions: operator -> key -> values.
        why: For people: what it is needed for.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]]
    why: str
