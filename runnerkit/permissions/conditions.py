"""Conditions and statements, as the tables of the uses need them. Pure.

Which action takes which resource and which key of a condition is from AWS's service authorization reference:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.names import TAG_PREFIX
from runnerkit.permissions.words import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runnerkit.permissions.words import Place

Conditions = dict[str, dict[str, tuple[str, ...]]]
EVERYTHING = ("*",)
OWNER = f"{TAG_PREFIX}owner"


def allow(
    sid: str,
    actions: str,
    resources: tuple[str, ...],
    why: str,
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]] | None = None,
) -> Statement:
    """A statement; ``actions`` are separated by spaces, and a service before a colon holds for those behind it."""
    named, service = [], ""
    for word in actions.split():
        before, colon, action = word.rpartition(":")
        service = before if colon else service
        named.append(f"{service}:{action}")
    return Statement(sid, tuple(sorted(named)), resources, conditions or {}, why)


def ours_to_be(place: Place) -> Conditions:
    """What is being made gets our tag in the same call."""
    return {"StringEquals": {f"aws:RequestTag/{OWNER}": (place.owner,)}}


def ours(place: Place) -> Conditions:
    """It carries our tag already."""
    return {"StringEquals": {f"aws:ResourceTag/{OWNER}": (place.owner,)}}


def ours_or_nobodys(place: Place) -> Conditions:
    """It gets our tag, and bears no other owner's."""
    return {**ours_to_be(place), "StringEqualsIfExists": {f"aws:ResourceTag/{OWNER}": (place.owner,)}}


def in_regions(place: Place) -> Conditions:
    """Where the call goes to; for actions that AWS limits to no resource."""
    return {"StringEquals": {"aws:RequestedRegion": place.regions}} if place.regions else {}


def below(prefix: str) -> Conditions:
    """A list of an S3 bucket that asks for a prefix. S3 takes the key of an object that is missing for its prefix, too.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html; what holds for a missing
    object is what the object store Ceph found of AWS's and does likewise (pull request 68577).
    """
    return {"StringLike": {"s3:prefix": (prefix, f"{prefix}/*")}} if prefix else {}


def passed_to(*services: str) -> Conditions:
    """A role that may be handed to these services of AWS only."""
    return {"StringEquals": {"iam:PassedToService": services}}
