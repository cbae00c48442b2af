"""Spot requests and spot prices."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.ec2.clock import moment
from runnerkit.sandbox.ec2.errors import AwsError
from runnerkit.sandbox.ec2.filters import matching, page

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2.core import Core
    from runnerkit.sandbox.ec2.model import Ask, Machine, Params

PRODUCT = "Linux/UNIX"
PRODUCTS = {PRODUCT, "Linux/UNIX (Amazon VPC)"}
FULFILLED = ("fulfilled", "Your Spot request is fulfilled.")
MARKED = ("marked-for-termination", "Your instance is marked for termination.")
TAKEN = ("instance-terminated-no-capacity", "Your instance was terminated because there is no Spot capacity available.")
ENDED = ("instance-terminated-by-user", "Your instance was terminated.")


@dataclass(slots=True)
class SpotRequest:
    """The request behind a spot machine; it closes with the machine unless it is persistent."""

    id: str
    region: str
    instance_id: str
    created_at: float
    updated_at: float
    kind: str
    max_price: str | None
    launched: Params
    state: str = "active"
    status: tuple[str, str] = FULFILLED


def open_request(core: Core, machine: Machine) -> None:
    """Record the request that a spot launch implies."""
    spec, now = machine.spec, core.clock.now()
    launched = {
        "ImageId": spec.image_id,
        "InstanceType": spec.type,
        "SubnetId": spec.subnet.id,
        "Placement": {"AvailabilityZone": spec.subnet.zone},
        "SecurityGroups": [{"GroupId": group} for group in spec.group_ids],
    }
    request_id = f"sir-{uuid.uuid4().hex[:8]}"
    core.spot_requests[request_id] = SpotRequest(
        request_id, machine.region, machine.id, now, now, spec.spot_type, spec.max_price, launched
    )
    core.region(machine.region).add_tags(request_id, spec.tags.get("spot-instances-request", {}))
    machine.spot_request_id = request_id


def mark(core: Core, machine: Machine) -> None:
    """EC2 has announced that it takes the machine back."""
    request = core.spot_requests.get(machine.spot_request_id)
    if request is not None:
        request.status, request.updated_at = MARKED, core.clock.now()


def close_request(core: Core, machine: Machine) -> None:
    """The machine is gone."""
    request = core.spot_requests.get(machine.spot_request_id)
    if request is None or request.state == "cancelled":
        return
    taken = machine.cause is not None and machine.cause.code.startswith("Server.")
    request.state, request.status = "closed", TAKEN if taken else ENDED
    request.updated_at = core.clock.now()


# --- the API -------------------------------------------------------------------------------------------------------


def describe_requests(core: Core, ask: Ask) -> Params:
    """DescribeSpotInstanceRequests."""
    wanted = ask.params.get("SpotInstanceRequestIds", [])
    unknown = [i for i in wanted if i not in core.spot_requests]
    if unknown:
        raise AwsError(
            "InvalidSpotInstanceRequestID.NotFound", f"The spot instance request ID '{unknown[0]}' does not exist"
        )
    shown = [_view(core, r) for r in core.spot_requests.values() if r.region == ask.region]
    chosen = [view for view in shown if not wanted or view["SpotInstanceRequestId"] in wanted]
    found, token = page(matching(chosen, ask.params, _fields), ask.params, 1000)
    return {"SpotInstanceRequests": found, "NextToken": token}


def _view(core: Core, request: SpotRequest) -> Params:
    code, message = request.status
    tags = core.region(request.region).tags(request.id)
    return {
        "SpotInstanceRequestId": request.id,
        "State": request.state,
        "Type": request.kind,
        "InstanceId": request.instance_id,
        "CreateTime": moment(request.created_at),
        "Status": {"Code": code, "Message": message, "UpdateTime": moment(request.updated_at)},
        "ProductDescription": PRODUCT,
        "InstanceInterruptionBehavior": "terminate",
        "LaunchSpecification": request.launched,
        "LaunchedAvailabilityZone": request.launched["Placement"]["AvailabilityZone"],
        "SpotPrice": request.max_price or str(_ceiling(core, request)),
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def _ceiling(core: Core, request: SpotRequest) -> float:
    return on_demand(core, request.region, str(request.launched["InstanceType"]))


def _fields(view: Params) -> dict[str, Any]:
    return {
        "spot-instance-request-id": view["SpotInstanceRequestId"],
        "state": view["State"],
        "type": view["Type"],
        "instance-id": view["InstanceId"],
        "status-code": view["Status"]["Code"],
        "launch.instance-type": view["LaunchSpecification"]["InstanceType"],
        "launch.image-id": view["LaunchSpecification"]["ImageId"],
        "launched-availability-zone": view["LaunchedAvailabilityZone"],
    }


def cancel_requests(core: Core, ask: Ask) -> Params:
    """CancelSpotInstanceRequests; the machines go on running."""
    ids = ask.params.get("SpotInstanceRequestIds", [])
    unknown = [i for i in ids if i not in core.spot_requests]
    if unknown:
        raise AwsError(
            "InvalidSpotInstanceRequestID.NotFound", f"The spot instance request ID '{unknown[0]}' does not exist"
        )
    core.dry_run(ask)
    for request_id in ids:
        request = core.spot_requests[request_id]
        if request.state in {"open", "active"}:
            request.state, request.status = "cancelled", ("request-canceled-and-instance-running", "")
    return {
        "CancelledSpotInstanceRequests": [
            {"SpotInstanceRequestId": i, "State": core.spot_requests[i].state} for i in ids
        ]
    }


def price_history(core: Core, ask: Ask) -> Params:
    """DescribeSpotPriceHistory: the price in force now, per type and zone; there is no older history."""
    described = set(ask.params.get("ProductDescriptions", [PRODUCT])) & PRODUCTS
    types, zone = set(ask.params.get("InstanceTypes", [])), ask.params.get("AvailabilityZone")
    offered = core.region(ask.region).pools if described else []
    offered = [pair for pair in offered if (not types or pair[0] in types) and zone in {None, pair[1]}]
    product = PRODUCT if PRODUCT in described or not described else described.pop()
    rows = [{"InstanceType": kind, "AvailabilityZone": where, "ProductDescription": product} for kind, where in offered]
    # Thousands of pools are offered and few are asked for: only those get a price.
    wanted = [f for f in ask.params.get("Filters", []) if f.get("Name") != "spot-price"]
    rows = [_priced(core, ask.region, row) for row in matching(rows, {"Filters": wanted}, _pool_fields)]
    found, token = page(matching(rows, ask.params, _price_fields), ask.params, 1000)
    return {"SpotPriceHistory": found, "NextToken": token or ""}


def _priced(core: Core, region: str, row: Params) -> Params:
    dollars = spot_price(core, region, row["InstanceType"], row["AvailabilityZone"])
    return {**row, "SpotPrice": f"{dollars:.6f}", "Timestamp": moment(core.clock.now())}


def _pool_fields(row: Params) -> dict[str, Any]:
    return {
        "instance-type": row["InstanceType"],
        "availability-zone": row["AvailabilityZone"],
        "product-description": row["ProductDescription"],
    }


def _price_fields(row: Params) -> dict[str, Any]:
    return {**_pool_fields(row), "spot-price": row["SpotPrice"]}


def vcpus(core: Core, region: str, instance_type: str) -> int:
    """The virtual CPUs of a type; 1 for a type nobody knows."""
    info = core.region(region).type_info(instance_type) or {}
    return int(info.get("VCpuInfo", {}).get("DefaultVCpus", 1))


def on_demand(core: Core, region: str, instance_type: str) -> float:
    """Dollars an hour on demand."""
    from runnerkit.sandbox.ec2.prices import on_demand_price

    return on_demand_price(instance_type, vcpus(core, region, instance_type))


def spot_price(core: Core, region: str, instance_type: str, zone: str) -> float:
    """Dollars an hour on the spot market."""
    return core.prices.of(instance_type, zone, vcpus(core, region, instance_type))
