"""What a session on a machine needs, what of it is there, and what to do about the rest.

Source: AWS's "Session Manager prerequisites": the agent on the machine, a role that lets it report, the AWS CLI and its
plugin here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from runnerkit.model import State

if TYPE_CHECKING:
    from runnerkit.model import Instance

ROLE_POLICY = "AmazonSSMManagedInstanceCore"
_ONLINE = "Online"


@dataclass(frozen=True, slots=True)
class Access:
    """What AWS knows about sessions on an instance.

    ``profile`` is the ARN of its instance profile, empty when it has none. ``agent`` is Systems Manager's word for its
    agent (``Online``, ``ConnectionLost``), empty when none ever reported. ``unknown`` says why that could not be asked.
    """

    profile: str
    agent: str
    unknown: str = ""


class Sessions(Protocol):
    """Session Manager, or what stands for it. Every method may raise the CloudError family."""

    def access(self, region: str, instance_id: str) -> Access:
        """What a session on this instance would meet."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a session needs. ``ok`` is None when nobody can tell; ``remedy`` says what to do then."""

    what: str
    ok: bool | None
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Tools:
    """Where the programs are that a session needs here; empty when they are not installed."""

    aws: str
    plugin: str


def checks(instance: Instance, access: Access | None, tools: Tools) -> list[Check]:
    """Everything that a session on a machine needs; ``access`` is None when the machine is not running."""
    here = [
        _running(instance),
        _program("the AWS CLI", tools.aws, "install it: the package `awscli`, or AWS's own installer for version 2"),
        _program("the plugin session-manager-plugin", tools.plugin, "install AWS's Session Manager plugin for the CLI"),
    ]
    return here if access is None else [*here, _profile(access), _agent(access)]


def missing(found: list[Check]) -> list[Check]:
    """The checks that failed."""
    return [check for check in found if check.ok is False]


def command(instance: Instance, tools: Tools, aws_profile: str | None = None) -> list[str]:
    """The program that opens the session, word by word."""
    words = [tools.aws or "aws", "ssm", "start-session", "--target", instance.id, "--region", instance.region]
    return [*words, "--profile", aws_profile] if aws_profile else words


def _running(instance: Instance) -> Check:
    remedy = f"`runnerkit logs {instance.id}` shows what it wrote"
    if instance.state is State.PENDING:
        remedy = "try again in a minute: it is about to start"
    return Check("the machine runs", instance.state is State.RUNNING, str(instance.state), remedy)


def _program(what: str, path: str, remedy: str) -> Check:
    return Check(what, bool(path), path or "not found on PATH", remedy)


def _profile(access: Access) -> Check:
    what = f"an instance profile with {ROLE_POLICY}"
    remedy = (
        f"say profile=NAME in the label, for a profile whose role has the policy {ROLE_POLICY} (policy key `profiles`"
        " must allow it); this machine can get one by `aws ec2 associate-iam-instance-profile`"
    )
    if access.profile:
        return Check(what, True if access.agent == _ONLINE else None, access.profile, remedy)
    # Systems Manager may have a role for all instances of the account.
    return Check(what, None if access.agent == _ONLINE else False, "none", remedy)


def _agent(access: Access) -> Check:
    what = "the SSM agent reports to Systems Manager"
    if access.unknown:
        remedy = "allow ssm:DescribeInstanceInformation in the IAM policy of your own credentials"
        return Check(what, None, f"unknown: {access.unknown}", remedy)
    remedy = (
        "it reports about a minute after the boot; if it never does, the image has no agent (baked images have one),"
        " the role does not let it, or the subnet has no way to Systems Manager (internet, or its VPC endpoints)"
    )
    return Check(what, access.agent == _ONLINE, access.agent or "it never has", remedy)
