"""The table of AWS's error codes, and the words that people get."""

from __future__ import annotations

import subprocess
import sys

import pytest
from botocore.exceptions import (
    ClientError,
    ConfigParseError,
    EndpointConnectionError,
    InvalidConfigError,
    InvalidRegionError,
    LoginRefreshRequired,
    NoCredentialsError,
    ParamValidationError,
    ProfileNotFound,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from runnerkit.ec2.answers import error_of, was_lost
from runnerkit.ec2.codes import TABLE, Remedy, is_stale, verdict
from runnerkit.ec2.quotas import quota_for
from runnerkit.errors import (
    CloudDenied,
    CloudError,
    CloudThrottled,
    CloudUnavailable,
    ConfigError,
    ImageMissing,
    LaunchRejected,
    NoCapacity,
    RunnerkitError,
)
from runnerkit.model import Breadth, Market
from runnerkit.offerings import quota_class

ELSEWHERE, WAIT, TERMINAL = Remedy.ELSEWHERE, Remedy.WAIT, Remedy.TERMINAL

EXPECTED: list[tuple[str, type[CloudError], Breadth | None, Remedy]] = [
    ("InsufficientInstanceCapacity", NoCapacity, Breadth.POOL, ELSEWHERE),
    ("UnfulfillableCapacity", NoCapacity, Breadth.POOL, ELSEWHERE),
    ("InsufficientCapacity", NoCapacity, Breadth.POOL, ELSEWHERE),
    ("InsufficientHostCapacity", NoCapacity, Breadth.POOL, ELSEWHERE),
    ("InsufficientReservedInstanceCapacity", NoCapacity, Breadth.POOL, ELSEWHERE),
    ("InsufficientVolumeCapacity", NoCapacity, Breadth.ZONE, ELSEWHERE),
    ("Unsupported", NoCapacity, Breadth.TYPE_IN_ZONE, ELSEWHERE),
    ("InvalidFleetConfiguration", NoCapacity, Breadth.TYPE_IN_ZONE, ELSEWHERE),
    ("InsufficientFreeAddressesInSubnet", NoCapacity, Breadth.ZONE, ELSEWHERE),
    ("SpotMaxPriceTooLow", NoCapacity, Breadth.POOL, ELSEWHERE),
    ("MaxSpotInstanceCountExceeded", NoCapacity, Breadth.QUOTA, Remedy.OTHER_MARKET),
    ("VcpuLimitExceeded", NoCapacity, Breadth.QUOTA, Remedy.OTHER_MARKET),
    ("InstanceLimitExceeded", NoCapacity, Breadth.QUOTA, Remedy.OTHER_MARKET),
    ("MaxFleetCountExceeded", NoCapacity, Breadth.REGION, Remedy.OTHER_REGION),
    ("ResourceLimitExceeded", NoCapacity, Breadth.REGION, Remedy.OTHER_REGION),
    ("TargetCapacityLimitExceededException", NoCapacity, Breadth.REGION, Remedy.OTHER_REGION),
    ("MaxSpotFleetRequestCountExceeded", NoCapacity, Breadth.REGION, Remedy.OTHER_REGION),
    ("ReservationCapacityExceeded", NoCapacity, Breadth.POOL, ELSEWHERE),
    ("RequestLimitExceeded", CloudThrottled, None, WAIT),
    ("EC2ThrottledException", CloudThrottled, None, WAIT),
    ("Throttling", CloudThrottled, None, WAIT),
    ("ThrottlingException", CloudThrottled, None, WAIT),
    ("InternalError", CloudUnavailable, None, WAIT),
    ("InternalFailure", CloudUnavailable, None, WAIT),
    ("Unavailable", CloudUnavailable, None, WAIT),
    ("ServiceUnavailable", CloudUnavailable, None, WAIT),
    ("ServerInternal", CloudUnavailable, None, WAIT),
    ("InvalidInstanceID.NotFound", CloudUnavailable, None, WAIT),
    ("InvalidSpotInstanceRequestID.NotFound", CloudUnavailable, None, WAIT),
    ("InvalidGroup.NotFound", LaunchRejected, None, TERMINAL),
    ("IdempotentParameterMismatch", CloudUnavailable, None, TERMINAL),
    ("IdempotentInstanceTerminated", CloudUnavailable, None, TERMINAL),
    ("AuthFailure.ServiceLinkedRoleCreationNotPermitted", NoCapacity, Breadth.MARKET, Remedy.OTHER_MARKET),
    ("PendingVerification", LaunchRejected, None, TERMINAL),
    ("OptInRequired", LaunchRejected, None, TERMINAL),
    ("Blocked", LaunchRejected, None, TERMINAL),
    ("FreeTierInstanceTypeIneligible", LaunchRejected, None, TERMINAL),
    ("UnauthorizedOperation", CloudDenied, None, TERMINAL),
    ("AccessDenied", CloudDenied, None, TERMINAL),
    ("AccessDeniedException", CloudDenied, None, TERMINAL),
    ("AuthFailure", CloudDenied, None, TERMINAL),
    ("ExpiredToken", CloudDenied, None, TERMINAL),
    ("InvalidAMIID.NotFound", ImageMissing, None, TERMINAL),
    ("InvalidAMIID.Unavailable", ImageMissing, None, TERMINAL),
    ("InvalidLaunchTemplateName.MalformedException", LaunchRejected, None, TERMINAL),
    ("InvalidLaunchTemplateName.NotFoundException", CloudUnavailable, None, WAIT),
    ("InvalidParameterValue", LaunchRejected, None, TERMINAL),
    ("InvalidParameterCombination", LaunchRejected, None, TERMINAL),
    ("InvalidParameter", LaunchRejected, None, TERMINAL),
    ("InvalidUserData.Malformed", LaunchRejected, None, TERMINAL),
    ("InvalidSubnetID.NotFound", LaunchRejected, None, TERMINAL),
    ("InvalidSubnet", LaunchRejected, None, TERMINAL),
    ("InvalidGroupId.Malformed", LaunchRejected, None, TERMINAL),
    ("InvalidSecurityGroupID.NotFound", LaunchRejected, None, TERMINAL),
    ("InvalidInstanceType", NoCapacity, Breadth.TYPE_IN_ZONE, ELSEWHERE),
    ("InvalidInstanceType.NotFound", NoCapacity, Breadth.TYPE_IN_ZONE, ELSEWHERE),
    ("VolumeLimitExceeded", NoCapacity, Breadth.REGION, Remedy.OTHER_REGION),
    ("InvalidBlockDeviceMapping", LaunchRejected, None, TERMINAL),
    ("InvalidLaunchTemplateId.NotFound", CloudUnavailable, None, WAIT),
    ("InvalidLaunchTemplateId.NotFoundException", CloudUnavailable, None, WAIT),
    ("InvalidLaunchTemplateId.VersionNotFound", LaunchRejected, None, TERMINAL),
    ("InvalidClientTokenId", CloudDenied, None, TERMINAL),
    ("UnrecognizedClientException", CloudDenied, None, TERMINAL),
    ("SignatureDoesNotMatch", CloudDenied, None, TERMINAL),
    ("MissingAuthenticationToken", CloudDenied, None, TERMINAL),
    ("IncompleteSignature", CloudDenied, None, TERMINAL),
    ("ExpiredTokenException", CloudDenied, None, TERMINAL),
    ("RequestExpired", CloudDenied, None, TERMINAL),
    ("TooManyUpdates", CloudThrottled, None, WAIT),
    ("ParameterAlreadyExists", LaunchRejected, None, TERMINAL),
    ("ParameterLimitExceeded", LaunchRejected, None, TERMINAL),
    ("ParameterMaxVersionLimitExceeded", LaunchRejected, None, TERMINAL),
    ("InvalidKeyId", LaunchRejected, None, TERMINAL),
    ("ParameterNotFound", ImageMissing, None, TERMINAL),
]


@pytest.mark.parametrize(("code", "error", "breadth", "remedy"), EXPECTED, ids=[row[0] for row in EXPECTED])
def test_every_code_that_was_seen_has_a_row(
    code: str, error: type[CloudError], breadth: Breadth | None, remedy: Remedy
) -> None:
    """Error, reach and remedy of each code, in the errors of a fleet."""
    row = verdict(code, in_fleet=True)
    assert (row.error, row.breadth, row.remedy) == (error, breadth, remedy)


def test_only_refusals_have_a_reach_and_all_of_them_are_no_capacity() -> None:
    """The launch loop goes on for rows with a reach and for no others."""
    assert all((row.breadth is not None) == (row.error is NoCapacity) for row in TABLE.values())


def test_no_row_is_without_its_case() -> None:
    """A new code comes with what it is expected to mean."""
    assert set(TABLE) <= {code for code, *_ in EXPECTED}


@pytest.mark.parametrize(
    ("status", "error", "remedy"),
    [(400, LaunchRejected, TERMINAL), (404, LaunchRejected, TERMINAL), (500, CloudUnavailable, WAIT)],
)
def test_an_unknown_code_is_judged_by_whose_fault_it_is(status: int, error: type[CloudError], remedy: Remedy) -> None:
    """The sender's fault is terminal, so that launches stay bounded; AWS's may pass."""
    row = verdict("SomethingOf2031", status=status)
    assert (row.error, row.remedy, row.breadth) == (error, remedy, None)


def test_one_code_may_stand_for_two_things() -> None:
    """The message, or the place of the error, tells which."""
    assert verdict("AuthFailure", "Not authorized for images: [ami-1]").error is ImageMissing
    assert verdict("InvalidFleetConfiguration").error is LaunchRejected
    assert "16 KB" in verdict("InvalidParameterValue", "User data is limited to 16384 bytes").hint


def test_only_what_we_remember_can_be_stale() -> None:
    """A gone subnet, group or image is looked up anew once."""
    assert [is_stale(c) for c in ("InvalidSubnetID.NotFound", "InvalidGroup.NotFound", "InvalidAMIID.NotFound")] == [
        True
    ] * 3
    assert not is_stale("InvalidParameterValue")
    assert not is_stale("InvalidGroup.Duplicate")


def answer(code: str, message: str = "", status: int = 400, operation: str = "CreateFleet") -> ClientError:
    """What boto3 raises for AWS's answer."""
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]  # the rest is of no interest
        operation,
    )


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        (NoCredentialsError(), CloudDenied, "configure-aws-credentials"),
        (ProfileNotFound(profile="lab"), ConfigError, "AWS_PROFILE"),
        (ConfigParseError(path="/x"), ConfigError, "AWS's own files"),
        (InvalidConfigError(error_msg="no such source_profile"), ConfigError, "AWS's own files"),
        (InvalidRegionError(region_name="us east 1"), ConfigError, "AWS_REGION"),
        (LoginRefreshRequired(), CloudDenied, "AWS_PROFILE"),
        (ResponseParserError("invalid XML received"), CloudUnavailable, "network"),
        (EndpointConnectionError(endpoint_url="http://x"), CloudUnavailable, "network"),
        (ReadTimeoutError(endpoint_url="http://x"), CloudUnavailable, "network"),
        (ParamValidationError(report="no"), LaunchRejected, ""),
        (answer("RequestLimitExceeded", status=503), CloudThrottled, "poll less often"),
        (answer("InvalidClientTokenId", status=403), CloudDenied, "get-caller-identity"),
        (answer("ExpiredToken"), CloudDenied, "aws sso login"),
    ],
)
def test_every_exception_of_boto3_becomes_one_of_ours(fault: Exception, error: type[RunnerkitError], says: str) -> None:
    """With what was being done, and a hint."""
    told = error_of(fault, "launching rk-1-1")
    assert type(told) is error
    assert told.message.startswith("launching rk-1-1")
    assert says in told.hint


@pytest.mark.parametrize(
    ("operation", "message", "permission"),
    [
        ("CreateFleet", "You are not authorized to perform this operation.", "ec2:CreateFleet"),
        ("GetParameter", "", "ssm:GetParameter"),
        ("CreateFleet", "User: x is not authorized to perform: ec2:CreateTags on resource: y", "ec2:CreateTags"),
        ("CreateFleet", "not authorized to perform: iam:PassRole on resource: z", "iam:PassRole"),
    ],
)
def test_a_missing_permission_is_the_one_in_the_message_or_else_the_call(
    operation: str, message: str, permission: str
) -> None:
    """A fleet needs several permissions; the message knows which was missing."""
    told = error_of(answer("UnauthorizedOperation", message, 403, operation), "x")
    assert f"the permission {permission} is missing" in told.message


@pytest.mark.parametrize(
    ("fault", "lost"),
    [
        (ReadTimeoutError(endpoint_url="http://x"), True),
        (ResponseParserError("cut short"), True),
        (answer("InternalError", status=500), True),
        (answer("RequestLimitExceeded", status=503), False),
        (answer("InvalidLaunchTemplateId.NotFound"), False),
        (answer("InsufficientInstanceCapacity", status=500), False),
        (answer("InvalidParameterValue"), False),
    ],
)
def test_an_outcome_is_unknown_without_an_answer_or_when_aws_failed(fault: Exception, lost: bool) -> None:
    """A throttle and a refusal are answers: nothing was started."""
    assert was_lost(fault) is lost


@pytest.mark.parametrize(
    ("type_name", "market", "code"),
    [
        ("g5.xlarge", Market.SPOT, "L-3819A6DF"),
        ("g6e.xlarge", Market.ON_DEMAND, "L-DB2E81BA"),
        ("vt1.3xlarge", Market.SPOT, "L-3819A6DF"),
        ("p4d.24xlarge", Market.SPOT, "L-7212CCBC"),
        ("p5.48xlarge", Market.SPOT, "L-C4BD4855"),
        ("p5.48xlarge", Market.ON_DEMAND, "L-417A185B"),
        ("p6-b200.48xlarge", Market.SPOT, ""),
        ("m7i.large", Market.SPOT, "L-34B43A08"),
        ("c8g.large", Market.ON_DEMAND, "L-1216C47A"),
    ],
)
def test_each_class_of_types_has_its_quotas(type_name: str, market: Market, code: str) -> None:
    """By the code that Service Quotas knows; one that is not certain is named without."""
    assert quota_for(type_name, market).code == code


def test_types_that_share_a_quota_class_share_a_quota() -> None:
    """The core leaves out what a quota speaks for: it must mean the same classes."""
    names = [
        "g4dn.xlarge",
        "g5.xlarge",
        "gr6.4xlarge",
        "vt1.3xlarge",
        "p4d.24xlarge",
        "m7i.large",
        "t3.micro",
        "c5.large",
    ]
    for one in names:
        for other in names:
            same = quota_for(one, Market.ON_DEMAND) == quota_for(other, Market.ON_DEMAND)
            assert (quota_class(one) == quota_class(other)) is same


def test_who_signs_in_by_an_address_is_not_told() -> None:
    """An endpoint or a proxy may have a password in its address, and botocore quotes it."""
    error = error_of(EndpointConnectionError(endpoint_url="http://me:hush@127.0.0.1:9/x?a=b@c"), "looking")
    assert 'http://127.0.0.1:9/x?a=b@c"' in error.message
    assert "hush" not in f"{error!r}{error.message}"


OLDER = """
import boto3.session
from botocore import exceptions
vars(exceptions).pop("LoginError", None)
from runnerkit.ec2 import Ec2Cloud
print(Ec2Cloud.__name__)
"""


def test_an_older_botocore_will_do() -> None:
    """DVC's S3 holds it back; what came after the oldest release that we allow may be missing."""
    done = subprocess.run([sys.executable, "-c", OLDER], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "Ec2Cloud\n"
