"""The port :class:`runnerkit.setup.ports.Account` on boto3: who is asked about what."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from runnerkit.accounts.budgets import Budgets
from runnerkit.accounts.groups import Groups
from runnerkit.accounts.handler import Ways
from runnerkit.accounts.roles import Profiles, Providers, Roles, SpotRoles
from runnerkit.accounts.switch import Functions, Logs, Permissions, Rules
from runnerkit.accounts.trouble import exists, told
from runnerkit.ec2.cache import Cache
from runnerkit.ec2.clients import Clients
from runnerkit.ec2.network import Network
from runnerkit.setup.ports import Identity
from runnerkit.setup.words import Kind
from runnerkit.tags import OWNER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runnerkit.accounts.handler import Handler
    from runnerkit.ports import Clock
    from runnerkit.settings import AwsSettings
    from runnerkit.setup.words import Found, Resource

HANDLERS: Mapping[Kind, Callable[[Ways], Handler]] = {
    Kind.PROVIDER: Providers,
    Kind.SPOT_ROLE: SpotRoles,
    Kind.ROLE: Roles,
    Kind.PROFILE: Profiles,
    Kind.GROUP: Groups,
    Kind.BUDGET: Budgets,
    Kind.LOG: Logs,
    Kind.FUNCTION: Functions,
    Kind.RULE: Rules,
    Kind.PERMISSION: Permissions,
}
_LIVE = ["pending", "running", "stopping", "stopped", "shutting-down"]


class AwsAccount:
    """The account that the credentials belong to. Making one calls nobody.

    Args:
        settings: Section ``[aws]``.
        clock: For waiting until AWS knows what was just made.
        clients: The clients to use; by default those of the settings.
    """

    def __init__(self, settings: AwsSettings, clock: Clock, clients: Clients | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._clients = clients or Clients(settings)
        self._network = Network(settings, self._clients, Cache(None, clock))

    def identity(self) -> Identity:
        """GetCallerIdentity."""
        return self._identity

    @cached_property
    def _identity(self) -> Identity:
        with told("sts", "asking AWS who this is"):
            answer = self._clients.of("sts", self.regions()[0]).get_caller_identity()
        arn = str(answer["Arn"])
        return Identity(str(answer["Account"]), arn.split(":")[1], arn)

    def regions(self) -> Sequence[str]:
        """The regions of the configuration, or the one of AWS's own."""
        return self._clients.regions

    def vpc(self, region: str) -> str:
        """The VPC of the subnets that machines are launched in."""
        return next(iter(self._network.subnets(region).values())).vpc

    def vpcs(self, region: str, group: str) -> Sequence[str]:
        """DescribeSecurityGroups by name."""
        filters = [{"Name": "group-name", "Values": [group]}]
        with told("ec2", f"looking for security groups in {region}"):
            pages = self._clients.of("ec2", region).get_paginator("describe_security_groups").paginate(Filters=filters)
            return sorted(str(each["VpcId"]) for page in pages for each in page["SecurityGroups"])

    def look(self, resource: Resource) -> Found | None:
        """The thing as it is."""
        handler = self._handler(resource)
        with told(handler.service, f"looking at the {resource.spoken}"):
            return handler.look(resource)

    def make(self, resource: Resource) -> bool:
        """Make it; whether it was not there already."""
        handler = self._handler(resource)
        with told(handler.service, f"making the {resource.spoken}"):
            try:
                handler.make(resource)
            except ClientError as fault:
                if not exists(fault, resource.kind):
                    raise
                return False
        return True

    def mend(self, resource: Resource, found: Found) -> None:
        """Change what differs."""
        handler = self._handler(resource)
        with told(handler.service, f"changing the {resource.spoken}"):
            handler.mend(resource, found)

    def remove(self, resource: Resource, found: Found) -> None:
        """Remove it."""
        handler = self._handler(resource)
        with told(handler.service, f"removing the {resource.spoken}"):
            handler.remove(resource, found)

    def users(self, resource: Resource, found: Found, ours: Sequence[str]) -> Sequence[str]:
        """Who uses it."""
        handler = self._handler(resource)
        with told(handler.service, f"looking who uses the {resource.spoken}"):
            return handler.users(resource, found, ours)

    def machines(self, owner: str, regions: Sequence[str]) -> Sequence[str]:
        """DescribeInstances in every region, by the owner's tag."""
        filters = [{"Name": f"tag:{OWNER}", "Values": [owner]}, {"Name": "instance-state-name", "Values": _LIVE}]
        found = []
        for region in regions:
            with told("ec2", f"looking for machines in {region}"):
                pages = self._clients.of("ec2", region).get_paginator("describe_instances").paginate(Filters=filters)
                groups = [group for page in pages for group in page["Reservations"]]
            found += [each["InstanceId"] for group in groups for each in group["Instances"]]
        return found

    def _handler(self, resource: Resource) -> Handler:
        return self._handlers[resource.kind]

    @cached_property
    def _handlers(self) -> Mapping[Kind, Handler]:
        ways = Ways(self._clients, self._clock, self._identity.account, self.regions()[0])
        return {kind: make(ways) for kind, make in HANDLERS.items()}
