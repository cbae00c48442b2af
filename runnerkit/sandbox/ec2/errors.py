"""AWS's refusals, with the status and the wording that clients see."""

from __future__ import annotations

STATUS = {
    "AuthFailure": 401,
    "DryRunOperation": 412,
    "EC2ThrottledException": 503,
    "InsufficientCapacity": 500,
    "InsufficientHostCapacity": 500,
    "InsufficientInstanceCapacity": 500,
    "InsufficientReservedInstanceCapacity": 500,
    "InsufficientVolumeCapacity": 500,
    "InternalError": 500,
    "InternalFailure": 500,
    "RequestLimitExceeded": 503,
    "ServerInternal": 500,
    "ServiceUnavailable": 503,
    "ThrottlingException": 400,
    "Unavailable": 503,
    "UnauthorizedOperation": 403,
}
"""HTTP status by error code; every other code is a 400. botocore retries 5xx by itself, so this matters."""

MESSAGES = {
    "AuthFailure": "AWS was not able to validate the provided access credentials",
    "DryRunOperation": "Request would have succeeded, but DryRun flag is set.",
    "ExpiredToken": "The security token included in the request is expired",
    "InsufficientInstanceCapacity": "There is no capacity available that matches your request.",
    "InternalError": "An internal error has occurred",
    "MaxSpotInstanceCountExceeded": "Max spot instance count exceeded",
    "RequestExpired": "Request has expired.",
    "RequestLimitExceeded": "Request limit exceeded.",
    "ServiceUnavailable": "The service is unavailable. Please try again shortly.",
    "UnfulfillableCapacity": (
        "Unable to fulfill capacity due to your request configuration. Please adjust your request and try again."
    ),
    "Unavailable": "The service is unavailable. Please try again shortly.",
}

SENDER_LIMIT = 500


class AwsError(Exception):
    """A refusal that goes to the client as AWS would word it.

    Args:
        code: AWS's error code, for example ``InvalidAMIID.NotFound``.
        message: AWS's sentence; the usual one for the code when empty.
        status: HTTP status; the usual one for the code when not given.
    """

    def __init__(self, code: str, message: str = "", status: int | None = None) -> None:
        self.code = code
        self.message = message or MESSAGES.get(code, f"The request was refused: {code}.")
        self.status = status or STATUS.get(code, 400)
        super().__init__(f"{code}: {self.message}")

    @property
    def burns_token(self) -> bool:
        """Whether AWS remembers the client token of the failed call: it does when the fault was not the sender's."""
        return self.status >= SENDER_LIMIT


def missing(parameter: str) -> AwsError:
    """A required parameter was not sent."""
    return AwsError("MissingParameter", f"The request must contain the parameter {parameter}")


def unknown_instances(instance_ids: list[str]) -> AwsError:
    """One or more instances do not exist, or are not visible yet."""
    if len(instance_ids) == 1:
        return AwsError("InvalidInstanceID.NotFound", f"The instance ID '{instance_ids[0]}' does not exist")
    listed = ", ".join(instance_ids)
    return AwsError("InvalidInstanceID.NotFound", f"The instance IDs '{listed}' do not exist")
