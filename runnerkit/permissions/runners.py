"""Runners: launching, looking at and ending machines, and what a burst and a shell need beside it.

Resources and conditions after AWS's service authorization reference for EC2 and for Systems Manager.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.permissions.conditions import (
    EVERYTHING,
    OWNER,
    allow,
    in_regions,
    ours,
    ours_or_nobodys,
    ours_to_be,
    passed_to,
)

if TYPE_CHECKING:
    from runnerkit.permissions.conditions import Conditions
    from runnerkit.permissions.words import Place, Statement

READS = (
    "ec2:DescribeImages DescribeInstanceTypeOfferings DescribeInstanceTypes DescribeInstances DescribeLaunchTemplates"
    " DescribeSecurityGroups DescribeSpotPriceHistory DescribeSubnets"
)
SPOT = "spot.amazonaws.com"
MAKERS = ("CreateFleet", "CreateLaunchTemplate", "CreateSecurityGroup", "RunInstances")
FLEET = "ec2:CreateFleet RunInstances"


def runners(place: Place) -> tuple[Statement, ...]:
    """What launching and sweeping needs."""
    return (
        ec2_read(place, f"{READS} DescribeVolumes"),
        *launching(place),
        allow(
            "Ec2ChangeOurs",
            "ec2:CreateTags DeleteSecurityGroup DeleteTags DeleteVolume GetConsoleOutput TerminateInstances",
            (place.arn("ec2", "*/*"),),
            "to mark, read and end machines of ours, and to sweep what launches left behind",
            ours(place),
        ),
        *stock_images(place),
        ssm_list(place),
        ssm_sweep(place),
    )


def burst(place: Place) -> tuple[Statement, ...]:
    """What ``secrets = "ssm"`` needs beside it.

    A parameter bears our tag from the start, so none that is there is overwritten (AWS takes no tags then), and none of
    another owner's becomes ours by a tag: a machine would be given a job of ours otherwise.
    """
    parameters = (place.arn("ssm", "parameter/runnerkit/*"),)
    why = "to write the parameter that a machine reads and deletes"
    return (
        allow("SsmGive", "ssm:PutParameter", parameters, why, ours_to_be(place)),
        allow("SsmGiveTags", "ssm:AddTagsToResource", parameters, why, ours_or_nobodys(place)),
    )


def connect(place: Place) -> tuple[Statement, ...]:
    """What ``runnerkit connect`` needs; a shell is for machines of ours only, and only who began it may end it."""
    documents = place.arn("ssm", "document/SSM-SessionManagerRunShell")
    session = place.arn("ssm", "session/${aws:userid}-*")
    return (
        ec2_read(place, "ec2:DescribeInstances"),
        allow(
            "SsmAgents",
            "ssm:DescribeInstanceInformation",
            EVERYTHING,
            "to see whether the machine's agent reports",
            in_regions(place),
        ),
        allow(
            "SsmShellOnOurs",
            "ssm:StartSession",
            (place.arn("ec2", "instance/*"),),
            "to open a shell on a machine of ours",
            ours(place),
        ),
        allow("SsmShell", "ssm:StartSession", (documents,), "the document that a plain shell is"),
        allow("SsmShellEnd", "ssm:TerminateSession", (session,), "to end one's own session"),
    )


def machine(place: Place) -> tuple[Statement, ...]:
    """The one statement of a machine's own role: its own parameter, by the tag that carries its id."""
    conditions = {"StringLike": {"ec2:SourceInstanceARN": ("*/${aws:ResourceTag/InstanceId}",)}}
    return (
        allow(
            "OwnParameter",
            "ssm:DeleteParameter GetParameter",
            (place.arn("ssm", "parameter/runnerkit/*"),),
            "to read and delete the parameter that was written for this machine",
            conditions,
        ),
    )


def ec2_read(place: Place, actions: str) -> Statement:
    """Reading: EC2 limits none of these to resources."""
    why = "to see machines, networks, images, prices and what is left over"
    return allow("Ec2Read", actions, EVERYTHING, why, in_regions(place))


def launching(place: Place, *, makers: tuple[str, ...] = MAKERS) -> tuple[Statement, ...]:
    """A launch, as builders of images need it, too; everything that it makes carries our tag from the start."""
    made, templates = _ec2(place, "fleet/*", "instance/*", "volume/*"), _ec2(place, "launch-template/*")
    inputs = (*_public(place, "image/*", "snapshot/*"), *_ec2(place, "network-interface/*", "security-group/*"))
    return (
        allow("Ec2LaunchOurs", FLEET, made, "to launch what carries our tag", ours_to_be(place)),
        allow(
            "Ec2LaunchFrom",
            FLEET,
            (*inputs, *_ec2(place, "subnet/*")),
            "what a launch is made from",
            in_regions(place),
        ),
        allow(
            "Ec2LaunchByOurTemplates",
            f"{FLEET} DeleteLaunchTemplate",
            templates,
            "by launch templates of ours, which go afterwards",
            ours(place),
        ),
        allow(
            "Ec2MakeOurs",
            "ec2:CreateLaunchTemplate CreateSecurityGroup",
            (*templates, *_ec2(place, "security-group/*")),
            "to make templates, and a group that lets nothing in",
            ours_to_be(place),
        ),
        allow(
            "Ec2GroupIn",
            "ec2:CreateSecurityGroup",
            _ec2(place, "vpc/*"),
            "the network of that group",
            in_regions(place),
        ),
        tagging(place, "Ec2TagWhatIsMade", makers),
        allow(
            "SpotOnce",
            "iam:CreateServiceLinkedRole",
            (place.arn("iam", f"role/aws-service-role/{SPOT}/*", region=""),),
            "for the first spot instance of an account",
            {"StringEquals": {"iam:AWSServiceName": (SPOT,)}},
        ),
        *_machine_roles(place),
    )


def tagging(place: Place, sid: str, makers: tuple[str, ...]) -> Statement:
    """Tags in the call that makes something, and only there."""
    limits: Conditions = {"StringEquals": {f"aws:RequestTag/{OWNER}": (place.owner,), "ec2:CreateAction": makers}}
    why = "to tag in the call that makes something, and only there"
    return allow(sid, "ec2:CreateTags", (place.arn("ec2", "*/*"),), why, limits)


def stock_images(place: Place) -> tuple[Statement, ...]:
    """The public parameters that name AWS's and Ubuntu's newest images."""
    resource = place.arn("ssm", "parameter/aws/service/*", account="")
    why = "to find the newest stock image by its public parameter"
    return (allow("StockImages", "ssm:GetParameter", (resource,), why),)


def ssm_list(place: Place) -> Statement:
    """Listing parameters: AWS limits it to no path."""
    why = "to find parameters that machines never read"
    return allow("SsmList", "ssm:DescribeParameters", EVERYTHING, why, in_regions(place))


def ssm_sweep(place: Place) -> Statement:
    """Deleting them."""
    resource = place.arn("ssm", "parameter/runnerkit/*")
    return allow("SsmSweep", "ssm:DeleteParameter", (resource,), "to sweep them", ours(place))


def _machine_roles(place: Place) -> tuple[Statement, ...]:
    if not place.roles:
        return ()
    why = "to give machines the roles that policy allows, and no other"
    return (allow("MachineRole", "iam:PassRole", place.roles, why, passed_to("ec2.amazonaws.com")),)


def _ec2(place: Place, *resources: str) -> tuple[str, ...]:
    return tuple(place.arn("ec2", each) for each in resources)


def _public(place: Place, *resources: str) -> tuple[str, ...]:
    """Images and snapshots: their ARNs name no account."""
    return tuple(place.arn("ec2", each, account="") for each in resources)
