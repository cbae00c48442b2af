"""DescribeInstanceTypeOfferings, with the wildcards that moto's filters lack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.ec2.errors import AwsError
from runnerkit.sandbox.ec2.filters import matching, page

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2.core import Core
    from runnerkit.sandbox.ec2.model import Ask, Params


def type_offerings(core: Core, ask: Ask) -> Params:
    """DescribeInstanceTypeOfferings by region, zone name or zone id."""
    kind = str(ask.params.get("LocationType", "region"))
    region = core.region(ask.region)
    places = {zone: {"availability-zone": zone, "availability-zone-id": z} for zone, z in region.zones().items()}
    if kind not in {"region", "availability-zone", "availability-zone-id"}:
        raise AwsError("InvalidParameterValue", f"Value ({kind}) for parameter locationType is invalid.")
    found = {(name, places[zone].get(kind, ask.region)) for name, zone in region.offerings if zone in places}
    views = [{"InstanceType": name, "LocationType": kind, "Location": place} for name, place in sorted(found)]
    chosen, token = page(matching(views, ask.params, _fields), ask.params, 1000)
    return {"InstanceTypeOfferings": chosen, "NextToken": token}


def _fields(view: Params) -> dict[str, Any]:
    return {"instance-type": view["InstanceType"], "location": view["Location"]}
