"""What the doctor reads beyond the others. Nothing here changes anything.

Resources after AWS's service authorization reference for Service Quotas and IAM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.permissions.conditions import allow
from runnerkit.permissions.runners import ec2_read

if TYPE_CHECKING:
    from runnerkit.permissions.words import Place, Statement


def doctor(place: Place) -> tuple[Statement, ...]:
    """Quotas, roles, and what routes and regions there are. Dry runs need what the real calls need."""
    roles = place.arn("iam", "role/*", region="")
    profiles, users = place.arn("iam", "instance-profile/*", region=""), place.arn("iam", "user/*", region="")
    return (
        ec2_read(place, "ec2:DescribeRegions DescribeRouteTables"),
        allow(
            "Quotas",
            "servicequotas:GetServiceQuota",
            (place.arn("servicequotas", "ec2/*"),),
            "to see how much may run at once",
        ),
        allow("RolesSeen", "iam:GetRole", (roles,), "to see EC2 Spot's own role, and whose credentials these are"),
        allow("ProfilesSeen", "iam:GetInstanceProfile", (profiles,), "to see which role machines get"),
        allow(
            "WhatIsAllowed",
            "iam:SimulatePrincipalPolicy",
            (roles, users),
            "to ask IAM what these credentials and machines' roles may do",
        ),
    )
