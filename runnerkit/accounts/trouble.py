"""What is said when AWS refuses: which permission is missing, and who can help."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from runnerkit.ec2.answers import AwsFault, code_of, error_of, message_of, verdict_of
from runnerkit.errors import CloudDenied, LaunchRejected
from runnerkit.setup.words import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

_PERMISSION = re.compile(r"perform:? ([a-z0-9-]+:[A-Za-z]+)")
# Where the permission has another name than the call.
_NAMED_OTHERWISE = {
    "CreateBudget": "ModifyBudget",
    "UpdateBudget": "ModifyBudget",
    "DeleteBudget": "ModifyBudget",
    "CreateNotification": "ModifyBudget",
    "DeleteNotification": "ModifyBudget",
    "DescribeBudget": "ViewBudget",
    "DescribeNotificationsForBudget": "ViewBudget",
    "DescribeSubscribersForNotification": "ViewBudget",
}
_ABSENT = frozenset(
    {
        "NoSuchEntity",
        "NotFoundException",
        "ResourceNotFoundException",
        "InvalidGroup.NotFound",
        "InvalidPermission.NotFound",
    }
)
_EXISTS = frozenset(
    {
        "EntityAlreadyExists",
        "InvalidGroup.Duplicate",
        "DuplicateRecordException",
        "ResourceAlreadyExistsException",
        "ResourceConflictException",
    }
)
# IAM says this of a service-linked role that is there, and otherwise of tags and names that it does not take.
_TAKEN = "InvalidInput"
WHO_CAN = (
    "run it with an administrator's credentials, or give an administrator the template of `runnerkit setup aws --print`"
)


@contextmanager
def told(service: str, doing: str) -> Iterator[None]:
    """Raise our errors instead of boto3's; ``doing`` says what was being done, to what."""
    try:
        yield
    except AwsFault as fault:
        row = verdict_of(fault)
        if isinstance(fault, ClientError) and row.error is CloudDenied and not row.hint:
            raise _denied(fault, service, doing) from fault
        if isinstance(fault, ClientError) and row.error is LaunchRejected:
            raise LaunchRejected(f"{doing}: {code_of(fault)}: {message_of(fault)}", aws_code=code_of(fault)) from fault
        raise error_of(fault, doing) from fault


class unless:  # noqa: N801 - reads as a part of the sentence
    """Passes over some of AWS's error codes."""

    def __init__(self, codes: frozenset[str]) -> None:
        self._codes = codes

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, fault: BaseException | None, _trace: object) -> bool:
        return isinstance(fault, ClientError) and code_of(fault) in self._codes


unless_absent = unless(_ABSENT)


def exists(fault: ClientError, kind: Kind) -> bool:
    """Whether AWS refused to make something because it is there."""
    return code_of(fault) in _EXISTS or (kind is Kind.SPOT_ROLE and code_of(fault) == _TAKEN)


def _denied(fault: ClientError, service: str, doing: str) -> CloudDenied:
    found = _PERMISSION.search(message_of(fault))
    name = _NAMED_OTHERWISE.get(fault.operation_name, fault.operation_name)
    permission = found[1] if found else f"{service}:{name}"
    return CloudDenied(
        f"{doing}: the permission {permission} is missing ({message_of(fault)})", aws_code=code_of(fault), hint=WHO_CAN
    )
