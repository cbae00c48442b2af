"""What each kind of thing needs to know how to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.ec2.clients import Clients
    from runnerkit.ports import Clock
    from runnerkit.setup.words import Found, Resource


class Handler(Protocol):
    """One kind of thing. Raises boto3's errors; what is gone counts as removed."""

    service: str

    def look(self, resource: Resource) -> Found | None:
        """The thing as it is; None when there is none."""

    def make(self, resource: Resource) -> None:
        """Make it. That it exists is an error here."""

    def mend(self, resource: Resource, found: Found) -> None:
        """Change what differs."""

    def remove(self, resource: Resource, found: Found) -> None:
        """Remove it."""

    def users(self, resource: Resource, found: Found, ours: Sequence[str]) -> list[str]:
        """Who uses it, in words."""


@dataclass(frozen=True)
class Ways:
    """What handlers work with: clients, a clock for what AWS needs some seconds to know, and the account's number."""

    clients: Clients
    clock: Clock
    account: str
    home: str

    def of(self, service: str, region: str = "") -> Any:  # noqa: ANN401 - boto3's clients are made at run time
        """The client for a service."""
        return self.clients.of(service, region or self.home)


def listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as most of AWS's services take them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def mapped(tags: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    """And as we keep them."""
    return {tag["Key"]: tag["Value"] for tag in tags or ()}


def differs(resource: Resource, found: Found, *names: str) -> bool:
    """Whether one of these properties is not as it should be."""
    from runnerkit.setup.differing import differences

    return bool(differences({name: resource.properties[name] for name in names}, found.properties))
