"""A store under a prefix of an S3 bucket."""

from __future__ import annotations

import mimetypes
import os
import secrets
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runnerkit.errors import CloudUnavailable
from runnerkit.job.stores import Kept, checked_key, checked_prefix, is_key
from runnerkit.stores.trouble import DELETE, GET, LIST, PUT, S3Call, explained, told

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# What a store calls, as permissions.
S3_ACTIONS = ("s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject")
DELETED_AT_ONCE = 1_000
_ABSENT = frozenset({"404", "NoSuchKey"})
# 412: somebody has written it. 409: somebody writes or deletes it at this moment, and the request has to be repeated.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
_TAKEN = frozenset({"PreconditionFailed", "412"})
_CONTENDED = frozenset({"ConditionalRequestConflict", "409"})
CONTENDED_TRIES = 5
# Tells a write of ours, whose answer was lost and which was repeated, from somebody else's.
WRITER = "runnerkit-writer"
# What is kept here may be replaced: browsers and caches ask whether it was.
CACHE = "no-cache"


class _Client:
    """A boto3 client that is made when it is first needed, and shared by all parts of a store."""

    def __init__(self, endpoint: str, profile: str, region: str) -> None:
        self._endpoint, self._profile, self._region = endpoint, profile, region
        self._lock = Lock()
        self._made: Any = None

    def at(self, region: str) -> _Client:
        return _Client(self._endpoint, self._profile, region)

    def get(self) -> Any:  # noqa: ANN401 - boto3's clients are made at run time
        with self._lock:
            if self._made is None:
                self._made = self._connect()
            return self._made

    def _connect(self) -> Any:  # noqa: ANN401 - as above
        import boto3
        from botocore.config import Config

        session: Any = boto3.Session(profile_name=self._profile or None)
        config = Config(
            connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 4},
            max_pool_connections=16, user_agent_extra="runnerkit", signature_version="s3v4",
        )  # fmt: skip
        region = self._region or os.environ.get("AWS_REGION") or session.region_name
        return session.client("s3", region_name=region, endpoint_url=self._endpoint or None, config=config)


class S3Store:
    """Objects under a prefix. S3 is strongly consistent: what was put is got and listed. Safe for threads."""

    def __init__(
        self, bucket: str, prefix: str = "", *, endpoint: str = "", profile: str = "", region: str = ""
    ) -> None:
        self.bucket = bucket
        self.prefix = prefix
        self._client = _Client(endpoint, profile, region)

    @property
    def address(self) -> str:
        """As AWS writes it."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def client(self) -> Any:  # noqa: ANN401 - boto3's clients are made at run time
        """The boto3 client."""
        return self._client.get()

    def put(self, key: str, content: bytes | Path, content_type: str = "") -> None:
        """By PutObject; large files in parts."""
        extra = {"ContentType": content_type or _guessed(key), "CacheControl": CACHE}
        with self._told(PUT):
            if isinstance(content, bytes):
                self.client.put_object(Bucket=self.bucket, Key=self.key(key), Body=content, **extra)
            else:
                self.client.upload_file(str(content), self.bucket, self.key(key), ExtraArgs=extra)

    def put_new(self, key: str, content: bytes) -> bool:
        """By PutObject with ``If-None-Match: *``."""
        from botocore.exceptions import ClientError

        writer = secrets.token_hex(8)
        for _ in range(CONTENDED_TRIES):
            with self._told(PUT):
                try:
                    self.client.put_object(
                        Bucket=self.bucket, Key=self.key(key), Body=content, IfNoneMatch="*", CacheControl=CACHE,
                        ContentType=_guessed(key), Metadata={WRITER: writer},
                    )  # fmt: skip
                except ClientError as error:
                    code = error.response["Error"]["Code"]
                    if code in _TAKEN:
                        return self._is_from(writer, key)
                    if code not in _CONTENDED:
                        raise
                else:
                    return True
        raise CloudUnavailable(f"{self.address}/{key} is being written by several at once", hint="try it again")

    def _is_from(self, writer: str, key: str) -> bool:
        from botocore.exceptions import ClientError

        try:
            head = self.client.head_object(Bucket=self.bucket, Key=self.key(key))
        except ClientError:  # deleted meanwhile, or not ours to read
            return False
        return bool(head.get("Metadata", {}).get(WRITER) == writer)

    def get(self, key: str) -> bytes | None:
        """By GetObject."""
        with self._told(GET):
            try:
                return bytes(self.client.get_object(Bucket=self.bucket, Key=self.key(key))["Body"].read())
            except self.client.exceptions.NoSuchKey:
                return None

    def fetch(self, key: str, target: Path) -> bool:
        """By GetObject, large ones in parts."""
        from botocore.exceptions import ClientError

        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{secrets.token_hex(6)}.runnerkit-draft")
        with self._told(GET):
            try:
                self.client.download_file(self.bucket, self.key(key), str(draft))
            except ClientError as error:
                if error.response["Error"]["Code"] in _ABSENT:
                    return False
                raise
            else:
                draft.replace(target)
            finally:
                draft.unlink(missing_ok=True)
        return True

    def listed(self, prefix: str = "") -> Sequence[Kept]:
        """By ListObjectsV2, a thousand a call."""
        start = self._start()
        wanted = start + checked_prefix(prefix)
        with self._told(LIST):
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=wanted)
            found = [each for page in pages for each in page.get("Contents", [])]
        kept = [Kept(each["Key"].removeprefix(start), each["Size"], each["LastModified"]) for each in found]
        # The console makes objects for folders, and others may have names that no key of ours has.
        return [each for each in kept if is_key(each.key)]

    def delete(self, keys: Sequence[str]) -> None:
        """By DeleteObjects, a thousand a call."""
        for first in range(0, len(keys), DELETED_AT_ONCE):
            some = [{"Key": self.key(key)} for key in keys[first : first + DELETED_AT_ONCE]]
            with self._told(DELETE):
                answer = self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": some, "Quiet": True})
            for error in answer.get("Errors", []):
                raise told(error["Code"], error.get("Message", ""), DELETE, *self._words())

    def at(self, region: str) -> S3Store:
        """The same place, signed and linked for the region in which the bucket is."""
        other = S3Store(self.bucket, self.prefix)
        other._client = self._client.at(region)
        return other

    def below(self, prefix: str) -> S3Store:
        """A longer prefix, over the same connections."""
        part = S3Store(self.bucket, self.key(prefix))
        part._client = self._client
        return part

    def link(self, key: str) -> str:
        """The object's page in AWS's console, for whoever may sign in there; it never expires."""
        said = self.client.meta.region_name
        region = said if said and said != "aws-global" else "us-east-1"
        place = f"{self.bucket}?region={region}&prefix={quote(self.key(key))}"
        return f"https://{region}.console.aws.amazon.com/s3/object/{place}"

    def key(self, key: str) -> str:
        """The whole key in the bucket."""
        return self._start() + checked_key(key)

    def _start(self) -> str:
        return f"{self.prefix}/" if self.prefix else ""

    def _words(self) -> tuple[str, tuple[str, str], str]:
        return "the store", (self.bucket, self.prefix), "--store"

    @contextmanager
    def _told(self, call: S3Call) -> Iterator[None]:
        from boto3.exceptions import Boto3Error, S3UploadFailedError
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except S3UploadFailedError as fault:
            # boto3 hides what S3 said.
            hidden = fault.__context__ if isinstance(fault.__context__, ClientError) else fault
            name, (bucket, prefix), where = self._words()
            raise explained(hidden, call, name, bucket, prefix, set_where=where) from fault
        except OSError as fault:
            what = f"{fault.filename or self.address} cannot be {'read' if call is PUT else 'written'}"
            raise CloudUnavailable(
                f"{what}: {fault.strerror or fault}", hint="see to the disk of this machine"
            ) from fault
        except (ClientError, BotoCoreError, Boto3Error) as fault:
            name, (bucket, prefix), where = self._words()
            raise explained(fault, call, name, bucket, prefix, set_where=where) from fault


def _guessed(key: str) -> str:
    return mimetypes.guess_type(key)[0] or "application/octet-stream"
