"""How machines come and go: states, the reasons AWS gives for them, and spot interruptions."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from runnerkit.sandbox.ec2 import spot
from runnerkit.sandbox.ec2.capacity import ON_DEMAND, SPOT
from runnerkit.sandbox.ec2.clock import moment
from runnerkit.sandbox.ec2.model import Cause, LaunchSpec, Machine, MachineEvent, Notice, Raw, Subnet

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.sandbox.ec2.capacity import Stock
    from runnerkit.sandbox.ec2.core import Core

LAUNCH_FAILURES = {
    "Server.InsufficientInstanceCapacity": "There was insufficient capacity available to satisfy the launch request",
    "Server.InternalError": "An internal error caused the instance to terminate during launch",
    "Client.InternalError": "A client error caused the instance to terminate on launch",
    "Client.VolumeLimitExceeded": "The volume limit was exceeded",
    "Client.InvalidSnapshot.NotFound": "The specified snapshot was not found",
}


def by_user(at: float) -> Cause:
    """Somebody called the API."""
    code = "Client.UserInitiatedShutdown"
    return Cause(code, f"{code}: User initiated shutdown", f"User initiated ({moment(at):%Y-%m-%d %H:%M:%S} GMT)")


def by_machine() -> Cause:
    """The operating system powered off."""
    code = "Client.InstanceInitiatedShutdown"
    return Cause(code, f"{code}: Instance initiated shutdown", "")


def by_spot(at: float) -> Cause:
    """EC2 took a spot machine back."""
    code = "Server.SpotInstanceTermination"
    return Cause(code, f"{code}: Spot instance termination", f"Service initiated ({moment(at):%Y-%m-%d %H:%M:%S} GMT)")


def at_launch(code: str) -> Cause:
    """The launch call succeeded and the machine never ran."""
    return Cause(code, f"{code}: {LAUNCH_FAILURES.get(code, 'The instance could not be launched')}", "")


def new_reservation_id() -> str:
    """The id under which machines of one launch are listed together."""
    return f"r-{uuid.uuid4().hex[:17]}"


class Lifecycle:
    """Moves the machines of a world through their states."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def launch(self, region: str, spec: LaunchSpec, stock: Stock | None, reservation_id: str) -> Machine:
        """Start a machine: pending now, running (or failed, if so scripted) after the boot delay."""
        core, now = self._core, self._core.clock.now()
        raw = core.region(region).launch(spec)
        raw.launch_time = moment(now).replace(tzinfo=None)
        machine = Machine(raw.id, region, raw, spec, now, stock, reservation_id)
        core.machines[machine.id] = machine
        if spec.market == SPOT:
            spot.open_request(core, machine)
        self._enter(machine, "pending", now)
        failure = core.doomed.pop(0) if core.doomed else None
        step = self._to("running") if failure is None else self._end_with(failure)
        self._later(machine, core.boot_delay, now, step)
        return machine

    def adopt(self, region: str, raw: Raw) -> None:
        """Take over a machine that moto started without us."""
        market = SPOT if raw.lifecycle == SPOT else ON_DEMAND
        subnet = Subnet(raw.subnet_id or "", raw.availability_zone or "", raw.vpc_id or "")
        groups = tuple(group.id for group in raw.security_groups)
        behavior = raw.instance_initiated_shutdown_behavior
        spec = LaunchSpec(
            image_id=raw.image_id,
            type=raw.instance_type,
            subnet=subnet,
            market=market,
            group_ids=groups,
            disks=(),
            user_data=str(raw.user_data or ""),
            profile_arn="",
            profile_id="",
            shutdown_behavior=behavior,
            metadata_options={},
            key_name=raw.key_name,
            interface={},
            tags={},
            client_token="",
        )
        now = self._core.clock.now()
        machine = Machine(raw.id, region, raw, spec, now, reservation_id=new_reservation_id())
        self._core.machines[machine.id] = machine
        self._enter(machine, raw.state, now)

    def terminate(self, machine: Machine, cause: Cause, at: float | None = None) -> None:
        """Shut down, then end; nothing happens to a machine that is already ending."""
        if not machine.alive:
            return
        now = self._core.clock.now() if at is None else at
        machine.cause = cause
        if machine.state == "stopped":
            self._end(machine, now)
            return
        self._enter(machine, "shutting-down", now)
        self._later(machine, self._core.shutdown_delay, now, self._end)

    def stop(self, machine: Machine, cause: Cause) -> None:
        """Stop a machine that can be started again."""
        machine.cause = cause
        self._enter(machine, "stopping", self._core.clock.now())
        self._later(machine, self._core.shutdown_delay, self._core.clock.now(), self._to("stopped"))

    def start(self, machine: Machine) -> None:
        """Start a stopped machine."""
        machine.cause = None
        self._enter(machine, "pending", self._core.clock.now())
        self._later(machine, self._core.boot_delay, self._core.clock.now(), self._to("running"))

    def power_off(self, machine: Machine) -> None:
        """The operating system powers off; what follows is the machine's own shutdown behaviour."""
        if machine.state not in {"pending", "running"}:
            return
        if machine.raw.instance_initiated_shutdown_behavior == "terminate":
            self.terminate(machine, by_machine())
        else:
            self.stop(machine, by_machine())

    def interrupt(self, machine: Machine, seconds: float) -> None:
        """Announce that EC2 takes a spot machine back, and take it when the time is over."""
        now = self._core.clock.now()
        machine.notice = Notice("terminate", now + seconds)
        spot.mark(self._core, machine)
        self._emit(machine, "notice", now)
        self._core.timeline.at(now + seconds, lambda at: self.terminate(machine, by_spot(at), at))

    def rebalance(self, machine: Machine) -> None:
        """Tell a spot machine that its risk of interruption has risen."""
        machine.rebalance_at = self._core.clock.now()
        self._emit(machine, "rebalance", machine.rebalance_at)

    def reboot(self, machine: Machine) -> None:
        """Restart the operating system."""
        self._emit(machine, "rebooted", self._core.clock.now())

    def _later(self, machine: Machine, delay: float, now: float, step: Callable[[Machine, float], None]) -> None:
        lived = len(machine.history)

        def unless_moved_on(at: float) -> None:
            if len(machine.history) == lived:
                step(machine, at)

        self._core.timeline.at(now + delay, unless_moved_on)

    def _to(self, state: str) -> Callable[[Machine, float], None]:
        def enter(machine: Machine, at: float) -> None:
            if state == "stopped" and machine.stock is not None:
                machine.stock.give_back()
            self._enter(machine, state, at)

        return enter

    def _end_with(self, cause: Cause) -> Callable[[Machine, float], None]:
        def end(machine: Machine, at: float) -> None:
            machine.cause = cause
            self._end(machine, at)

        return end

    def _end(self, machine: Machine, at: float) -> None:
        core = self._core
        if machine.stock is not None and machine.state != "stopped":
            machine.stock.give_back()
        core.region(machine.region).end(machine.raw)
        spot.close_request(core, machine)
        self._enter(machine, "terminated", at)
        core.timeline.at(at + core.vanish_after, lambda _: self._vanish(machine))

    def _vanish(self, machine: Machine) -> None:
        self._core.machines.pop(machine.id, None)
        self._core.region(machine.region).forget(machine.raw)

    def _enter(self, machine: Machine, state: str, at: float) -> None:
        machine.history.append((at, state))
        self._core.region(machine.region).set_state(machine.raw, state, machine.cause)
        self._emit(machine, state, at)

    def _emit(self, machine: Machine, kind: str, at: float) -> None:
        self._core.events.put(MachineEvent(kind, machine.id, machine.region, at))
