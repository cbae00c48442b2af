"""What is said when Batch, CloudWatch Logs or IAM refuses: which permission is missing, or whose side it is on."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from runnerkit.ec2.answers import AwsFault, code_of, error_of, message_of, verdict_of
from runnerkit.errors import CloudDenied, CloudUnavailable, LaunchRejected, RunnerkitError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Everything that this package calls, as permissions; beside them those with which EC2 is asked for subnets, security
# groups and types, and iam:PassRole on the roles that are named.
ACTIONS = (
    "batch:CancelJob",
    "batch:CreateComputeEnvironment",
    "batch:CreateJobQueue",
    "batch:DeleteComputeEnvironment",
    "batch:DeleteJobQueue",
    "batch:DeregisterJobDefinition",
    "batch:DescribeComputeEnvironments",
    "batch:DescribeJobDefinitions",
    "batch:DescribeJobQueues",
    "batch:DescribeJobs",
    "batch:ListJobs",
    "batch:RegisterJobDefinition",
    "batch:SubmitJob",
    "batch:TagResource",
    "batch:TerminateJob",
    "batch:UpdateComputeEnvironment",
    "batch:UpdateJobQueue",
    "ec2:CreateSecurityGroup",
    "ec2:CreateTags",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "iam:AddRoleToInstanceProfile",
    "iam:AttachRolePolicy",
    "iam:CreateInstanceProfile",
    "iam:CreateRole",
    "iam:DeleteInstanceProfile",
    "iam:DeleteRole",
    "iam:DetachRolePolicy",
    "iam:GetInstanceProfile",
    "iam:GetRole",
    "iam:PassRole",
    "iam:RemoveRoleFromInstanceProfile",
    "iam:TagInstanceProfile",
    "iam:TagRole",
    "logs:CreateLogGroup",
    "logs:GetLogEvents",
)
_PERMISSION = re.compile(r"perform:? ([a-z0-9-]+:[A-Za-z]+)")
# https://docs.aws.amazon.com/batch/latest/APIReference/CommonErrors.html
_REFUSED = frozenset({"ClientException", "ValidationException", "InvalidParameterException", "LimitExceededException"})


@contextmanager
def told(doing: str) -> Iterator[None]:
    """Raise our errors instead of boto3's; ``doing`` says what was being done, to what."""
    try:
        yield
    except AwsFault as fault:
        raise _error(fault, doing) from fault


def says(fault: Exception, *words: str) -> bool:
    """Whether Batch refused with a sentence that has all of these words: it has one code for everything."""
    low = message_of(fault).lower()
    return code_of(fault) in _REFUSED and all(word in low for word in words)


def _error(fault: Exception, doing: str) -> RunnerkitError:
    code, message = code_of(fault), message_of(fault)
    if code in _REFUSED:
        return LaunchRejected(f"{doing}: {message}", aws_code=code)
    if code == "ServerException":
        return CloudUnavailable(
            f"{doing}: AWS Batch failed: {message}", aws_code=code, hint="try again in some minutes"
        )
    row = verdict_of(fault)
    if row.error is CloudDenied and not row.hint and isinstance(fault, ClientError):
        return _denied(fault, doing, code, message)
    return error_of(fault, doing)


def _denied(fault: ClientError, doing: str, code: str, message: str) -> CloudDenied:
    found = _PERMISSION.search(message)
    known = next((action for action in ACTIONS if action.endswith(f":{fault.operation_name}")), fault.operation_name)
    permission = found[1] if found else known
    hint = f"allow {permission} in the IAM policy of these credentials"
    return CloudDenied(f"{doing}: the permission {permission} is missing ({message})", aws_code=code, hint=hint)
