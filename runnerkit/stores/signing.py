"""What S3 alone can do for a reader: presigned addresses, and where a bucket is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runnerkit.job.signing import Signer
from runnerkit.stores.trouble import LIST, explained

if TYPE_CHECKING:
    from datetime import timedelta

    from runnerkit.job.stores import Store
    from runnerkit.stores.s3 import S3Store


def signer(store: S3Store) -> Signer:
    """Whose credentials a store has, and until when; credentials that are due are renewed first.

    Raises:
        CloudDenied: There are none.
    """
    from botocore.exceptions import BotoCoreError, NoCredentialsError

    credentials: Any = store.client._request_signer._credentials  # noqa: SLF001 - boto3 shows them nowhere else
    try:
        if credentials is None:
            raise NoCredentialsError
        frozen = credentials.get_frozen_credentials()
    except BotoCoreError as fault:
        raise explained(fault, LIST, "the store", store.bucket, store.prefix, set_where="--to") from fault
    # Credentials that botocore renews know when they end.
    expires = getattr(credentials, "_expiry_time", None)
    return Signer(str(credentials.method or "given"), bool(frozen.token) or expires is not None, expires)


def presigned(store: S3Store, key: str, holds: timedelta) -> str:
    """An address that anybody can read the thing with, for so long; see :mod:`runnerkit.job.signing`."""
    given = {"Bucket": store.bucket, "Key": store.key(key)}
    return str(store.client.generate_presigned_url("get_object", Params=given, ExpiresIn=int(holds.total_seconds())))


def region_of(store: S3Store) -> str:
    """The region in which the bucket is; empty when nobody says."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        headers = store.client.head_bucket(Bucket=store.bucket)["ResponseMetadata"]["HTTPHeaders"]
    except ClientError as error:
        # A redirection and a denial name the region, too.
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    except BotoCoreError:
        return ""
    return str(headers.get("x-amz-bucket-region", ""))


def in_own_region(store: Store) -> tuple[Store, str]:
    """The store in its bucket's own region, where links and signatures hold, and that region; empty when unknown."""
    from runnerkit.stores.s3 import S3Store

    there = region_of(store) if isinstance(store, S3Store) else ""
    if not isinstance(store, S3Store) or not there or store.client.meta.region_name == there:
        return store, there
    return store.at(there), there
