"""Images: baking, listing and pruning them. Resources and conditions after AWS's service authorization reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.permissions.conditions import allow, ours, ours_to_be
from runnerkit.permissions.runners import MAKERS, READS, ec2_read, launching, stock_images

if TYPE_CHECKING:
    from runnerkit.permissions.words import Place, Statement


def bake(place: Place) -> tuple[Statement, ...]:
    """What ``runnerkit ami`` needs: a launch, one open port, an image, and its end."""
    images = tuple(place.arn("ec2", each, account="") for each in ("image/*", "snapshot/*"))
    return (
        ec2_read(place, READS),
        *launching(place, makers=(*MAKERS, "CreateImage")),
        allow(
            "Ec2ChangeOurs",
            "ec2:AuthorizeSecurityGroupIngress CreateImage CreateTags DeleteSecurityGroup DeleteTags GetConsoleOutput"
            " StopInstances TerminateInstances",
            (place.arn("ec2", "*/*"),),
            "to reach, mark, stop and end the builder, and to make an image of it",
            ours(place),
        ),
        allow("Ec2MakeImages", "ec2:CreateImage", images, "images and snapshots that carry our tag", ours_to_be(place)),
        allow("Ec2PruneImages", "ec2:DeleteSnapshot DeregisterImage", images, "to prune images of ours", ours(place)),
        *stock_images(place),
    )
