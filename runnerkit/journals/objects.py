"""Objects of one S3 bucket as the journal needs them, and what is said when S3 refuses."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from runnerkit.errors import CloudDenied, CloudUnavailable, ConfigError, RunnerkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_NOT_ALLOWED = frozenset({"AccessDenied", "AllAccessDisabled", "403"})
_NOT_US = frozenset(
    {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "TokenRefreshRequired"}
)
_NO_CREDENTIALS = frozenset({"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"})
DELETED_AT_ONCE = 1_000


class Objects(Protocol):
    """Where objects are. Every method may raise CloudDenied, CloudUnavailable and ConfigError."""

    def keys(self, prefix: str, after: str = "") -> Sequence[str]:
        """The keys that begin with a prefix and sort after another, sorted."""

    def get(self, key: str) -> bytes | None:
        """An object; None when there is none (any more)."""

    def put(self, key: str, content: bytes) -> None:
        """Write an object; who lists afterwards sees it."""

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; absent ones are removed."""


@dataclass(frozen=True, slots=True)
class _Call:
    """What is done and which permission it takes."""

    doing: str
    permission: str
    on_objects: bool = True


_LIST = _Call("listed", "s3:ListBucket", on_objects=False)
_GET = _Call("read", "s3:GetObject")
_PUT = _Call("written", "s3:PutObject")
_DELETE = _Call("tidied up", "s3:DeleteObject")


class S3Objects:
    """Objects on S3, which is strongly consistent: what was put is listed. Safe for threads; connects on first use.

    Args:
        bucket: The bucket.
        prefix: For messages only.
        connect: Makes the boto3 client.
    """

    def __init__(self, bucket: str, prefix: str, connect: Callable[[], Any]) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._connect = connect
        self._lock = Lock()
        self._made: Any = None

    def keys(self, prefix: str, after: str = "") -> Sequence[str]:
        """By ListObjectsV2, a thousand a call."""
        with self._told(_LIST):
            pages = self._client().get_paginator("list_objects_v2")
            found = pages.paginate(Bucket=self._bucket, Prefix=prefix, StartAfter=after)
            return [each["Key"] for page in found for each in page.get("Contents", [])]

    def get(self, key: str) -> bytes | None:
        """By GetObject."""
        with self._told(_GET):
            try:
                return bytes(self._client().get_object(Bucket=self._bucket, Key=key)["Body"].read())
            except self._client().exceptions.NoSuchKey:
                return None

    def put(self, key: str, content: bytes) -> None:
        """By PutObject."""
        with self._told(_PUT):
            self._client().put_object(Bucket=self._bucket, Key=key, Body=content, ContentType="application/x-ndjson")

    def delete(self, keys: Sequence[str]) -> None:
        """By DeleteObjects, a thousand a call."""
        for first in range(0, len(keys), DELETED_AT_ONCE):
            some = [{"Key": key} for key in keys[first : first + DELETED_AT_ONCE]]
            with self._told(_DELETE):
                answer = self._client().delete_objects(Bucket=self._bucket, Delete={"Objects": some, "Quiet": True})
            for error in answer.get("Errors", []):
                raise _explained(error["Code"], error.get("Message", ""), _DELETE, self._bucket, self._prefix)

    def _client(self) -> Any:  # noqa: ANN401 - boto3's clients are made at run time
        with self._lock:
            if self._made is None:
                self._made = self._connect()
            return self._made

    @contextmanager
    def _told(self, call: _Call) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (ClientError, BotoCoreError) as fault:
            error = getattr(fault, "response", {}).get("Error", {})
            code, words = error.get("Code", type(fault).__name__), error.get("Message", str(fault))
            raise _explained(code, words, call, self._bucket, self._prefix) from fault


def _explained(code: str, words: str, call: _Call, bucket: str, prefix: str) -> RunnerkitError:
    what = f"the journal s3://{bucket}/{prefix} cannot be {call.doing}"
    if code == "NoSuchBucket":
        return ConfigError(f"{what}: there is no bucket {bucket}", hint="make it, or set where in [journal]")
    if code in _NOT_ALLOWED:
        resource = f"arn:aws:s3:::{bucket}" + (f"/{prefix}*" if call.on_objects else "")
        hint = f"allow {call.permission} on {resource} in the IAM policy of these credentials"
        return CloudDenied(f"{what}: the permission {call.permission} is missing ({words})", aws_code=code, hint=hint)
    if code in _NOT_US | _NO_CREDENTIALS:
        hint = "see to the AWS credentials of this process"
        return CloudDenied(f"{what}: AWS does not accept the credentials: {words}", aws_code=code, hint=hint)
    hint = "it is tried again; check the network and the endpoint settings if this lasts"
    return CloudUnavailable(f"{what}: {code}: {words}", aws_code=code, hint=hint)
