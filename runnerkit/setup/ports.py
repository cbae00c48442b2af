"""What this package needs of an AWS account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.setup.words import Found, Resource


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking, and in which account."""

    account: str
    partition: str
    arn: str


class Account(Protocol):
    """One AWS account, as whoever sets it up sees it.

    Every method raises :class:`runnerkit.errors.CloudDenied`, ``CloudThrottled``, ``CloudUnavailable``,
    ``LaunchRejected`` or ``ConfigError``. What is gone already counts as removed.
    """

    def identity(self) -> Identity:
        """The account, and who is asking."""

    def regions(self) -> Sequence[str]:
        """The regions of the configuration, or the one of AWS's own."""

    def vpc(self, region: str) -> str:
        """The VPC that machines of a region are launched in."""

    def vpcs(self, region: str, group: str) -> Sequence[str]:
        """The VPCs of a region that have a security group of this name."""

    def look(self, resource: Resource) -> Found | None:
        """The thing as it is; None when there is none."""

    def make(self, resource: Resource) -> bool:
        """Make it, with its tags from its first moment on; whether it was made, and not there already."""

    def mend(self, resource: Resource, found: Found) -> None:
        """Let what is there be as the table says."""

    def remove(self, resource: Resource, found: Found) -> None:
        """Remove it, with all that belongs to it."""

    def users(self, resource: Resource, found: Found, ours: Sequence[str]) -> Sequence[str]:
        """Who uses it, in words; ``ours`` are names of things that go as well, and so do not count."""

    def machines(self, owner: str, regions: Sequence[str]) -> Sequence[str]:
        """The ids of the owner's instances that are not terminated."""
