"""Systems Manager's view of machines, which moto lacks: whose agent reports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.ec2.errors import AwsError
from runnerkit.sandbox.ec2.model import Answer

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2.core import Core
    from runnerkit.sandbox.ec2.model import Machine

KIND = "application/x-amz-json-1.1"
LARGEST_PAGE = 50


def describe_information(core: Core, region: str, body: bytes) -> Answer:
    """DescribeInstanceInformation: every machine whose agent has ever reported; filters by id and by state."""
    asked: dict[str, Any] = json.loads(body or b"{}")
    filters = {each["Key"]: set(each["Values"]) for each in asked.get("Filters", [])}
    unknown = filters.keys() - {"InstanceIds", "PingStatus"}
    if unknown:
        raise AwsError("InvalidFilterKey", f"The sandbox knows no filter {', '.join(sorted(unknown))}.")
    known = [_entry(each) for each in core.machines.values() if each.region == region and each.agent]
    shown = [each for each in known if _passes(each, filters)]
    start = int(asked.get("NextToken") or 0)
    page = shown[start : start + int(asked.get("MaxResults") or LARGEST_PAGE)]
    more = start + len(page) < len(shown)
    answer = {"InstanceInformationList": page} | ({"NextToken": str(start + len(page))} if more else {})
    return Answer(json.dumps(answer).encode(), headers=(("Content-Type", KIND),))


def _passes(entry: dict[str, Any], filters: dict[str, set[str]]) -> bool:
    fields = {"InstanceIds": entry["InstanceId"], "PingStatus": entry["PingStatus"]}
    return all(fields[key] in values for key, values in filters.items())


def _entry(machine: Machine) -> dict[str, Any]:
    status = machine.agent if machine.state == "running" else "ConnectionLost"
    return {
        "InstanceId": machine.id,
        "PingStatus": status,
        "PlatformType": "Linux",
        "PlatformName": "Ubuntu",
        "ResourceType": "EC2Instance",
        "AgentVersion": "3.3.0.0",
    }
