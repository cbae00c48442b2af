"""What ``runnerkit setup aws`` does itself: it makes roles, so whoever runs it is an administrator all the same.

Resources after AWS's service authorization reference; names begin with ``runnerkit-OWNER-``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.permissions.conditions import EVERYTHING, allow, in_regions, ours, ours_to_be, passed_to
from runnerkit.permissions.runners import SPOT, ec2_read, tagging

if TYPE_CHECKING:
    from runnerkit.permissions.words import Place, Statement

# Of an owner whose names are too long for AWS so much is in all of them.
_SHORT, _LEFT = 46, 37
PROVIDER = "oidc-provider/token.actions.githubusercontent.com"


def setting_up(place: Place) -> tuple[Statement, ...]:
    """Roles, a security group, a budget and the dead-man's switch: made, compared, mended and removed."""
    return (*_identities(place), *_group(place), *_budget(place), *_switch(place))


def _identities(place: Place) -> tuple[Statement, ...]:
    role, profile = (
        place.arn("iam", f"role/{_names(place)}", region=""),
        place.arn("iam", f"instance-profile/{_names(place)}", region=""),
    )
    provider, spot = (
        place.arn("iam", PROVIDER, region=""),
        place.arn("iam", f"role/aws-service-role/{SPOT}/*", region=""),
    )
    return (
        allow(
            "SetupProvider",
            "iam:AddClientIDToOpenIDConnectProvider CreateOpenIDConnectProvider DeleteOpenIDConnectProvider"
            " GetOpenIDConnectProvider TagOpenIDConnectProvider",
            (provider,),
            "GitHub's identity provider",
        ),
        allow("SetupUsers", "iam:ListRoles", EVERYTHING, "to see which roles trust that provider"),
        allow(
            "SetupRoles",
            "iam:CreateRole DeleteRole DeleteRolePolicy GetRole GetRolePolicy ListAttachedRolePolicies"
            " ListInstanceProfilesForRole ListRolePolicies PutRolePolicy TagRole UpdateAssumeRolePolicy UpdateRole",
            (role,),
            "roles with their policies",
        ),
        allow(
            "SetupProfiles",
            "iam:AddRoleToInstanceProfile CreateInstanceProfile DeleteInstanceProfile GetInstanceProfile"
            " RemoveRoleFromInstanceProfile TagInstanceProfile",
            (profile,),
            "the instance profile of machines",
        ),
        allow(
            "SetupPass",
            "iam:PassRole",
            (role,),
            "to give roles to machines and to the dead-man's switch",
            passed_to("ec2.amazonaws.com", "lambda.amazonaws.com"),
        ),
        allow("SetupSpotSeen", "iam:GetRole", (spot,), "to see whether EC2 Spot has its role"),
        allow(
            "SpotOnce",
            "iam:CreateServiceLinkedRole",
            (spot,),
            "to make EC2 Spot's role",
            {"StringEquals": {"iam:AWSServiceName": (SPOT,)}},
        ),
    )


def _group(place: Place) -> tuple[Statement, ...]:
    group, vpc = place.arn("ec2", "security-group/*"), place.arn("ec2", "vpc/*")
    return (
        ec2_read(place, "ec2:DescribeInstances DescribeNetworkInterfaces DescribeSecurityGroups DescribeSubnets"),
        allow("SetupGroup", "ec2:CreateSecurityGroup", (group,), "a group that lets nothing in", ours_to_be(place)),
        allow("Ec2GroupIn", "ec2:CreateSecurityGroup", (vpc,), "the network of that group", in_regions(place)),
        tagging(place, "SetupGroupTag", ("CreateSecurityGroup",)),
        allow(
            "SetupGroupChange",
            "ec2:CreateTags DeleteSecurityGroup RevokeSecurityGroupIngress",
            (group,),
            "to mend and remove it",
            ours(place),
        ),
    )


def _budget(place: Place) -> tuple[Statement, ...]:
    budget = place.arn("budgets", f"budget/{_names(place)}", region="")
    what = "budgets:ListTagsForResource ModifyBudget TagResource ViewBudget"
    return (allow("SetupBudget", what, (budget,), "the budget with its alarm"),)


def _switch(place: Place) -> tuple[Statement, ...]:
    log = place.arn("logs", f"log-group:/aws/lambda/{_names(place)}")
    return (
        allow(
            "SetupFunction",
            "lambda:AddPermission CreateFunction DeleteFunction GetFunction GetPolicy ListTags RemovePermission"
            " TagResource UpdateFunctionCode UpdateFunctionConfiguration",
            (place.arn("lambda", f"function:{_names(place)}"),),
            "the function that ends machines whose time is over",
        ),
        allow(
            "SetupRule",
            "events:DeleteRule DescribeRule ListTagsForResource ListTargetsByRule PutRule PutTargets RemoveTargets"
            " TagResource",
            (place.arn("events", f"rule/{_names(place)}"),),
            "the schedule that calls it",
        ),
        allow("SetupLogSeen", "logs:DescribeLogGroups", EVERYTHING, "to see its log group", in_regions(place)),
        allow(
            "SetupLog",
            "logs:CreateLogGroup DeleteLogGroup ListTagsForResource PutRetentionPolicy TagResource",
            (log, f"{log}:*"),
            "the log group that it writes to",
        ),
    )


def _names(place: Place) -> str:
    """What all names of an owner's things begin with; see ``Wanted.name`` of :mod:`runnerkit.setup.words`."""
    return f"runnerkit-{place.owner}-*" if len(place.owner) <= _SHORT else f"runnerkit-{place.owner[:_LEFT]}*"
