"""What is said when S3 refuses: which permission is missing on what, or whose side it is on."""

from __future__ import annotations

from dataclasses import dataclass

from runnerkit.errors import CloudDenied, CloudUnavailable, ConfigError, RunnerkitError

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_NOT_ALLOWED = frozenset({"AccessDenied", "AllAccessDisabled", "403"})
_NOT_US = frozenset(
    {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "TokenRefreshRequired"}
)
_NO_CREDENTIALS = frozenset({"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"})


@dataclass(frozen=True, slots=True)
class S3Call:
    """What is done and which permission it takes."""

    doing: str
    permission: str
    on_objects: bool = True


LIST = S3Call("listed", "s3:ListBucket", on_objects=False)
GET = S3Call("read", "s3:GetObject")
PUT = S3Call("written", "s3:PutObject")
DELETE = S3Call("tidied up", "s3:DeleteObject")


def explained(fault: Exception, call: S3Call, name: str, bucket: str, prefix: str, *, set_where: str) -> RunnerkitError:
    """The error for a reader.

    Args:
        fault: What botocore raised.
        call: What was being done.
        name: What the place is to the reader, such as "the journal".
        bucket: Where.
        prefix: Where in it.
        set_where: The setting that names the place.
    """
    # A body that breaks off has a response, too, which is None.
    error = (getattr(fault, "response", None) or {}).get("Error", {})
    return told(
        error.get("Code", type(fault).__name__),
        error.get("Message", str(fault)),
        call,
        name,
        (bucket, prefix),
        set_where,
    )


def told(code: str, words: str, call: S3Call, name: str, where: tuple[str, str], set_where: str) -> RunnerkitError:
    """The error for a code of AWS's."""
    bucket, prefix = where
    what = f"{name} s3://{bucket}/{prefix} cannot be {call.doing}"
    if code == "NoSuchBucket":
        return ConfigError(f"{what}: there is no bucket {bucket}", hint=f"make it, or set where in {set_where}")
    if code in _NOT_ALLOWED:
        resource = f"arn:aws:s3:::{bucket}" + (f"/{prefix}*" if call.on_objects else "")
        hint = f"allow {call.permission} on {resource} in the IAM policy of these credentials"
        return CloudDenied(f"{what}: the permission {call.permission} is missing ({words})", aws_code=code, hint=hint)
    if code in _NOT_US | _NO_CREDENTIALS:
        hint = "see to the AWS credentials of this process"
        return CloudDenied(f"{what}: AWS does not accept the credentials: {words}", aws_code=code, hint=hint)
    hint = "it is tried again; check the network and the endpoint settings if this lasts"
    return CloudUnavailable(f"{what}: {code}: {words}", aws_code=code, hint=hint)
