"""Launch templates that equal bursts share: named by what they hold, made when first needed, swept when out of use.

A name also says the week, so a template is in use for a week at most, and whoever sweeps knows when that is over
without anybody having to note each use.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from runnerkit import tags as words
from runnerkit.ec2.answers import AwsFault, code_of, error_of, told, verdict_of
from runnerkit.ec2.codes import Remedy
from runnerkit.ec2.patience import Backoff
from runnerkit.ec2.requests import Place, as_tags, template_data
from runnerkit.errors import ImageMissing, LaunchRejected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_ec2.type_defs import CreateLaunchTemplateRequestTypeDef, RequestLaunchTemplateDataTypeDef

    from runnerkit.ec2.clients import Clients
    from runnerkit.ec2.network import Network
    from runnerkit.ports import BatchOrder, Clock, Image, LaunchOrder
    from runnerkit.settings import AwsSettings

PERIOD = timedelta(days=7)
# A launch may begin in the last second of the week.
MARGIN = timedelta(days=1)
TAKEN = "InvalidLaunchTemplateName.AlreadyExistsException"


class Templating(Protocol):
    """Gives a launch its template in a region."""

    def place(self, region: str, images: Mapping[str, Image]) -> Place:
        """The region's template and what surrounds it."""

    def discard(self, region: str) -> None:
        """Have it made anew the next time."""


class SharedTemplates:
    """The shared templates that this process knows. Safe to use from several threads."""

    def __init__(self, settings: AwsSettings, clients: Clients, network: Network, clock: Clock) -> None:
        self.clients = clients
        self.network = network
        self.clock = clock
        self._settings = settings
        self._known: dict[tuple[str, str], str] = {}
        self._lock = Lock()

    def of(self, order: LaunchOrder | BatchOrder, tags: Mapping[str, str]) -> Templating:
        """The templates of one order; ``tags`` are those that its machines get."""
        return _Templates(self, order, tags)

    def id_of(self, region: str, data: RequestLaunchTemplateDataTypeDef) -> tuple[str, str]:
        """Name and id of the template that holds exactly this; one thread makes it, the others wait.

        Raises:
            CloudError: It cannot be made.
            LaunchRejected: One of that name is somebody else's.
        """
        week = int(self.clock.now().timestamp() // PERIOD.total_seconds())
        name = f"runnerkit-{self._digest(data)}-{week}"
        with self._lock:
            if (region, name) not in self._known:
                self._known[region, name] = self._create(region, name, data, week)
            return name, self._known[region, name]

    def forget(self, region: str, name: str) -> None:
        """Look again: it seems to be gone."""
        with self._lock:
            self._known.pop((region, name), None)

    def _digest(self, data: RequestLaunchTemplateDataTypeDef) -> str:
        said = json.dumps([self._settings.owner, dict(self._settings.tags), data], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:24]

    def _create(self, region: str, name: str, data: RequestLaunchTemplateDataTypeDef, week: int) -> str:
        over = datetime.fromtimestamp((week + 1) * PERIOD.total_seconds(), UTC) + MARGIN
        tags = {
            **self._settings.tags,
            words.OWNER: self._settings.owner,
            words.KEPT_UNTIL: str(int(over.timestamp())),
        }
        request: CreateLaunchTemplateRequestTypeDef = {
            "LaunchTemplateName": name,
            "LaunchTemplateData": data,
            "ClientToken": uuid.uuid4().hex,
            "TagSpecifications": [{"ResourceType": "launch-template", "Tags": as_tags(tags)}],
        }
        client, backoff = self.clients.ec2_once(region), Backoff(self.clock)
        while True:
            try:
                return client.create_launch_template(**request)["LaunchTemplate"]["LaunchTemplateId"]
            except AwsFault as fault:
                if code_of(fault) == TAKEN and (found := self._find(region, name)):
                    return found
                again = code_of(fault) == TAKEN or verdict_of(fault).remedy is Remedy.WAIT
                if not again or not backoff.again():
                    raise error_of(fault, f"creating the launch template {name} in {region}") from fault

    def _find(self, region: str, name: str) -> str:
        """The id of the template of that name; empty when it has just been swept.

        Raises:
            LaunchRejected: It is not ours.
        """
        with told(f"looking at the launch template {name} in {region}"):
            found = self.clients.ec2(region).describe_launch_templates(
                Filters=[{"Name": "launch-template-name", "Values": [name]}]
            )["LaunchTemplates"]
        for template in found:
            if {"Key": words.OWNER, "Value": self._settings.owner} not in template.get("Tags", []):
                raise LaunchRejected(
                    f"a launch template named {name} exists in {region} and does not carry our owner tag",
                    hint="delete it: nobody else makes templates of such names",
                )
            return template["LaunchTemplateId"]
        return ""


class _Templates:
    """The shared templates as one order uses them."""

    def __init__(self, shared: SharedTemplates, order: LaunchOrder | BatchOrder, tags: Mapping[str, str]) -> None:
        self._shared = shared
        self._order = order
        self._tags = tags
        self._names: dict[str, str] = {}

    def place(self, region: str, images: Mapping[str, Image]) -> Place:
        """The region's template and what surrounds it.

        Raises:
            ImageMissing: There is no image.
        """
        if not images:
            raise ImageMissing(f"no image is known for {region}", hint="name one with image=, or in [aws] image")
        subnets, groups = self._shared.network.surroundings(region)
        # Not in the order of the cheapest offering, as for a template of its own: prices change, the content must not.
        ordered = {arch: images[arch] for arch in sorted(images)}
        data = template_data(self._order, next(iter(ordered.values())), groups, self._tags)
        self._names[region], id_ = self._shared.id_of(region, data)
        return Place(id_, "1", subnets, ordered)

    def discard(self, region: str) -> None:
        """Look for the region's template anew; it itself stays, others may use it."""
        if region in self._names:
            self._shared.forget(region, self._names.pop(region))
