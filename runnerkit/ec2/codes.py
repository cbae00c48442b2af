"""What each of AWS's error codes means for us: one table over HTTP errors and the ``Errors`` of a fleet.

The codes and their meanings are those of https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
and of the fleets that Karpenter and terraform-aws-github-runner met in production.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from runnerkit.errors import CloudDenied, CloudError, CloudThrottled, CloudUnavailable, ImageMissing, LaunchRejected
from runnerkit.errors import NoCapacity as Capacity
from runnerkit.model import Breadth


class Remedy(StrEnum):
    """What may help against an error."""

    ELSEWHERE = "elsewhere"  # another type, zone or subnet
    OTHER_MARKET = "other-market"  # spot instead of on-demand or the other way round
    OTHER_REGION = "other-region"
    WAIT = "wait"  # the same call again, later
    TERMINAL = "terminal"  # nothing but somebody's change


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row: what is raised, what may help, how much of the market it speaks for, and the words for people.

    ``breadth`` is None when the code does not refuse an offering.
    """

    error: type[CloudError]
    remedy: Remedy
    breadth: Breadth | None = None
    hint: str = ""


def _refused(breadth: Breadth, remedy: Remedy = Remedy.ELSEWHERE, hint: str = "") -> Verdict:
    return Verdict(Capacity, remedy, breadth, hint)


def _wrong(hint: str = "", error: type[CloudError] = LaunchRejected) -> Verdict:
    return Verdict(error, Remedy.TERMINAL, None, hint)


_EMPTY_POOL = _refused(Breadth.POOL)
_NOT_THERE = _refused(Breadth.TYPE_IN_ZONE)
_ACCOUNT_LIMIT = _refused(
    Breadth.REGION, Remedy.OTHER_REGION, "end fleets or raise the limit in Service Quotas, or allow another region"
)
_QUOTA = _refused(Breadth.QUOTA, Remedy.OTHER_MARKET, "raise the vCPU quota of this class of types in Service Quotas")
_THROTTLED = Verdict(CloudThrottled, Remedy.WAIT, None, "wait a minute; if it goes on, poll less often")
_AWS_SIDE = Verdict(CloudUnavailable, Remedy.WAIT, None, "try again in some minutes; see https://health.aws.amazon.com")
_NOT_YET = Verdict(CloudUnavailable, Remedy.WAIT, None, "AWS may need some seconds to know what was just made")
_ACCOUNT = _wrong("the account itself is the matter: see the account's page in the console, or ask AWS support")
_EXPIRED = _wrong(
    "get fresh ones: `aws sso login`, or in a workflow run aws-actions/configure-aws-credentials again", CloudDenied
)
_BAD_KEYS = _wrong(
    "check with `aws sts get-caller-identity`; set AWS_PROFILE, [aws] profile, or the AWS_ACCESS_KEY_ID family",
    CloudDenied,
)
_DENIED = _wrong(error=CloudDenied)
_TOKEN_USED = Verdict(CloudUnavailable, Remedy.TERMINAL, None, "the next pass reads what there is and uses a new token")
_IMAGE = _wrong("check it with `aws ec2 describe-images`; it may have been deleted, or not be shared", ImageMissing)
_NETWORK = _wrong("check [aws] subnets and security_groups: they must exist there and be of one VPC")
_PARAMETER = _wrong()

TABLE: dict[str, Verdict] = {
    # capacity
    "InsufficientInstanceCapacity": _EMPTY_POOL,
    "UnfulfillableCapacity": _EMPTY_POOL,
    "InsufficientCapacity": _EMPTY_POOL,
    "InsufficientHostCapacity": _EMPTY_POOL,
    "InsufficientReservedInstanceCapacity": _EMPTY_POOL,
    "ReservationCapacityExceeded": _EMPTY_POOL,
    "SpotMaxPriceTooLow": _EMPTY_POOL,
    "InsufficientVolumeCapacity": _refused(Breadth.ZONE),
    "InsufficientFreeAddressesInSubnet": _refused(Breadth.ZONE, hint="use larger subnets in [aws] subnets"),
    "Unsupported": _NOT_THERE,
    "InvalidFleetConfiguration": _NOT_THERE,
    "InvalidInstanceType": _NOT_THERE,
    "InvalidInstanceType.NotFound": _NOT_THERE,
    # quotas and limits
    "MaxSpotInstanceCountExceeded": _QUOTA,
    "VcpuLimitExceeded": _QUOTA,
    "InstanceLimitExceeded": _QUOTA,
    "MaxFleetCountExceeded": _ACCOUNT_LIMIT,
    "ResourceLimitExceeded": _ACCOUNT_LIMIT,
    "TargetCapacityLimitExceededException": _ACCOUNT_LIMIT,
    "MaxSpotFleetRequestCountExceeded": _ACCOUNT_LIMIT,
    "VolumeLimitExceeded": _ACCOUNT_LIMIT,
    "AuthFailure.ServiceLinkedRoleCreationNotPermitted": _refused(
        Breadth.MARKET,
        Remedy.OTHER_MARKET,
        "once, with sufficient rights: aws iam create-service-linked-role --aws-service-name spot.amazonaws.com",
    ),
    # wait
    "RequestLimitExceeded": _THROTTLED,
    "EC2ThrottledException": _THROTTLED,
    "InternalError": _AWS_SIDE,
    "InternalFailure": _AWS_SIDE,
    "Unavailable": _AWS_SIDE,
    "ServiceUnavailable": _AWS_SIDE,
    "ServerInternal": _AWS_SIDE,
    "InvalidInstanceID.NotFound": _NOT_YET,
    "InvalidSpotInstanceRequestID.NotFound": _NOT_YET,
    "InvalidLaunchTemplateId.NotFound": _NOT_YET,
    "InvalidLaunchTemplateId.NotFoundException": _NOT_YET,
    "InvalidLaunchTemplateName.NotFoundException": _NOT_YET,
    "IdempotentInstanceTerminated": _TOKEN_USED,
    "IdempotentParameterMismatch": _TOKEN_USED,
    # account, credentials, permissions
    "PendingVerification": _ACCOUNT,
    "OptInRequired": _ACCOUNT,
    "Blocked": _ACCOUNT,
    "FreeTierInstanceTypeIneligible": _ACCOUNT,
    "UnauthorizedOperation": _DENIED,
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
    "AuthFailure": _BAD_KEYS,
    "InvalidClientTokenId": _BAD_KEYS,
    "UnrecognizedClientException": _BAD_KEYS,
    "SignatureDoesNotMatch": _BAD_KEYS,
    "MissingAuthenticationToken": _BAD_KEYS,
    "IncompleteSignature": _BAD_KEYS,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "RequestExpired": _wrong("the clock of this machine is wrong, or the request waited too long", CloudDenied),
    # configuration
    "InvalidSubnetID.NotFound": _NETWORK,
    "InvalidGroup.NotFound": _NETWORK,
    "InvalidUserData.Malformed": _wrong("user data holds at most 16 KB: shorten the start-up script"),
    "InvalidBlockDeviceMapping": _wrong("check disk=: it cannot be smaller than the image's own root disk"),
    # handing over
    "TooManyUpdates": _THROTTLED,
    "ParameterAlreadyExists": _wrong("another hand-over wrote it; the machine is given up and another one started"),
    "ParameterLimitExceeded": _wrong("delete parameters there, or raise the limit in Service Quotas"),
    "ParameterMaxVersionLimitExceeded": _wrong("delete the parameter; nobody but us should write it"),
    "InvalidKeyId": _wrong("the KMS key of Parameter Store (alias/aws/ssm) cannot be used there"),
    "ParameterNotFound": _wrong("no such SSM parameter there: check the image's ssm name", ImageMissing),
}
PREFIXES: tuple[tuple[str, Verdict], ...] = (
    ("InvalidAMIID.", _IMAGE),
    ("InvalidSubnet", _NETWORK),
    ("InvalidGroup", _NETWORK),
    ("InvalidSecurityGroup", _NETWORK),
    ("InvalidLaunchTemplate", _PARAMETER),
    ("InvalidParameter", _PARAMETER),
    ("InvalidUserData", TABLE["InvalidUserData.Malformed"]),
    ("Throttling", _THROTTLED),
)
_UNKNOWN = _wrong("look the code up in AWS's list of EC2 error codes; nothing was launched")
_STALE = (
    "InvalidSubnetID.NotFound",
    "InvalidGroup.NotFound",
    "InvalidAMIID.",
    "InvalidLaunchTemplateId.NotFound",
    "InvalidLaunchTemplateName.NotFound",
)
_SERVER_SIDE = 500


def verdict(code: str, message: str = "", *, status: int = 400, in_fleet: bool = False) -> Verdict:
    """What a code means.

    Args:
        code: AWS's error code.
        message: The text beside it; a few codes stand for different things.
        status: The HTTP status of the answer; for an unknown code it tells whose side is at fault.
        in_fleet: Whether it came in the ``Errors`` of a fleet, where it speaks of one pool, not of the whole call.
    """
    if code.startswith("AuthFailure") and "authorized for images" in message:
        return _IMAGE
    if code.startswith("InvalidParameter") and "User data is limited" in message:
        return TABLE["InvalidUserData.Malformed"]
    if code == "InvalidFleetConfiguration" and not in_fleet:
        return _PARAMETER
    known = TABLE.get(code) or next((row for prefix, row in PREFIXES if code.startswith(prefix)), None)
    return known or (_AWS_SIDE if status >= _SERVER_SIDE else _UNKNOWN)


def is_stale(code: str) -> bool:
    """Whether the code may only mean that something we remember (subnet, group, image, template) is gone."""
    return code.startswith(_STALE)
