"""Score the newest batch of hours with the champion: ``score.py s3://BUCKET/PREFIX [SOURCE]``.

SOURCE is a key below ``PREFIX/incoming/``; without it the newest one there. What is written names the batch and the
model, so the same batch is scored once by each champion, however often this is started.
"""

from __future__ import annotations

import io
import sys
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import boto3
import rides
from botocore.exceptions import ClientError


def newest(s3: object, bucket: str, below: str) -> str | None:
    """Give the key that was written last, or None."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=below)
    found = [each for page in pages for each in page.get("Contents", []) if each["Key"].endswith(".csv")]
    return max(found, key=lambda each: (each["LastModified"], each["Key"]))["Key"] if found else None


def there(s3: object, bucket: str, key: str) -> bool:
    """Say whether an object exists."""
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"404", "NoSuchKey", "NotFound"}:
            return False
        raise
    return True


def main() -> None:
    """Fetch, score, write."""
    place, *named = [each for each in sys.argv[1:] if each]
    bucket, prefix = urlsplit(place).netloc, urlsplit(place).path.strip("/")
    s3 = boto3.client("s3")
    source = f"{prefix}/incoming/{named[0]}" if named else newest(s3, bucket, f"{prefix}/incoming/")
    if source is None:
        print(f"::notice title=Scores::nothing is incoming below {place}/incoming/")
        return
    import registry

    version = registry.champion()
    if version is None:
        raise SystemExit("there is no champion to score with")
    target = f"{prefix}/scored/{PurePosixPath(source).stem}-by-{version}.csv"
    if there(s3, bucket, target):
        print(f"::notice title=Scores::s3://{bucket}/{target} is there already")
        return
    hours = rides.load(io.BytesIO(s3.get_object(Bucket=bucket, Key=source)["Body"].read()))
    chances = registry.load(version).predict_proba(hours[list(rides.FIELDS)])
    scored = hours[["day", "hour"]].assign(
        label=[rides.LABELS[best] for best in chances.argmax(axis=1)], probability=chances.max(axis=1).round(4)
    )
    s3.put_object(Bucket=bucket, Key=target, Body=scored.to_csv(index=False).encode(), ContentType="text/csv")
    print(f"::notice title=Scores::{len(scored)} hours, scored by version {version}: s3://{bucket}/{target}")


if __name__ == "__main__":
    main()
