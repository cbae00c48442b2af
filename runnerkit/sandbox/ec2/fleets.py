"""What can be asked about instant fleets afterwards, and their deletion, which always takes their machines along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.sandbox.ec2.clock import moment
from runnerkit.sandbox.ec2.lifecycle import by_user

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2.core import Core
    from runnerkit.sandbox.ec2.fleet import Fleet
    from runnerkit.sandbox.ec2.model import Answer, Ask, Params


def describe_fleets(core: Core, ask: Ask) -> Params | Answer:
    """DescribeFleets; instant fleets are shown only to those who name them, the others are moto's."""
    ids = ask.params.get("FleetIds", [])
    if not ids or any(i not in core.fleets for i in ids):
        return ask.forward()
    return {"Fleets": [_view(core, core.fleets[i]) for i in ids]}


def _view(core: Core, fleet: Fleet) -> Params:
    tags = core.region(fleet.region).tags(fleet.id)
    return {
        "FleetId": fleet.id,
        "FleetState": fleet.state,
        "CreateTime": moment(fleet.created_at),
        "Type": "instant",
        "ClientToken": fleet.request.get("ClientToken"),
        "TargetCapacitySpecification": fleet.request.get("TargetCapacitySpecification"),
        "FulfilledCapacity": sum(c.offer.weight for c, m in fleet.started if m.alive),
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        "Errors": fleet.errors,
        "Instances": [
            {
                "LaunchTemplateAndOverrides": candidate.offer.shown(),
                "Lifecycle": candidate.spec.market,
                "InstanceIds": [machine.id],
                "InstanceType": candidate.spec.type,
            }
            for candidate, machine in fleet.started
        ],
    }


def describe_fleet_instances(core: Core, ask: Ask) -> Params | Answer:
    """DescribeFleetInstances."""
    fleet = core.fleets.get(str(ask.params.get("FleetId")))
    if fleet is None:
        return ask.forward()
    active = [machine for _, machine in fleet.started if machine.alive]
    return {
        "FleetId": fleet.id,
        "ActiveInstances": [
            {
                "InstanceId": m.id,
                "InstanceType": m.spec.type,
                "SpotInstanceRequestId": m.spot_request_id or None,
                "InstanceHealth": "healthy",
            }
            for m in active
        ],
    }


def delete_fleets(core: Core, ask: Ask) -> Params | Answer:
    """DeleteFleets."""
    ids = ask.params.get("FleetIds", [])
    if not any(i in core.fleets for i in ids):
        return ask.forward()
    core.dry_run(ask)
    unknown = [{"FleetId": i, "Error": _UNKNOWN} for i in ids if i not in core.fleets]
    return {
        "SuccessfulFleetDeletions": [_delete(core, core.fleets[i]) for i in ids if i in core.fleets],
        "UnsuccessfulFleetDeletions": unknown,
    }


_UNKNOWN = {"Code": "fleetIdDoesNotExist", "Message": "The fleet ID does not exist"}


def _delete(core: Core, fleet: Fleet) -> Params:
    before, fleet.state = fleet.state, "deleted_terminating"
    for _, machine in fleet.started:
        core.lifecycle.terminate(machine, by_user(core.clock.now()))
    return {"FleetId": fleet.id, "CurrentFleetState": fleet.state, "PreviousFleetState": before}
