"""The launch templates of one launch: one a region, made when first needed and deleted at the end, come what may."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from runnerkit import tags as words
from runnerkit.ec2.answers import AwsFault, code_of, error_of, told, verdict_of, was_lost
from runnerkit.ec2.codes import Remedy
from runnerkit.ec2.patience import Backoff
from runnerkit.ec2.requests import Place, as_tags, template_data
from runnerkit.errors import ImageMissing, LaunchRejected

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mypy_boto3_ec2.type_defs import CreateLaunchTemplateRequestTypeDef, TagTypeDef

    from runnerkit.ec2.clients import Clients
    from runnerkit.ec2.network import Network
    from runnerkit.ports import Clock, Image, LaunchOrder

_TAKEN = "InvalidLaunchTemplateName.AlreadyExistsException"


class Templates:
    """Makes and deletes the launch templates of one order. Used as a context manager."""

    def __init__(
        self, order: LaunchOrder, tags: Mapping[str, str], clients: Clients, network: Network, clock: Clock
    ) -> None:
        self._order = order
        self._tags = tags
        self._clients = clients
        self._network = network
        self._clock = clock
        self._places: dict[str, Place] = {}
        self._uncertain: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._discard_all()
        except KeyboardInterrupt:
            # Whoever interrupts wants nothing to stay, and this may have come in the middle of deleting.
            self._discard_all()
            raise

    def _discard_all(self) -> None:
        for region in {*self._places, *self._uncertain}:
            self.discard(region)

    def place(self, region: str, images: Mapping[str, Image]) -> Place:
        """The region's template and what surrounds it.

        Args:
            region: Where.
            images: The image for each architecture; the template is made from the first.

        Raises:
            ImageMissing: There is no image.
        """
        if region not in self._places:
            if not images:
                raise ImageMissing(f"no image is known for {region}", hint="name one with image=, or in [aws] image")
            subnets, groups = self._network.surroundings(region)
            data = template_data(self._order, next(iter(images.values())), groups, self._tags)
            made = self._create(
                region,
                {
                    "LaunchTemplateName": self._order.name,
                    "LaunchTemplateData": data,
                    "ClientToken": uuid.uuid4().hex,
                    "TagSpecifications": [{"ResourceType": "launch-template", "Tags": as_tags(self._tags)}],
                },
            )
            self._places[region] = Place(made, "1", subnets, images)
            self._uncertain.discard(region)
        return self._places[region]

    def discard(self, region: str) -> None:
        """Delete the region's template. One that stays is swept later: its tags say whose it is."""
        place = self._places.get(region)
        client = self._clients.ec2(region)
        with suppress(*AwsFault):
            if place is not None:
                client.delete_launch_template(LaunchTemplateId=place.template)
            elif region in self._uncertain:
                client.delete_launch_template(LaunchTemplateName=self._order.name)
        self._places.pop(region, None)
        self._uncertain.discard(region)

    def _create(self, region: str, request: CreateLaunchTemplateRequestTypeDef) -> str:
        client, backoff = self._clients.ec2_once(region), Backoff(self._clock)
        doing = f"creating the launch template {self._order.name} in {region}"
        while True:
            # Noted before the call: whoever interrupts it cannot know whether the template was made.
            self._uncertain.add(region)
            try:
                made = client.create_launch_template(**request)["LaunchTemplate"]
            except AwsFault as fault:
                if not was_lost(fault):
                    self._uncertain.discard(region)
                if code_of(fault) == _TAKEN and backoff.again():
                    self._make_room(region)
                elif verdict_of(fault).remedy is not Remedy.WAIT or not backoff.again():
                    raise error_of(fault, doing) from fault
            else:
                return made["LaunchTemplateId"]

    def _make_room(self, region: str) -> None:
        """Delete a template of this name that an earlier try left behind, if it is ours."""
        client, name = self._clients.ec2(region), self._order.name
        with told(f"looking at the launch template {name} in {region}"):
            found = client.describe_launch_templates(Filters=[{"Name": "launch-template-name", "Values": [name]}])
            for template in found["LaunchTemplates"]:
                if _owner(template.get("Tags", [])) != self._tags[words.OWNER]:
                    raise LaunchRejected(
                        f"a launch template named {name} exists in {region} and does not carry our owner tag",
                        hint="delete or rename it",
                    )
                client.delete_launch_template(LaunchTemplateId=template["LaunchTemplateId"])


def _owner(tags: Iterable[TagTypeDef]) -> str:
    return next((tag.get("Value", "") for tag in tags if tag.get("Key") == words.OWNER), "")
