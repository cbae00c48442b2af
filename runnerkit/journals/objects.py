"""Objects of one S3 bucket as the journal needs them, and what is said when S3 refuses."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from runnerkit.stores.trouble import DELETE, GET, LIST, PUT, S3Call, explained, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NAME, SET_WHERE = "the journal", "[journal]"
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
        with self._told(LIST):
            pages = self._client().get_paginator("list_objects_v2")
            found = pages.paginate(Bucket=self._bucket, Prefix=prefix, StartAfter=after)
            return [each["Key"] for page in found for each in page.get("Contents", [])]

    def get(self, key: str) -> bytes | None:
        """By GetObject."""
        with self._told(GET):
            try:
                return bytes(self._client().get_object(Bucket=self._bucket, Key=key)["Body"].read())
            except self._client().exceptions.NoSuchKey:
                return None

    def put(self, key: str, content: bytes) -> None:
        """By PutObject."""
        with self._told(PUT):
            self._client().put_object(Bucket=self._bucket, Key=key, Body=content, ContentType="application/x-ndjson")

    def delete(self, keys: Sequence[str]) -> None:
        """By DeleteObjects, a thousand a call."""
        for first in range(0, len(keys), DELETED_AT_ONCE):
            some = [{"Key": key} for key in keys[first : first + DELETED_AT_ONCE]]
            with self._told(DELETE):
                answer = self._client().delete_objects(Bucket=self._bucket, Delete={"Objects": some, "Quiet": True})
            for error in answer.get("Errors", []):
                raise told(
                    error["Code"], error.get("Message", ""), DELETE, NAME, (self._bucket, self._prefix), SET_WHERE
                )

    def _client(self) -> Any:  # noqa: ANN401 - boto3's clients are made at run time
        with self._lock:
            if self._made is None:
                self._made = self._connect()
            return self._made

    @contextmanager
    def _told(self, call: S3Call) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (ClientError, BotoCoreError) as fault:
            raise explained(fault, call, NAME, self._bucket, self._prefix, set_where=SET_WHERE) from fault
