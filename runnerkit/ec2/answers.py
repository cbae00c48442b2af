"""From boto3's exceptions to ours: what happened, to what, why, and what to do next."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from botocore import exceptions
from botocore.exceptions import (
    BaseEndpointResolverError,
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    CredentialRetrievalError,
    EndpointProviderError,
    InvalidConfigError,
    InvalidDefaultsMode,
    InvalidProxiesConfigError,
    InvalidRegionError,
    MetadataRetrievalError,
    MissingDependencyException,
    NoAuthTokenError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    RefreshWithMFAUnsupportedError,
    SSOError,
    TokenRetrievalError,
    UnknownCredentialError,
)
from botocore.parsers import ResponseParserError

from runnerkit.ec2.codes import Remedy, Verdict, verdict
from runnerkit.errors import CloudDenied, CloudThrottled, CloudUnavailable, ConfigError, LaunchRejected, RunnerkitError

if TYPE_CHECKING:
    from collections.abc import Iterator

# An answer cut short, or the page of a proxy, is none of botocore's own errors; what was asked for may be done.
AwsFault = (ClientError, BotoCoreError, ResponseParserError)
_MISCONFIGURED = (
    BaseEndpointResolverError,
    ConfigNotFound,
    ConfigParseError,
    EndpointProviderError,
    InvalidConfigError,
    InvalidDefaultsMode,
    InvalidProxiesConfigError,
    InvalidRegionError,
    MissingDependencyException,
    ProfileNotFound,
    UnknownCredentialError,
)
_NO_CREDENTIALS = (
    # Of `aws login`, since botocore 1.41; DVC may hold an older one back.
    getattr(exceptions, "LoginError", NoCredentialsError),
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    MetadataRetrievalError,
    NoAuthTokenError,
    RefreshWithMFAUnsupportedError,
    SSOError,
    TokenRetrievalError,
)
_ENCODED = re.compile(r"\s*Encoded authorization failure message: \S+")
# Who signs in, in an address such as a proxy's or an endpoint's.
_SIGNED_IN = re.compile(r"(?<=://)[^/@\s\"']+@")
_SERVER_SIDE = 500
_PERMISSION = re.compile(r"perform:? ([a-z0-9-]+:[A-Za-z]+)")
_SSM_OPERATIONS = frozenset(
    {"GetParameter", "PutParameter", "DeleteParameter", "DescribeParameters", "DescribeInstanceInformation"}
)
_HOW_TO_SIGN_IN = (
    "set AWS_PROFILE, [aws] profile or AWS_ACCESS_KEY_ID and its companions; in a workflow use "
    "aws-actions/configure-aws-credentials with `permissions: id-token: write`"
)


@contextmanager
def told(doing: str) -> Iterator[None]:
    """Raise our errors instead of boto3's; ``doing`` says what was being done, to what."""
    try:
        yield
    except AwsFault as fault:
        raise error_of(fault, doing) from fault


def code_of(fault: Exception) -> str:
    """AWS's error code, or the exception's name when there was no answer."""
    return cast("str", _error(fault).get("Code", "")) if isinstance(fault, ClientError) else type(fault).__name__


def verdict_of(fault: Exception) -> Verdict:
    """The table's row for an exception; no answer at all counts as AWS's side."""
    if isinstance(fault, ClientError):
        return verdict(code_of(fault), message_of(fault), status=_status(fault))
    if isinstance(fault, _NO_CREDENTIALS):
        return Verdict(CloudDenied, Remedy.TERMINAL, None, _HOW_TO_SIGN_IN)
    if isinstance(fault, ParamValidationError):
        return Verdict(LaunchRejected, Remedy.TERMINAL)
    return Verdict(CloudUnavailable, Remedy.WAIT, None, "check the network, proxy and endpoint settings")


def message_of(fault: Exception) -> str:
    """AWS's words, without the encoded part that only AWS can read, and botocore's without passwords in addresses."""
    text = str(_error(fault).get("Message", "")) if isinstance(fault, ClientError) else str(fault)
    return _SIGNED_IN.sub("", _ENCODED.sub("", text)).strip()


def error_of(fault: Exception, doing: str) -> RunnerkitError:
    """Our error for a boto3 exception."""
    if isinstance(fault, _MISCONFIGURED):
        return ConfigError(
            f"{doing}: {message_of(fault)}",
            hint="look at [aws] regions, profile and endpoint_url, and at AWS_REGION, AWS_PROFILE and AWS's own files",
        )
    row = verdict_of(fault)
    if row.error is CloudDenied and isinstance(fault, ClientError):
        return _denied(fault, row, doing)
    name = code_of(fault)
    return row.error(f"{doing}: {name}: {message_of(fault)}".rstrip(": "), **_told_more(row, name))


def denied_in_fleet(code: str, message: str, doing: str) -> CloudDenied:
    """The error for a permission that the launch inside a fleet lacked; the fleet does not say which one."""
    found = _PERMISSION.search(message)
    permission = found[1] if found else "ec2:RunInstances, ec2:CreateTags or, with a profile, iam:PassRole"
    text = _ENCODED.sub("", message).strip()
    return CloudDenied(f"{doing}: the permission {permission} is missing ({text})", **_policy_hint(permission, code))


def was_lost(fault: Exception) -> bool:
    """Whether it is unknown if AWS did what was asked: no answer, or a failure on its side."""
    row = verdict_of(fault)
    if row.remedy is not Remedy.WAIT or row.error is CloudThrottled:
        return False
    return not isinstance(fault, ClientError) or _status(fault) >= _SERVER_SIDE


def _denied(fault: ClientError, row: Verdict, doing: str) -> CloudDenied:
    code, message = code_of(fault), message_of(fault)
    if row.hint:
        return CloudDenied(f"{doing}: AWS does not accept the credentials: {code}: {message}", **_told_more(row, code))
    found = _PERMISSION.search(message)
    service = "ssm" if fault.operation_name in _SSM_OPERATIONS else "ec2"
    permission = found[1] if found else f"{service}:{fault.operation_name}"
    return CloudDenied(f"{doing}: the permission {permission} is missing ({message})", **_policy_hint(permission, code))


def _policy_hint(permission: str, code: str) -> dict[str, Any]:
    return {"aws_code": code, "hint": f"allow {permission} in the IAM policy of these credentials"}


def _told_more(row: Verdict, code: str) -> dict[str, Any]:
    # NoCapacity has refusals where the others have AWS's code.
    return {"hint": row.hint} if row.breadth is not None else {"hint": row.hint, "aws_code": code}


def _status(fault: ClientError) -> int:
    return fault.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)


def _error(fault: ClientError) -> dict[str, Any]:
    return cast("dict[str, Any]", fault.response.get("Error", {}))
