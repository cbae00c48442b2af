"""RunInstances, and the calls that start, stop, restart and end machines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runnerkit.sandbox.ec2 import account, templates, views
from runnerkit.sandbox.ec2.capacity import ON_DEMAND, SPOT
from runnerkit.sandbox.ec2.errors import AwsError, missing
from runnerkit.sandbox.ec2.launching import combined, resolve, shutdown_behavior
from runnerkit.sandbox.ec2.lifecycle import by_user, new_reservation_id
from runnerkit.sandbox.ec2.model import STATE_CODES

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2.capacity import Stock
    from runnerkit.sandbox.ec2.core import Core
    from runnerkit.sandbox.ec2.model import Answer, Ask, LaunchSpec, Machine, Params


def run_instances(core: Core, ask: Ask) -> Params:
    """RunInstances."""
    answer = core.tokens.once(ask, lambda: _run(core, ask))
    ids = [instance["InstanceId"] for instance in answer["Instances"]]
    if not any(i in core.machines and core.machines[i].alive for i in ids):
        raise AwsError(
            "IdempotentInstanceTerminated",
            "The request to launch an instance uses the same client token as a previous request for which the "
            "instance has been terminated.",
        )
    return answer


def _run(core: Core, ask: Ask) -> Params:
    wanted, template_tags = _with_template(core, ask)
    market = SPOT if wanted.get("InstanceMarketOptions", {}).get("MarketType") == SPOT else ON_DEMAND
    spec = resolve(core, ask.region, wanted, market, str(ask.params.get("ClientToken", "")))
    tags = {**spec.tags, "instance": {**spec.tags.get("instance", {}), **template_tags}}
    spec = replace(spec, tags=tags)
    core.dry_run(ask)
    account.check_spot(core, spec.market)
    stocks = _reserve(core, ask, spec)
    reservation_id = new_reservation_id()
    machines = [core.lifecycle.launch(ask.region, spec, stock, reservation_id) for stock in stocks]
    return views.reservation(core, reservation_id, [views.instance(core, machine) for machine in machines])


def _with_template(core: Core, ask: Ask) -> tuple[Params, dict[str, str]]:
    asked = ask.params.get("LaunchTemplate")
    if not asked:
        return ask.params, {}
    template = templates.find(core.region(ask.region), asked)
    tags = {"aws:ec2launchtemplate:id": template.id, "aws:ec2launchtemplate:version": str(template.version)}
    return combined(template.data, ask.params), tags


def _reserve(core: Core, ask: Ask, spec: LaunchSpec) -> list[Stock | None]:
    """Capacity for as many machines as possible, at least MinCount or none."""
    if "MinCount" not in ask.params or "MaxCount" not in ask.params:
        raise missing("MinCount" if "MinCount" not in ask.params else "MaxCount")
    stocks: list[Stock | None] = []
    try:
        for _ in range(int(ask.params["MaxCount"])):
            running = [*core.running(ask.region), *((spec.pool(), spec.vcpus) for _ in stocks)]
            stocks.append(core.capacity.take(spec.pool(), spec.vcpus, running))
    except AwsError:
        if len(stocks) >= int(ask.params["MinCount"]):
            return stocks
        for stock in stocks:
            if stock is not None:
                stock.give_back()
        raise
    return stocks


def _changed(machine: Machine, before: str) -> Params:
    return {
        "InstanceId": machine.id,
        "CurrentState": {"Code": STATE_CODES[machine.state], "Name": machine.state},
        "PreviousState": {"Code": STATE_CODES[before], "Name": before},
    }


def _named(core: Core, ask: Ask) -> list[Machine]:
    ids = ask.params.get("InstanceIds", [])
    if not ids:
        raise missing("InstanceId")
    return core.visible(ids, ask.region)


def terminate_instances(core: Core, ask: Ask) -> Params:
    """TerminateInstances; one unknown id and none is terminated."""
    machines = _named(core, ask)
    protected = next((m for m in machines if m.raw.disable_api_termination and m.alive), None)
    if protected is not None:
        raise AwsError(
            "OperationNotPermitted",
            f"The instance '{protected.id}' may not be terminated. Modify its 'disableApiTermination' instance "
            "attribute and try again.",
        )
    core.dry_run(ask)
    before = [machine.state for machine in machines]
    for machine in machines:
        core.lifecycle.terminate(machine, by_user(core.clock.now()))
    return {"TerminatingInstances": [_changed(m, was) for m, was in zip(machines, before, strict=True)]}


def stop_instances(core: Core, ask: Ask) -> Params:
    """StopInstances; machines of one-time spot requests cannot be stopped."""
    machines = _named(core, ask)
    for machine in machines:
        if machine.spec.market == SPOT and machine.spec.spot_type == "one-time":
            raise AwsError(
                "UnsupportedOperation",
                f"You can't stop the Spot Instance '{machine.id}' because it is associated with a one-time Spot "
                "Instance request. You can only stop Spot Instances associated with persistent Spot Instance requests.",
            )
        _must_be(machine, {"running", "stopping", "stopped"}, "stopped")
    core.dry_run(ask)
    before = [machine.state for machine in machines]
    for machine in machines:
        if machine.state == "running":
            core.lifecycle.stop(machine, by_user(core.clock.now()))
    return {"StoppingInstances": [_changed(m, was) for m, was in zip(machines, before, strict=True)]}


def start_instances(core: Core, ask: Ask) -> Params:
    """StartInstances."""
    machines = _named(core, ask)
    for machine in machines:
        _must_be(machine, {"running", "pending", "stopped"}, "started")
    core.dry_run(ask)
    before = [machine.state for machine in machines]
    for machine in machines:
        if machine.state == "stopped":
            core.lifecycle.start(machine)
    return {"StartingInstances": [_changed(m, was) for m, was in zip(machines, before, strict=True)]}


def reboot_instances(core: Core, ask: Ask) -> Params:
    """RebootInstances."""
    machines = _named(core, ask)
    for machine in machines:
        _must_be(machine, {"running"}, "rebooted")
    core.dry_run(ask)
    for machine in machines:
        core.lifecycle.reboot(machine)
    return {}


def modify_attribute(core: Core, ask: Ask) -> Params | Answer:
    """ModifyInstanceAttribute; moto takes every attribute but the shutdown behaviour."""
    (machine,) = core.visible([str(ask.params.get("InstanceId", ""))], ask.region)
    if "InstanceInitiatedShutdownBehavior" not in ask.params:
        return ask.forward()
    behavior = shutdown_behavior(ask.params["InstanceInitiatedShutdownBehavior"].get("Value"))
    core.dry_run(ask)
    machine.raw.instance_initiated_shutdown_behavior = behavior
    return {}


def _must_be(machine: Machine, states: set[str], becoming: str) -> None:
    if machine.state not in states:
        raise AwsError(
            "IncorrectInstanceState",
            f"The instance '{machine.id}' is not in a state from which it can be {becoming}.",
        )
