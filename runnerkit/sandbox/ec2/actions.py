"""The EC2 actions that are answered here; all others are moto's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.sandbox.ec2 import account, fleet, fleets, images, network, offerings, runs, spot, templates, views

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runnerkit.sandbox.ec2.core import Core
    from runnerkit.sandbox.ec2.model import Answer, Ask, Params

    Handler = Callable[[Core, Ask], Params | Answer]

ACTIONS: Mapping[str, Handler] = {
    "CancelSpotInstanceRequests": spot.cancel_requests,
    "CreateFleet": fleet.create_fleet,
    "CreateImage": images.create_image,
    "CreateLaunchTemplate": templates.create_template,
    "CreateLaunchTemplateVersion": templates.create_version,
    "CreateTags": network.change_tags,
    "DeleteFleets": fleets.delete_fleets,
    "DeleteLaunchTemplate": templates.delete_template,
    "DeleteSecurityGroup": network.delete_group,
    "DeleteTags": network.change_tags,
    "DeregisterImage": images.deregister_image,
    "DescribeFleetInstances": fleets.describe_fleet_instances,
    "DescribeFleets": fleets.describe_fleets,
    "DescribeInstanceStatus": views.describe_status,
    "DescribeInstanceTypeOfferings": offerings.type_offerings,
    "DescribeInstances": views.describe_instances,
    "DescribeLaunchTemplates": templates.describe_templates,
    "DescribeRouteTables": account.route_tables,
    "DescribeSpotInstanceRequests": spot.describe_requests,
    "DescribeSpotPriceHistory": spot.price_history,
    "GetConsoleOutput": views.console_output,
    "ModifyInstanceAttribute": runs.modify_attribute,
    "RebootInstances": runs.reboot_instances,
    "RunInstances": runs.run_instances,
    "StartInstances": runs.start_instances,
    "StopInstances": runs.stop_instances,
    "TerminateInstances": runs.terminate_instances,
}

DRY_AFTER_CHECKS = frozenset(
    name
    for name in ACTIONS
    if not name.startswith("Describe") and name not in {"CreateTags", "DeleteSecurityGroup", "DeleteTags"}
)
"""Those that end a dry run after having looked at what is asked for; all others end it at once."""
