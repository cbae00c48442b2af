"""Small corrections: groups in use, tags on machines that are not visible yet, parameters that are too long."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from runnerkit.sandbox.ec2.errors import AwsError
from runnerkit.sandbox.ec2.tags import check_tag

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2.core import Core
    from runnerkit.sandbox.ec2.model import Answer, Ask

STANDARD_LIMIT, ADVANCED_LIMIT = 4096, 8192


def delete_group(core: Core, ask: Ask) -> Answer:
    """DeleteSecurityGroup; not while an interface or a rule of another group uses it."""
    region = core.region(ask.region)
    group = region.group(str(ask.params.get("GroupId") or ask.params.get("GroupName") or ""))
    if group is not None and region.group_users(group.id):
        raise AwsError("DependencyViolation", f"resource {group.id} has a dependent object")
    return ask.forward()


def change_tags(core: Core, ask: Ask) -> Answer:
    """CreateTags and DeleteTags; machines must be visible."""
    core.visible([r for r in ask.params.get("Resources", []) if r.startswith("i-")], ask.region)
    for tag in ask.params.get("Tags", []):
        check_tag(str(tag.get("Key", "")), str(tag.get("Value", "")))
    return ask.forward()


def check_parameter(body: bytes) -> None:
    """PutParameter's limits on a value, which depend on the tier.

    Raises:
        AwsError: The value is too long for its tier.
    """
    asked = json.loads(body or b"{}")
    tier, size = asked.get("Tier", "Standard"), len(str(asked.get("Value", "")).encode())
    if tier == "Standard" and size > STANDARD_LIMIT:
        raise AwsError(
            "ValidationException",
            f"Standard tier parameters support a maximum parameter value of {STANDARD_LIMIT} characters. To create a "
            "larger parameter value, upgrade the parameter to use the advanced-parameter tier.",
        )
    if size > ADVANCED_LIMIT:
        raise AwsError(
            "ValidationException",
            f"Advanced tier parameters support a maximum parameter value of {ADVANCED_LIMIT} characters.",
        )
