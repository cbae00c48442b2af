"""Instances once they exist: listed by our tag, tagged, ended, their console read."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from runnerkit import tags as words
from runnerkit.ec2.answers import AwsFault, code_of, error_of, told
from runnerkit.ec2.parallel import each
from runnerkit.ec2.patience import pause
from runnerkit.errors import CloudDenied, CloudThrottled, CloudUnavailable, RunnerkitError
from runnerkit.model import Instance, Market, State
from runnerkit.tags import Facts, instance_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from mypy_boto3_ec2.type_defs import FilterTypeDef, InstanceTypeDef, TagTypeDef

    from runnerkit.ec2.clients import Clients
    from runnerkit.ec2.patience import Settling
    from runnerkit.ports import Clock

_PAGE = 1000
# EC2 takes 1000 ids; smaller batches lose less when one of them is wrong.
_BATCH = 500
_SETTLE_PAUSE = 3.0
_MOST_PAUSES = 25
_WHEN = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)")
_ABSENT = ("InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed")
# Only types on Nitro can show the console of this moment, and only while they run.
_NEVER_LATEST = "UnsupportedOperation"
_NO_LATEST = frozenset(
    {_NEVER_LATEST, "InvalidParameterValue", "InvalidParameterCombination", "IncorrectInstanceState"}
)


class Machines:
    """The instances that carry our owner tag."""

    def __init__(self, owner: str, clients: Clients, clock: Clock, settling: Settling) -> None:
        self._owner = owner
        self._clients = clients
        self._clock = clock
        self._settling = settling
        self._without_latest: set[str] = set()

    def instances(self) -> list[Instance]:
        """All of ours in all configured regions; one region that cannot be read fails the whole reading."""
        return self._listed([])

    def find(self, name: str) -> list[Instance]:
        """Those with this runner name."""
        return self._listed([{"Name": f"tag:{words.RUNNER}", "Values": [name]}])

    def _listed(self, further: list[FilterTypeDef]) -> list[Instance]:
        wanted: list[FilterTypeDef] = [{"Name": f"tag:{words.OWNER}", "Values": [self._owner]}, *further]

        def in_region(region: str) -> list[Instance]:
            with told(f"listing our instances in {region}"):
                pages = self._clients.ec2(region).get_paginator("describe_instances")
                found = pages.paginate(Filters=wanted, PaginationConfig={"PageSize": _PAGE})
                return [
                    parse_instance(instance, region)
                    for page in found
                    for reservation in page["Reservations"]
                    for instance in reservation.get("Instances", [])
                    if _is_a_machine({tag.get("Key", "") for tag in instance.get("Tags", [])})
                ]

        return [instance for listed in each(in_region, self._clients.regions) for instance in listed]

    def tag(self, region: str, instance_id: str, tags: Mapping[str, str | None]) -> None:
        """Set and remove tags; a vanished instance is not an error."""
        client = self._clients.ec2(region)
        kept: list[TagTypeDef] = [{"Key": key, "Value": value} for key, value in tags.items() if value is not None]
        gone: list[TagTypeDef] = [{"Key": key} for key, value in tags.items() if value is None]
        if kept:
            self._settled(
                instance_id,
                lambda: client.create_tags(Resources=[instance_id], Tags=kept),
                f"tagging {instance_id} in {region}",
            )
        if gone:
            self._settled(
                instance_id,
                lambda: client.delete_tags(Resources=[instance_id], Tags=gone),
                f"removing tags of {instance_id} in {region}",
            )

    def terminate(self, region: str, instance_ids: Iterable[str]) -> None:
        """Start the end of these instances, whatever else is in the list.

        Raises:
            CloudError: Some could not be ended; everything else was.
        """
        failures: list[RunnerkitError] = []
        for batch in _batches(dict.fromkeys(instance_ids)):
            self._terminate(region, batch, failures)
        if failures:
            raise failures[0]

    def _terminate(self, region: str, batch: list[str], failures: list[RunnerkitError]) -> None:
        client = self._clients.ec2(region)
        doing = f"terminating {', '.join(batch[:3])}{' ...' if len(batch) > len(batch[:3]) else ''} in {region}"
        try:
            if len(batch) == 1:
                self._settled(batch[0], lambda: client.terminate_instances(InstanceIds=batch), doing)
            else:
                with told(doing):
                    client.terminate_instances(InstanceIds=batch)
        except (CloudDenied, CloudThrottled) as error:
            failures.append(error)
        except RunnerkitError as error:
            if len(batch) == 1 or _is_aws_side(error):
                failures.append(error)
                return
            # One bad id voids the whole call, so halves are tried until the bad ones stand alone.
            middle = len(batch) // 2
            self._terminate(region, batch[:middle], failures)
            self._terminate(region, batch[middle:], failures)

    def _settled(self, instance_id: str, call: Callable[[], object], doing: str) -> None:
        """Call, and take absence for done, unless EC2 may just not know its own newest instance yet."""
        for _ in range(_MOST_PAUSES):
            try:
                call()
            except AwsFault as fault:
                if code_of(fault) not in _ABSENT:
                    raise error_of(fault, doing) from fault
                if self._settling.holds(instance_id):
                    pause(self._clock, _SETTLE_PAUSE)
                    continue
            return

    def console(self, region: str, instance_id: str) -> str:
        """The serial console's output; the newest where the type allows it, else the last that EC2 posted."""
        with told(f"reading the console of {instance_id} in {region}"):
            try:
                return self._latest_console(region, instance_id) or self._posted_console(region, instance_id)
            except ClientError as fault:
                if code_of(fault) in _ABSENT:
                    return ""
                raise

    def _latest_console(self, region: str, instance_id: str) -> str:
        if instance_id in self._without_latest:
            return ""
        try:
            return self._clients.ec2(region).get_console_output(InstanceId=instance_id, Latest=True).get("Output", "")
        except ClientError as fault:
            if code_of(fault) not in _NO_LATEST:
                raise
            if code_of(fault) == _NEVER_LATEST:
                # Not asked again: a follower would make two calls for each look.
                self._without_latest.add(instance_id)
            return ""

    def _posted_console(self, region: str, instance_id: str) -> str:
        return self._clients.ec2(region).get_console_output(InstanceId=instance_id).get("Output", "")


def parse_instance(described: InstanceTypeDef, region: str) -> Instance:
    """One entry of DescribeInstances. Nothing in it makes this fail: a machine must be seen to be ended."""
    tags = {tag.get("Key", ""): tag.get("Value", "") for tag in described.get("Tags", [])}
    state = State.RUNNING
    with suppress(ValueError):
        state = State(described.get("State", {}).get("Name", ""))
    facts = Facts(
        id=described["InstanceId"],
        region=region,
        zone=described.get("Placement", {}).get("AvailabilityZone", ""),
        type=str(described.get("InstanceType", "")),
        market=Market.SPOT if described.get("InstanceLifecycle") == "spot" else Market.ON_DEMAND,
        state=state,
        launched_at=described["LaunchTime"],
        state_reason=described.get("StateReason", {}).get("Code", "") or described.get("StateTransitionReason", ""),
        ended_at=_ended_at(described.get("StateTransitionReason", ""), state),
    )
    return instance_from(tags, facts)


def _ended_at(reason: str, state: State) -> datetime | None:
    """When an instance ended: EC2 says it in words only, as in "User initiated (2026-01-31 23:59:59 GMT)"."""
    found = _WHEN.search(reason)
    if found is None or state in (State.PENDING, State.RUNNING):
        return None
    with suppress(ValueError):
        return datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    return None


def _is_a_machine(keys: set[str]) -> bool:
    """Whether it is a runner's. Builders of images are not; `ami bake` and the sweep look after them."""
    return words.of_a_launch(keys) and words.BUILDER not in keys


def _batches(ids: Iterable[str]) -> Iterator[list[str]]:
    left = iter(ids)
    while batch := list(islice(left, _BATCH)):
        yield batch


def _is_aws_side(error: RunnerkitError) -> bool:
    return isinstance(error, CloudUnavailable) and error.aws_code not in _ABSENT
