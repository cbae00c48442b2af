"""FakeCloud: an EC2 that lives in memory, keeps the Cloud contract, and misbehaves when told to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

from runnerkit import tags
from runnerkit.errors import CloudUnavailable, ImageMissing, LaunchRejected, NoCapacity
from runnerkit.model import (
    Attempt,
    Breadth,
    Gpu,
    Instance,
    InstanceType,
    Leftover,
    Market,
    Offering,
    Refusal,
    State,
)
from runnerkit.ports import BatchOrder, Image, Launched, LaunchOrder
from runnerkit.testing.bursts import FakeBursts
from runnerkit.testing.lies import Late, Lies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from runnerkit.ports import Clock
    from runnerkit.wishes import RunnerSpec

REGION = "eu-west-1"
ZONES = ("eu-west-1a", "eu-west-1b")
TYPES = (
    (InstanceType("g4dn.xlarge", "x64", 4, 16, Gpu("t4", 1, 16)), 0.526),
    (InstanceType("g4dn.2xlarge", "x64", 8, 32, Gpu("t4", 1, 16)), 0.752),
    (InstanceType("g5.xlarge", "x64", 4, 16, Gpu("a10g", 1, 22)), 1.006),
    (InstanceType("g6.xlarge", "x64", 4, 16, Gpu("l4", 1, 22)), 0.805),
    (InstanceType("m7i.large", "x64", 2, 8), 0.1008),
    (InstanceType("m7i.xlarge", "x64", 4, 16), 0.2016),
)
SPOT_SHARE = 0.4
FORGOTTEN_AFTER = timedelta(hours=1)
USER_DATA_LIMIT = 16 * 1024


def shop(region: str = REGION, zones: Sequence[str] = ZONES) -> tuple[Offering, ...]:
    """A small market: every type in every zone, spot at 40 % of the on-demand price."""
    return tuple(
        Offering(type_, region, zone, market, price * (SPOT_SHARE if market is Market.SPOT else 1))
        for type_, price in TYPES
        for zone in zones
        for market in Market
    )


class FakeCloud(FakeBursts):
    """Keeps the Cloud contract in memory.

    Args:
        clock: The world's clock.
        owner: Whose machines it lists.
        lies: What it does wrong.
        offerings: What is on the market.
    """

    def __init__(
        self, clock: Clock, owner: str = "runnerkit", lies: Lies | None = None, offerings: Sequence[Offering] = ()
    ) -> None:
        super().__init__()
        self.lies = lies or Lies()
        self.user_data: dict[str, bytes] = {}
        self.consoles: dict[str, str] = {}
        self.remains: dict[str, Leftover] = {}
        self.launches = 0
        self._clock = clock
        self._owner = owner
        self._offerings = tuple(offerings) or shop()
        self._tags: dict[str, dict[str, str]] = {}
        self._real: dict[str, Instance] = {}
        self._ended_at: dict[str, datetime] = {}
        self._list: Late[Instance] = Late(clock, self.lies)
        self._numbers = count(1)
        self._refusing: dict[tuple[str, str, Market], tuple[str, Breadth]] = {}

    # --- the contract -------------------------------------------------------------------------------------------------

    def instances(self) -> Sequence[Instance]:
        """Every instance of the owner, as the lagging list shows them."""
        self._may_fail("instances")
        self._forget_old_ones()
        return self._list.shown()

    def find(self, name: str) -> Sequence[Instance]:
        """The instances of a runner name, as the lagging list shows them."""
        return [instance for instance in self.instances() if instance.name == name]

    def offerings(self, spec: RunnerSpec) -> Sequence[Offering]:
        """The whole market; choosing is the core's business."""
        del spec
        return self._offerings

    def baked(self, spec: RunnerSpec) -> Sequence[Image]:
        """Those of all regions and architectures that are baked."""
        there = () if spec.image else dict.fromkeys((pool.region, pool.type.arch) for pool in self._offerings)
        return [image for key in there if (image := self.image(spec, *key)).baked]

    def image(self, spec: RunnerSpec, region: str, arch: str) -> Image:
        """One baked image for each architecture."""
        if spec.image is not None and spec.image != "baked":
            raise ImageMissing(f"no image {spec.image!r} in {region}", hint="there is: baked")
        return Image(f"ami-{arch}", "baked", region, arch, baked=True, root_device="/dev/sda1", root_gb=50)

    def prepare(self, region: str) -> None:
        """Nothing to get ready."""

    def launch(self, order: LaunchOrder, attempts: Sequence[Attempt]) -> Launched:
        """Start one instance at the first attempt that is not refused."""
        self._check(order)
        order = replace(order, tags={**order.tags, tags.OWNER: self._owner})
        refusals: list[Refusal] = []
        for attempt in attempts:
            self.lies.at_effect("before launch")
            self._may_fail("launch")
            self._check(order, attempt)
            for offering in attempt.offerings:
                refusal = self._refusal(offering)
                if refusal is None:
                    launched = self._start(order, offering, tuple(refusals))
                    self.lies.at_effect("after launch")
                    if self.lies.chance(self.lies.lost):
                        raise CloudUnavailable("the answer to the launch was lost")
                    return launched
                refusals.append(refusal)
        raise NoCapacity(f"every offering for {order.name} was refused", refusals=refusals)

    def tag(self, region: str, instance_id: str, tags: Mapping[str, str | None]) -> None:
        """Set or take away tags."""
        del region
        self.lies.at_effect("before tag")
        self._may_fail("tag")
        if instance_id not in self._real:
            return
        for key, value in tags.items():
            if value is None:
                self._tags[instance_id].pop(key, None)
            else:
                self._tags[instance_id][key] = value
        self._change(self._real[instance_id])
        self.lies.at_effect("after tag")

    def terminate(self, region: str, instance_ids: Iterable[str]) -> None:
        """End these instances; the unknown ones are gone already."""
        del region
        self.lies.at_effect("before terminate")
        self._may_fail("terminate")
        for instance_id in instance_ids:
            self.end(instance_id, "Client.UserInitiatedShutdown")
        self.lies.at_effect("after terminate")

    def console(self, region: str, instance_id: str) -> str:
        """What a test put there."""
        del region
        return self.consoles.get(instance_id, "")

    def leftovers(self) -> Sequence[Leftover]:
        """What a test put there."""
        return list(self.remains.values())

    def remove(self, leftover: Leftover) -> None:
        """Remove it."""
        self.remains.pop(leftover.id, None)

    # --- for tests ----------------------------------------------------------------------------------------------------

    def refuse(
        self, offering: Offering, code: str = "InsufficientInstanceCapacity", breadth: Breadth = Breadth.POOL
    ) -> None:
        """From now on this pool is refused."""
        self._refusing[offering.type.name, offering.zone, offering.market] = (code, breadth)

    def refuse_all(self, market: Market | None = None, code: str = "InsufficientInstanceCapacity") -> None:
        """From now on every pool (of a market) is refused."""
        for offering in self._offerings:
            if market in {None, offering.market}:
                self.refuse(offering, code)

    def accept_all(self) -> None:
        """Nothing is refused any more."""
        self._refusing.clear()
        self._stock.clear()

    def real(self) -> list[Instance]:
        """The instances as they truly are."""
        return list(self._real.values())

    def live(self) -> list[Instance]:
        """The instances that truly live."""
        return [instance for instance in self._real.values() if instance.live]

    def run(self, instance_id: str) -> None:
        """Pending becomes running."""
        self._change(replace(self._real[instance_id], state=State.RUNNING))

    def stop(self, instance_id: str) -> None:
        """Somebody stops it."""
        self._change(replace(self._real[instance_id], state=State.STOPPED))

    def end(self, instance_id: str, reason: str = "Client.InstanceInitiatedShutdown") -> None:
        """It is over, for the reason that EC2 would give."""
        instance = self._real.get(instance_id)
        if instance is not None and instance.live:
            self._change(replace(instance, state=State.TERMINATED, state_reason=reason))

    # --- inside -------------------------------------------------------------------------------------------------------

    def _check(self, order: LaunchOrder | BatchOrder, attempt: Attempt | None = None) -> None:
        if len(order.user_data) > USER_DATA_LIMIT:
            raise LaunchRejected(f"the user data of {order.name} has more than {USER_DATA_LIMIT} bytes")
        if attempt is not None and attempt.region not in {region for region, _ in order.images}:
            raise ImageMissing(f"no image is known for {attempt.region}")

    def _start(self, order: LaunchOrder | BatchOrder, offering: Offering, refusals: tuple[Refusal, ...]) -> Launched:
        instance_id = f"i-{next(self._numbers):017x}"
        self.launches += 1
        self.user_data[instance_id] = order.user_data
        self._tags[instance_id] = dict(order.tags)
        facts = tags.Facts(
            instance_id,
            offering.region,
            offering.zone,
            offering.type.name,
            offering.market,
            State.PENDING,
            self._clock.now(),
        )
        self._change(tags.instance_from(order.tags, facts))
        return Launched(
            instance_id, offering.type.name, offering.region, offering.zone, offering.market, offering.price, refusals
        )

    def _change(self, instance: Instance) -> None:
        """Store an instance with whatever its tags now say."""
        place = (instance.id, instance.region, instance.zone, instance.type, instance.market)
        facts = tags.Facts(*place, instance.state, instance.launched_at, instance.state_reason)
        self._real[instance.id] = tags.instance_from(self._tags[instance.id], facts)
        if not instance.live:
            self._ended_at.setdefault(instance.id, self._clock.now())
        self._remember()

    def _remember(self) -> None:
        self._list.remember(i for i in self._real.values() if self._is_ours(self._tags[i.id]))

    def _is_ours(self, found: Mapping[str, str]) -> bool:
        return found.get(tags.OWNER) == self._owner and tags.of_a_launch(found)

    def _refusal(self, offering: Offering) -> Refusal | None:
        found = self._refusing.get((offering.type.name, offering.zone, offering.market))
        if found is None:
            return None
        code, breadth = found
        place = (offering.type.name, offering.region, offering.zone, offering.market)
        return Refusal(code, breadth, *place, at=self._clock.now())

    def _may_fail(self, what: str) -> None:
        if self.lies.chance(self.lies.failing):
            raise CloudUnavailable(f"the fake cloud fails at {what}")

    def _forget_old_ones(self) -> None:
        now = self._clock.now()
        old = [instance_id for instance_id, at in self._ended_at.items() if now - at > FORGOTTEN_AFTER]
        for instance_id in old:
            del self._real[instance_id], self._ended_at[instance_id]
        if old:
            self._remember()
