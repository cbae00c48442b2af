"""The control object: start a local EC2, point anything at it, script what it does, and look at what happened."""

from __future__ import annotations

import base64
import itertools
from typing import TYPE_CHECKING, Self

from runnerkit.sandbox.batch.scripts import BatchScripts
from runnerkit.sandbox.ec2 import backend, images
from runnerkit.sandbox.ec2.capacity import SPOT
from runnerkit.sandbox.ec2.clock import moment
from runnerkit.sandbox.ec2.control import Control
from runnerkit.sandbox.ec2.core import Core
from runnerkit.sandbox.ec2.delivery import Delivery
from runnerkit.sandbox.ec2.errors import unknown_instances
from runnerkit.sandbox.ec2.model import InstanceView
from runnerkit.sandbox.ec2.profiles import FILES, turned, without_profiles
from runnerkit.sandbox.ec2.scripts import Scripts
from runnerkit.sandbox.ec2.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runnerkit.sandbox.ec2.calls import CallLog
    from runnerkit.sandbox.ec2.model import Machine, MachineEvent, Notice

ACCOUNTS = itertools.count(210_000_000_001)
# GetConsoleOutput shows 64 KB of it; tests look further back, and a job that writes for days must end somewhere.
CONSOLE_KEPT = 4 << 20
ACCESS_KEY, FAKE = "AKIARUNNERKITSANDBOX", "nobody-checks-this-secret-key"


class SandboxEc2(Scripts):
    """A local EC2 (with S3, SSM, SQS, IAM, ... of moto beside it) in this process, for this and other processes.

    A context manager::

        with SandboxEc2() as ec2:
            ec2.capacity("g5.xlarge", "us-east-1a", "spot", 0)
            subprocess.run([...], env={**os.environ, **ec2.environment()})
            assert ec2.calls.count("CreateFleet") == 1

    Every world has an AWS account of its own, so several may run side by side. An action of ``*`` means any action,
    ``times=None`` means until ``reset()``. Times are seconds.

    Args:
        region: The region that ``environment()`` names and that is meant where no region is given.
        boot_delay: From pending to running.
        shutdown_delay: From shutting-down to terminated, and from stopping to stopped.
    """

    def __init__(self, region: str = "us-east-1", *, boot_delay: float = 0.0, shutdown_delay: float = 0.0) -> None:
        self.region = region
        self._delays = boot_delay, shutdown_delay
        super().__init__(Core(str(next(ACCOUNTS)), (ACCESS_KEY,)))
        self._delivery = Delivery(self._core)
        self._server: Server | None = None
        self.batch = BatchScripts(self._core.batch)
        self._core.batch.surroundings = self.environment
        self.times(boot=boot_delay, shutdown=shutdown_delay)

    # --- running it -----------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Listen on 127.0.0.1 and a free port; takes 2 to 3 seconds the first time in a process."""
        with without_profiles():
            backend.prepare()
        self._delivery.start()
        self._server = Server(self._core, Control(self).answer)
        return self

    def stop(self) -> None:
        """Close the port, drop held calls and forget everything."""
        self._core.faults.clear()
        if self._server is not None:
            self._server.stop()
            self._server = None
        self._delivery.stop()
        self._core.reset()

    def reset(self) -> None:
        """Back to an empty world with the times it was made with; the address stays."""
        self._core.reset()
        boot, shutdown = self._delays
        self.times(boot=boot, shutdown=shutdown)

    @property
    def url(self) -> str:
        """The endpoint of every AWS service.

        Raises:
            RuntimeError: The world was not started.
        """
        if self._server is None:
            raise RuntimeError("The sandbox is not running: use it as a context manager, or call start() first.")
        return self._server.url

    def environment(self) -> dict[str, str]:
        """Environment variables that point any AWS SDK of this or another process here, and nowhere else.

        Those of this process that would say otherwise (a profile, an endpoint of one service) are among them.
        """
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": FAKE,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            **FILES,
            **turned(self.url),
        }

    # --- what there is --------------------------------------------------------------------------------------------

    @property
    def calls(self) -> CallLog:
        """Every call that arrived, in order."""
        return self._core.calls

    def instances(self, *states: str) -> list[InstanceView]:
        """The machines as they really are, whatever lists show; all states, or the named ones."""
        with self._core.lock:
            self._core.tick()
            views = [self._view(machine) for machine in self._core.machines.values()]
        return [view for view in views if not states or view.state in states]

    def instance(self, instance_id: str) -> InstanceView:
        """One machine.

        Raises:
            AwsError: It is unknown, or was terminated so long ago that EC2 has forgotten it.
        """
        with self._core.lock:
            self._core.tick()
            return self._view(self._machine(instance_id))

    def notice(self, instance_id: str) -> Notice | None:
        """The spot interruption that was announced for a machine, as its metadata service would tell it."""
        return self.instance(instance_id).notice

    def console(self, instance_id: str, text: str | bytes) -> None:
        """Write to a machine's serial console; GetConsoleOutput shows the last 64 KB."""
        with self._core.lock:
            machine = self._machine(instance_id)
            machine.console += text.encode() if isinstance(text, str) else text
            del machine.console[:-CONSOLE_KEPT]
            machine.console_at = self._core.clock.now()

    def agent(self, instance_id: str, status: str = "Online") -> None:
        """Let a machine's SSM agent report, or fall silent (``ConnectionLost``)."""
        with self._core.lock:
            self._machine(instance_id).agent = status

    def take_parameter(self, name: str, region: str = "") -> str | None:
        """What a machine reads from a parameter of Parameter Store and then deletes; None when there is none."""
        with self._core.lock:
            return self._core.region(region or self.region).beside.take_parameter(name)

    def bake(
        self, name: str, tags: Mapping[str, str] | None = None, *, arch: str = "x86_64", gigabytes: int = 30
    ) -> str:
        """Register an image owned by this account, as if it had been baked, and return its id."""
        with self._core.lock:
            region, now = self._core.region(self.region), self._core.clock.now()
            return images.bake(region, name, dict(tags or {}), arch, gigabytes, at=now)

    def furnish(
        self,
        *,
        address: Callable[[str], str | None] = lambda _: None,
        imaged: Callable[[str, str], None] = lambda _instance, _image: None,
    ) -> None:
        """Let machines that really boot say where they can be reached, and keep their disks when images are made.

        Args:
            address: The public address of an instance, by its id.
            imaged: Hears of a new image: the instance's id, and the image's. With ``OSError`` there is no image.
        """
        with self._core.lock:
            self._core.address, self._core.imaged = address, imaged

    # --- what happens to machines ---------------------------------------------------------------------------------

    def interrupt(self, instance_id: str, notice: float | None = None) -> None:
        """EC2 announces that it takes a spot machine back, and does so after ``notice`` seconds (two minutes).

        Raises:
            ValueError: It is not a spot machine.
        """
        with self._core.lock:
            machine = self._machine(instance_id)
            if machine.spec.market != SPOT:
                raise ValueError(f"{instance_id} is an on-demand machine; only spot machines are interrupted")
            self._core.lifecycle.interrupt(machine, self._core.notice_seconds if notice is None else notice)
            self._core.tick()

    def rebalance(self, instance_id: str) -> None:
        """EC2 recommends to move away from a spot machine."""
        with self._core.lock:
            self._core.lifecycle.rebalance(self._machine(instance_id))

    def power_off(self, instance_id: str) -> None:
        """The machine's operating system powers off; its shutdown behaviour decides whether it stops or ends."""
        with self._core.lock:
            self._core.tick()
            self._core.lifecycle.power_off(self._machine(instance_id))
            self._core.tick()

    def subscribe(self, listener: Callable[[MachineEvent], None]) -> Callable[[], None]:
        """Hear of everything that happens to machines, in order, on a thread of the world; returns how to stop it."""
        return self._delivery.subscribe(listener)

    def _machine(self, instance_id: str) -> Machine:
        machine = self._core.machines.get(instance_id)
        if machine is None:
            raise unknown_instances([instance_id])
        return machine

    def _view(self, machine: Machine) -> InstanceView:
        spec, cause = machine.spec, machine.cause
        return InstanceView(
            id=machine.id,
            region=machine.region,
            zone=spec.subnet.zone,
            type=spec.type,
            market=spec.market,
            state=machine.state,
            image_id=spec.image_id,
            subnet_id=spec.subnet.id,
            private_ip=str(machine.raw.private_ip),
            group_ids=spec.group_ids,
            profile_arn=spec.profile_arn,
            shutdown_behavior=machine.raw.instance_initiated_shutdown_behavior,
            metadata_options=spec.metadata_options,
            user_data=base64.b64decode(spec.user_data),
            tags=self._core.region(machine.region).tags(machine.id),
            launched_at=moment(machine.launched_at),
            reason=cause.code if cause else "",
            spot_request_id=machine.spot_request_id,
            client_token=spec.client_token,
            notice=machine.notice,
        )
