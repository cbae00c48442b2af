"""What each role may do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from runnerkit import tags
from runnerkit.errors import ConfigError
from runnerkit.permissions import Place, Use, policy

if TYPE_CHECKING:
    from runnerkit.setup.words import Wanted, Where

# Of all inline policies of a role together, without white space.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
INLINE_LIMIT = 10_240
TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")


def checked(wanted: Wanted) -> Wanted:
    """The same, when its policies mean what they say.

    Raises:
        ConfigError: A topic is none, or jobs could write the journal.
    """
    for topic in (*wanted.topics, *filter(None, [wanted.topic])):
        if not TOPIC.fullmatch(topic):
            raise ConfigError(f"{topic!r} is no ARN of an SNS topic", hint="arn:aws:sns:REGION:ACCOUNT:NAME")
    if wanted.data and wanted.journal and f"{wanted.journal}/".startswith(f"{wanted.data.rstrip('/')}/"):
        raise ConfigError(
            f"the journal s3://{wanted.journal} lies within the data s3://{wanted.data}, which every job may change",
            hint="what launches cost and budgets count is in the journal: give it a prefix or a bucket of its own",
        )
    return wanted


def launch_policy(wanted: Wanted, where: Where) -> dict[str, Any]:
    """What the launch role may: start and end machines, look at them, and what else was asked for."""
    return policy(launch_uses(wanted), place(wanted, where))


def launch_uses(wanted: Wanted) -> tuple[Use, ...]:
    """What is done with the launch role."""
    asked = {
        Use.BURST: wanted.burst,
        Use.CONNECT: wanted.connect,
        Use.BAKE: wanted.bake,
        Use.JOURNAL: bool(wanted.journal),
        Use.BATCH: wanted.batch,
    }
    return (Use.RUNNERS, *(use for use, is_asked in asked.items() if is_asked), Use.DOCTOR)


def job_policy(wanted: Wanted, where: Where) -> dict[str, Any]:
    """What the jobs' role may: the data, telling topics, and reading a machine's own parameter in bursts."""
    uses = [Use.JOB]
    uses += [Use.NOTIFY] if wanted.topics else []
    uses += [Use.MACHINE] if wanted.profile and wanted.burst else []
    return policy(uses, place(wanted, where))


def machine_policy(wanted: Wanted, where: Where) -> dict[str, Any]:
    """What the machines' role may in bursts: read and delete the one parameter that carries the machine's id."""
    return policy([Use.MACHINE], place(wanted, where))


def deadman_policy(wanted: Wanted, where: Where) -> dict[str, Any]:
    """What the dead-man's switch may: look at machines, end those of the owner, write its log."""
    regions = {"StringEquals": {"aws:RequestedRegion": list(where.regions)}}
    ours = {"StringEquals": {f"aws:ResourceTag/{tags.OWNER}": wanted.owner}}
    log = where.arn("logs", f"log-group:/aws/lambda/{wanted.name('deadman')}:*", where.home)
    return {
        "Version": "2012-10-17",
        "Statement": [
            # EC2 limits reading neither to resources nor by tags.
            _allow("Look", ["ec2:DescribeInstances"], "*", regions),
            _allow("EndOurs", ["ec2:TerminateInstances"], where.arn("ec2", "instance/*", "*"), ours),
            _allow("Log", ["logs:CreateLogStream", "logs:PutLogEvents"], log),
        ],
    }


def place(wanted: Wanted, where: Where) -> Place:
    """Where all of these policies hold."""
    given = (("machine", wanted.burst), ("job", bool(wanted.data) and wanted.profile))
    return Place(
        account=where.account,
        partition=where.partition,
        regions=where.regions,
        owner=wanted.owner,
        roles=tuple(role_arn(wanted, where, part) for part, is_given in given if is_given),
        journal=wanted.journal,
        data=wanted.data,
        topics=wanted.topics,
    )


def role_arn(wanted: Wanted, where: Where, part: str) -> str:
    """The ARN of a role of ours."""
    return where.arn("iam", f"role/{wanted.name(part)}")


def _allow(sid: str, actions: list[str], resource: str, conditions: dict[str, Any] | None = None) -> dict[str, Any]:
    statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
    return {**statement, "Condition": conditions} if conditions else statement
