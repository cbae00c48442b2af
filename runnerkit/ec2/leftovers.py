"""What launches of ours left behind. Only what carries our owner tag, and only when no launch can still need it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from runnerkit import tags as words
from runnerkit.ec2.answers import code_of, told
from runnerkit.ec2.parallel import each
from runnerkit.errors import CloudDenied
from runnerkit.model import Leftover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mypy_boto3_ec2.type_defs import FilterTypeDef, TagTypeDef

    from runnerkit.ec2.clients import Clients
    from runnerkit.ports import Clock

VOLUME, TEMPLATE, PARAMETER = "volume", "launch-template", "parameter"
BUILDER, GROUP = "builder", "security-group"
PARAMETERS = "/runnerkit/"
_PAGE = 200
_PARAMETERS_PAGE = 50
_GONE = (
    "InvalidVolume.NotFound",
    "VolumeInUse",
    "InvalidLaunchTemplateId.NotFound",
    "InvalidLaunchTemplateId.NotFoundException",
    "ParameterNotFound",
    "InvalidInstanceID.NotFound",
    "InvalidGroup.NotFound",
    # Its builder is still on its way out; the next sweep removes it.
    "DependencyViolation",
)
_LIVE = ["pending", "running", "stopping", "stopped"]


class Leftovers:
    """Finds and removes them.

    A launch under way needs its template, and for a moment its volume is not attached yet: what is younger than
    ``spared`` is left alone.
    """

    def __init__(self, owner: str, clients: Clients, clock: Clock, spared: timedelta) -> None:
        self._spared = spared
        self._clients = clients
        self._clock = clock
        self._owner = owner
        self._ours: list[FilterTypeDef] = [{"Name": f"tag:{words.OWNER}", "Values": [owner]}]

    def found(self) -> list[Leftover]:
        """Unattached volumes, launch templates, parameters, builders and their groups that are ours and old enough."""
        looks = (self._volumes, self._templates, self._parameters, self._builders, self._groups)
        jobs = [(look, region) for region in self._clients.regions for look in looks]
        old = self._clock.now() - self._spared
        return [left for listed in each(lambda job: job[0](job[1]), jobs) for left in listed if left.created_at < old]

    def remove(self, leftover: Leftover) -> None:
        """Remove it; one that is gone, or in use after all, needs nothing any more."""
        with told(f"removing {leftover.kind} {leftover.id} in {leftover.region}"):
            try:
                self._removers()[leftover.kind](leftover)
            except ClientError as fault:
                if code_of(fault) not in _GONE:
                    raise

    def _removers(self) -> dict[str, Callable[[Leftover], object]]:
        return {
            VOLUME: lambda left: self._clients.ec2(left.region).delete_volume(VolumeId=left.id),
            TEMPLATE: lambda left: self._clients.ec2(left.region).delete_launch_template(LaunchTemplateId=left.id),
            PARAMETER: lambda left: self._clients.ssm(left.region).delete_parameter(Name=left.id),
            BUILDER: lambda left: self._clients.ec2(left.region).terminate_instances(InstanceIds=[left.id]),
            GROUP: lambda left: self._clients.ec2(left.region).delete_security_group(GroupId=left.id),
        }

    def _volumes(self, region: str) -> list[Leftover]:
        wanted: list[FilterTypeDef] = [*self._ours, {"Name": "status", "Values": ["available"]}]
        with told(f"listing unattached volumes in {region}"):
            pages = self._clients.ec2(region).get_paginator("describe_volumes")
            found = pages.paginate(Filters=wanted, PaginationConfig={"PageSize": _PAGE})
            return [
                Leftover(VOLUME, v["VolumeId"], region, _runner(v.get("Tags", [])), v["CreateTime"])
                for page in found
                for v in page["Volumes"]
            ]

    def _templates(self, region: str) -> list[Leftover]:
        with told(f"listing launch templates in {region}"):
            pages = self._clients.ec2(region).get_paginator("describe_launch_templates")
            found = pages.paginate(Filters=self._ours, PaginationConfig={"PageSize": _PAGE})
            return [
                Leftover(TEMPLATE, t["LaunchTemplateId"], region, t.get("LaunchTemplateName", ""), t["CreateTime"])
                for page in found
                for t in page["LaunchTemplates"]
                # Those that bursts share say how long they are in use.
                if self._is_over(_marks(t.get("Tags", [])), words.KEPT_UNTIL)
            ]

    def _builders(self, region: str) -> list[Leftover]:
        """Image builders past their end. One that is stopped cannot end itself, for the sake of its disks."""
        wanted: list[FilterTypeDef] = [
            *self._ours,
            {"Name": "tag-key", "Values": [words.BUILDER]},
            {"Name": "instance-state-name", "Values": _LIVE},
        ]
        with told(f"listing image builders in {region}"):
            pages = self._clients.ec2(region).get_paginator("describe_instances").paginate(Filters=wanted)
            return [
                Leftover(BUILDER, i["InstanceId"], region, marks.get(words.NAME, ""), i["LaunchTime"])
                for page in pages
                for some in page["Reservations"]
                for i in some.get("Instances", [])
                if self._is_over(marks := _marks(i.get("Tags", [])))
            ]

    def _groups(self, region: str) -> list[Leftover]:
        """Security groups of builders that no longer exist, or are past their end."""
        wanted: list[FilterTypeDef] = [*self._ours, {"Name": "tag-key", "Values": [words.BUILDER]}]
        with told(f"listing security groups of image builders in {region}"):
            found = self._clients.ec2(region).describe_security_groups(Filters=wanted)["SecurityGroups"]
            known = [(group.get("GroupId", ""), _marks(group.get("Tags", []))) for group in found]
            busy = self._names_of_builders(region) if known else set()
        return [
            Leftover(GROUP, id_, region, marks.get(words.NAME, ""), words.moment(marks.get(words.LAUNCHED_AT)))
            for id_, marks in known
            if self._is_over(marks) or marks.get(words.NAME) not in busy
        ]

    def _names_of_builders(self, region: str) -> set[str]:
        wanted: list[FilterTypeDef] = [
            *self._ours,
            {"Name": "tag-key", "Values": [words.BUILDER]},
            {"Name": "instance-state-name", "Values": [*_LIVE, "shutting-down"]},
        ]
        found = self._clients.ec2(region).describe_instances(Filters=wanted)["Reservations"]
        return {_marks(i.get("Tags", [])).get(words.NAME, "") for some in found for i in some.get("Instances", [])}

    def _is_over(self, marks: Mapping[str, str], end: str = words.EXPIRES_AT) -> bool:
        return words.moment(marks.get(end)) <= self._clock.now()

    def _parameters(self, region: str) -> list[Leftover]:
        """Parameters are optional, and so is the permission to see them."""
        try:
            with told(f"listing parameters in {region}"):
                pages = self._clients.ssm(region).get_paginator("describe_parameters")
                found = pages.paginate(
                    ParameterFilters=[
                        {"Key": "Path", "Option": "Recursive", "Values": [PARAMETERS.rstrip("/")]},
                        {"Key": f"tag:{words.OWNER}", "Values": [self._owner]},
                    ],
                    PaginationConfig={"PageSize": _PARAMETERS_PAGE},
                )
                ours = [
                    Leftover(PARAMETER, p["Name"], region, p["Name"], p["LastModifiedDate"])
                    for page in found
                    for p in page["Parameters"]
                    if "Name" in p and isinstance(p.get("LastModifiedDate"), datetime)
                ]
        except CloudDenied:
            return []
        waiting = self._live(region) if ours else set()
        return [left for left in ours if left.id.removeprefix(PARAMETERS) not in waiting]

    def _live(self, region: str) -> set[str]:
        """The instances of ours that may still read their parameters."""
        wanted: list[FilterTypeDef] = [*self._ours, {"Name": "instance-state-name", "Values": _LIVE}]
        with told(f"listing our instances in {region}"):
            pages = self._clients.ec2(region).get_paginator("describe_instances").paginate(Filters=wanted)
            return {
                i.get("InstanceId", "")
                for page in pages
                for some in page["Reservations"]
                for i in some.get("Instances", [])
            }


def _runner(tags: Iterable[TagTypeDef]) -> str:
    return _marks(tags).get(words.RUNNER, "")


def _marks(tags: Iterable[TagTypeDef]) -> dict[str, str]:
    return {tag.get("Key", ""): tag.get("Value", "") for tag in tags}
