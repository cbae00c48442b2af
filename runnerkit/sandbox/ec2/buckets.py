"""EC2's request limits: one token bucket per account, region and action.

The figures are those of the EC2 developer guide on API throttling.
"""

from __future__ import annotations

from dataclasses import dataclass

from runnerkit.sandbox.ec2.errors import AwsError

READS = (100.0, 20.0)
UNFILTERED_READS = (50.0, 10.0)
WRITES = (50.0, 5.0)
HEAVY_LISTS = {
    "DescribeInstances",
    "DescribeInstanceStatus",
    "DescribeNetworkInterfaces",
    "DescribeSecurityGroups",
    "DescribeSnapshots",
    "DescribeSpotInstanceRequests",
    "DescribeVolumes",
}
OWN = {
    "CopyImage": (100.0, 1.0),
    "CreateLaunchTemplateVersion": (100.0, 5.0),
    "CreateSnapshot": (100.0, 5.0),
    "CreateTags": (100.0, 10.0),
    "CreateVolume": (100.0, 5.0),
    "DeleteTags": (100.0, 10.0),
    "DeregisterImage": (100.0, 5.0),
    "ModifyLaunchTemplate": (100.0, 5.0),
    "RunInstances": (5.0, 2.0),
    "TerminateInstances": (100.0, 5.0),
}
"""Action: (bucket size, tokens a second)."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Buckets:
    """The buckets of one account. They do nothing until enabled."""

    def __init__(self) -> None:
        self.enabled = False
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def spend(self, region: str, action: str, *, narrowed: bool, now: float) -> None:
        """Take one token; ``narrowed`` tells that a read has a filter, ids or a page size.

        Raises:
            AwsError: RequestLimitExceeded; the bucket is empty.
        """
        if not self.enabled:
            return
        name, (size, rate) = _limits(action, narrowed=narrowed)
        bucket = self._buckets.setdefault((region, name), _Bucket(size, now))
        bucket.tokens = min(size, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.tokens < 1:
            raise AwsError("RequestLimitExceeded")
        bucket.tokens -= 1

    def clear(self) -> None:
        """Fill every bucket and stop limiting."""
        self.enabled = False
        self._buckets.clear()


def _limits(action: str, *, narrowed: bool) -> tuple[str, tuple[float, float]]:
    if action in OWN:
        return action, OWN[action]
    if action in HEAVY_LISTS and not narrowed:
        return f"{action} unfiltered", UNFILTERED_READS
    if action.startswith(("Describe", "Get", "List")):
        return action, READS
    return action, WRITES
