"""Buckets and topics: the journal, the data of jobs, and who is told.

Resources and conditions after AWS's service authorization reference for S3 and SNS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.permissions.conditions import allow, below

if TYPE_CHECKING:
    from runnerkit.permissions.words import Place, Statement

ANY_TOPIC = "*"


def journal(place: Place) -> tuple[Statement, ...]:
    """Objects under the journal's prefix."""
    return _prefix(place, place.journal, "Journal", "s3:DeleteObject GetObject PutObject", "the journal")


def job(place: Place) -> tuple[Statement, ...]:
    """The DVC remote, and what a job keeps beside it under the same prefix."""
    what = "s3:AbortMultipartUpload DeleteObject GetObject PutObject"
    return _prefix(place, place.data, "Data", what, "the DVC remote, and what a job keeps beside it")


def notify(place: Place) -> tuple[Statement, ...]:
    """Topics."""
    topics = place.topics or (place.arn("sns", ANY_TOPIC),)
    return (allow("Tell", "sns:Publish", topics, "to tell of a run's start, success, failure and interruption"),)


def _prefix(place: Place, where: str, sid: str, actions: str, what: str) -> tuple[Statement, ...]:
    bucket, _, prefix = (where or "*").partition("/")
    prefix = prefix.strip("/")
    whole = place.arn("s3", bucket, region="", account="")
    return (
        allow(f"{sid}Objects", actions, (f"{whole}/{prefix}/*" if prefix else f"{whole}/*",), what),
        allow(f"{sid}List", "s3:ListBucket", (whole,), f"to list {what}", below(prefix)),
    )
