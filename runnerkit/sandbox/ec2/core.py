"""The state of one world: its clock, its tables, its scripts and its machines."""

from __future__ import annotations

import re
from queue import SimpleQueue
from threading import RLock
from typing import TYPE_CHECKING

from runnerkit.sandbox.batch.world import BatchWorld
from runnerkit.sandbox.ec2 import backend, images
from runnerkit.sandbox.ec2.buckets import Buckets
from runnerkit.sandbox.ec2.calls import CallLog
from runnerkit.sandbox.ec2.capacity import Capacity, Pool
from runnerkit.sandbox.ec2.clock import Timeline, WorldClock
from runnerkit.sandbox.ec2.errors import AwsError, unknown_instances
from runnerkit.sandbox.ec2.faults import Faults
from runnerkit.sandbox.ec2.guarding import Guard
from runnerkit.sandbox.ec2.lifecycle import Lifecycle
from runnerkit.sandbox.ec2.prices import SpotPrices
from runnerkit.sandbox.ec2.tokens import ClientTokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runnerkit.sandbox.ec2.backend import Region
    from runnerkit.sandbox.ec2.fleet import Fleet
    from runnerkit.sandbox.ec2.model import Ask, Cause, Machine, MachineEvent
    from runnerkit.sandbox.ec2.spot import SpotRequest

INSTANCE_ID = re.compile(r"i-[0-9a-f]{8,17}")
VANISH_AFTER = 3600.0
NOTICE_SECONDS = 120.0


class Core:
    """What the handlers work on. Hold ``lock`` while reading or changing it."""

    def __init__(self, account: str, roots: Iterable[str] = ()) -> None:
        self.account = account
        self.guard = Guard(account, roots)
        self.lock = RLock()
        self.clock = WorldClock()
        self.timeline = Timeline()
        self.calls = CallLog()
        self.faults = Faults()
        self.buckets = Buckets()
        self.capacity = Capacity()
        self.prices = SpotPrices()
        self.tokens = ClientTokens()
        self.lifecycle = Lifecycle(self)
        self.events: SimpleQueue[MachineEvent] = SimpleQueue()
        self.machines: dict[str, Machine] = {}
        self.fleets: dict[str, Fleet] = {}
        self.spot_requests: dict[str, SpotRequest] = {}
        self.address: Callable[[str], str | None] = lambda _: None
        # What verifies the tokens of GitHub's jobs; without it anybody's are taken.
        self.provider: Callable[[], str] | None = None
        self.imaged: Callable[[str, str], None] = lambda _instance, _image: None
        self._regions: dict[str, Region] = {}
        self._completed: set[str] = set()
        self.batch = BatchWorld(self)
        self.restore_settings()

    def restore_settings(self) -> None:
        """Put every adjustable time back to its default."""
        self.boot_delay = self.shutdown_delay = self.image_delay = 0.0
        self.settle = self.lag = 0.0
        self.vanish_after = VANISH_AFTER
        self.notice_seconds = NOTICE_SECONDS
        self.credentials: dict[str, str] = {}
        self.doomed: list[Cause] = []
        self.guard.demands = False
        self.spot_role = True

    def reset(self) -> None:
        """Empty the world: no machines, no scripts, no record; moto's state of this account is gone too."""
        self.faults.clear()
        self.batch.clear()
        with self.lock:
            for table in (self.machines, self.fleets, self.spot_requests, self._regions, self._completed):
                table.clear()
            for part in (self.timeline, self.calls, self.buckets, self.capacity, self.prices, self.tokens):
                part.clear()
            self.clock = WorldClock()
            self.restore_settings()
            backend.drop_account(self.account)

    def region(self, name: str) -> Region:
        """EC2 in a region; its stock images are there from the first use on."""
        if name not in self._regions:
            try:
                region = backend.Region(self.account, name)
            except KeyError:
                raise AwsError("InvalidParameterValue", f"There is no region {name!r}.") from None
            images.seed(region)
            self._regions[name] = region
        return self._regions[name]

    def public_images(self, name: str) -> None:
        """Have the images of every public parameter in a region."""
        region = self.region(name)
        if name not in self._completed:
            self._completed.add(name)
            images.seed_from_moto(region)

    def tick(self) -> None:
        """Let everything happen that is due."""
        with self.lock:
            self.timeline.run(self.clock.now())

    def visible(self, instance_ids: list[str], region: str) -> list[Machine]:
        """Machines by id, as a call that names them sees them.

        Raises:
            AwsError: An id is malformed, unknown, or too fresh for EC2 to admit that it exists.
        """
        for instance_id in instance_ids:
            if not INSTANCE_ID.fullmatch(instance_id):
                raise AwsError("InvalidInstanceID.Malformed", f'Invalid id: "{instance_id}"')
        self.adopt_strangers(region)
        absent = [i for i in instance_ids if i not in self.machines or not self._shown(self.machines[i], region)]
        if absent:
            raise unknown_instances(absent)
        return [self.machines[i] for i in dict.fromkeys(instance_ids)]

    def listed(self, region: str) -> list[Machine]:
        """The machines that lists show now."""
        self.adopt_strangers(region)
        seen = self.clock.now() - self.lag
        return [m for m in self.machines.values() if self._shown(m, region) and m.state_at(seen) is not None]

    def adopt_strangers(self, region: str) -> None:
        """Take over the instances that moto started by itself."""
        known = {m.id for m in self.machines.values()}
        for raw in self.region(region).strangers(known):
            self.lifecycle.adopt(region, raw)

    def running(self, region: str) -> list[tuple[Pool, int]]:
        """Pool and virtual CPUs of everything that counts against the quotas."""
        own = (m for m in self.machines.values() if m.region == region)
        return [(m.spec.pool(), m.spec.vcpus) for m in own if m.state not in {"stopped", "terminated"}]

    def dry_run(self, ask: Ask) -> None:
        """End a dry run where the effect would begin.

        Raises:
            AwsError: DryRunOperation.
        """
        if ask.params.get("DryRun"):
            raise AwsError("DryRunOperation")

    def _shown(self, machine: Machine, region: str) -> bool:
        return machine.region == region and self.clock.now() - machine.launched_at >= self.settle
