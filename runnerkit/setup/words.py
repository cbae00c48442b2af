"""Values: what is wanted, where, and one thing that there should be."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from runnerkit.names import TAG_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

SETUP = f"{TAG_PREFIX}setup"
# The value of that tag: who made a thing, and so who may change and remove it.
DIRECT, STACK = "aws", "cloudformation"
GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
# Of roles, functions and rules.
NAME_LIMIT = 64
_DIGITS = 8


class Kind(StrEnum):
    """CloudFormation's word for each kind of thing."""

    PROVIDER = "AWS::IAM::OIDCProvider"
    SPOT_ROLE = "AWS::IAM::ServiceLinkedRole"
    ROLE = "AWS::IAM::Role"
    PROFILE = "AWS::IAM::InstanceProfile"
    GROUP = "AWS::EC2::SecurityGroup"
    BUDGET = "AWS::Budgets::Budget"
    LOG = "AWS::Logs::LogGroup"
    FUNCTION = "AWS::Lambda::Function"
    RULE = "AWS::Events::Rule"
    PERMISSION = "AWS::Lambda::Permission"

    @property
    def spoken(self) -> str:
        """For people."""
        return _SPOKEN[self]


_SPOKEN = {
    Kind.PROVIDER: "identity provider",
    Kind.SPOT_ROLE: "service-linked role",
    Kind.ROLE: "role",
    Kind.PROFILE: "instance profile",
    Kind.GROUP: "security group",
    Kind.BUDGET: "budget",
    Kind.LOG: "log group",
    Kind.FUNCTION: "function",
    Kind.RULE: "schedule",
    Kind.PERMISSION: "permission",
}
# What an account has once, for everybody in it: made when it is missing, never changed.
SHARED = frozenset({Kind.PROVIDER, Kind.SPOT_ROLE})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to be set up.

    Attributes:
        owner: The installation, as in the tag ``runnerkit:owner``.
        tags: Tags of the configuration, which everything gets.
        repos: Who may be the roles: ``OWNER/NAME``, or ``OWNER/*`` for all of an organisation. Either part may carry
            GitHub's number of it, as in ``OWNER@123/NAME@456``.
        environments: GitHub's environments whose jobs may be the launch role.
        branches: Branches whose jobs may be it without an environment.
        any_job: Every job of the repositories may be it, pull requests' included.
        issuer: Who signs the tokens about jobs.
        burst: ``secrets = "ssm"``: machines get a role that reads their own parameter.
        bake: Images are baked with the launch role.
        batch: ``runnerkit batch`` is used with it.
        connect: ``runnerkit connect`` is.
        journal: ``BUCKET/PREFIX`` of the journal.
        data: ``BUCKET/PREFIX`` of the DVC remote; there is a role for jobs then.
        topics: SNS topics that jobs may tell.
        profile: Machines may be given the jobs' role, for jobs of days.
        budget: Dollars a month; 0: no budget.
        emails: Whom the budget tells.
        topic: The SNS topic that the budget tells.
        deadman: Whether there is a dead-man's switch.
        groups: Whether security groups are made; not when some are configured.
    """

    owner: str = "runnerkit"
    tags: Mapping[str, str] = field(default_factory=dict)
    repos: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    any_job: bool = False
    issuer: str = GITHUB_ISSUER
    burst: bool = False
    bake: bool = False
    batch: bool = False
    connect: bool = False
    journal: str = ""
    data: str = ""
    topics: tuple[str, ...] = ()
    profile: bool = False
    budget: float = 0.0
    emails: tuple[str, ...] = ()
    topic: str = ""
    deadman: bool = True
    groups: bool = True

    @property
    def group(self) -> str:
        """The name of security groups, by which launches find theirs."""
        return f"runnerkit-{self.owner}"

    def name(self, part: str) -> str:
        """The name of a thing of ours; a digest stands for what is too long.

        >>> Wanted(owner="ml").name("launch")
        'runnerkit-ml-launch'
        """
        text = f"runnerkit-{self.owner}-{part}"
        if len(text) <= NAME_LIMIT:
            return text
        short = hashlib.sha256(self.owner.encode()).hexdigest()[:_DIGITS]
        room = NAME_LIMIT - len(f"runnerkit--{short}-{part}")
        return f"runnerkit-{self.owner[:room]}-{short}-{part}"


@dataclass(frozen=True, slots=True)
class Where:
    """The account, and where in it.

    Attributes:
        account: Its number.
        partition: ``aws``, ``aws-cn``, ``aws-eusc`` or ``aws-us-gov``.
        regions: The regions that machines are launched in; the schedule is in the first one.
        vpcs: The VPC of each region in which a security group is made.
    """

    account: str
    partition: str
    regions: tuple[str, ...]
    vpcs: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> str:
        """Where the things are that there is one of."""
        return self.regions[0]

    def arn(self, service: str, rest: str, region: str = "") -> str:
        """The ARN of a thing in the account."""
        return f"arn:{self.partition}:{service}:{region}:{self.account}:{rest}"


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing that there should be.

    Attributes:
        key: Its name in the table and in a template.
        kind: What it is.
        name: AWS's name for it.
        properties: CloudFormation's properties, without tags.
        tags: What marks it as ours.
        why: What it is for.
        region: Where; empty for what has no region.
        needs: Keys of what must be there first.
    """

    key: str
    kind: Kind
    name: str
    properties: Mapping[str, Any]
    tags: Mapping[str, str]
    why: str
    region: str = ""
    needs: tuple[str, ...] = ()

    @property
    def spoken(self) -> str:
        """For people: what, which, where."""
        return f"{self.kind.spoken} {self.name}" + (f" in {self.region}" if self.region else "")


@dataclass(frozen=True, slots=True)
class Found:
    """A thing as it is.

    Attributes:
        properties: Those of :attr:`Resource.properties` that AWS tells, in the same shape.
        tags: Its tags.
        extras: What somebody else has added to it, in words.
        id: AWS's id or ARN of it, where it is not called by its name.
    """

    properties: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)
    extras: tuple[str, ...] = ()
    id: str = ""
