"""Bursts of FakeCloud: equal instances in one call, then a name and a secret for each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

from runnerkit import tags
from runnerkit.errors import CloudError, CloudUnavailable, LaunchRejected, NoCapacity
from runnerkit.ports import Batch, Launched

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.model import Attempt, Instance, Market, Offering, Refusal
    from runnerkit.names import Secret
    from runnerkit.ports import BatchOrder, LaunchOrder
    from runnerkit.testing.lies import Lies

DOCUMENT_LIMIT = 8 * 1024


class FakeBursts(ABC):
    """The part of FakeCloud that starts machines together; ``fleets`` are the sizes asked for, call by call."""

    lies: Lies
    _owner: str
    _real: dict[str, Instance]

    def __init__(self) -> None:
        self.handed: dict[str, Secret] = {}
        self.fleets: list[int] = []
        self._stock: dict[tuple[str, str, Market], int] = {}

    @abstractmethod
    def tag(self, region: str, instance_id: str, tags: Mapping[str, str | None]) -> None:
        """Set or take away tags."""

    @abstractmethod
    def refuse(self, offering: Offering) -> None:
        """From now on this pool is refused."""

    @abstractmethod
    def _check(self, order: LaunchOrder | BatchOrder, attempt: Attempt | None = None) -> None: ...

    @abstractmethod
    def _start(
        self, order: LaunchOrder | BatchOrder, offering: Offering, refusals: tuple[Refusal, ...]
    ) -> Launched: ...

    @abstractmethod
    def _refusal(self, offering: Offering) -> Refusal | None: ...

    @abstractmethod
    def _may_fail(self, what: str) -> None: ...

    def launch_batch(self, order: BatchOrder, attempts: Sequence[Attempt], count: int) -> Batch:
        """Start equal instances, as many as are missing at each attempt."""
        self._check(order)
        order = replace(order, tags={**order.tags, tags.OWNER: self._owner})
        launched: list[Launched] = []
        refusals: list[Refusal] = []
        error: CloudError | None = None
        try:
            for attempt in attempts:
                if len(launched) < count:
                    self._fill(order, attempt, count, launched, refusals)
        except CloudError as fault:
            error = fault
        if error is None and len(launched) < count:
            error = NoCapacity(f"every offering for {order.name} was refused", refusals=refusals)
        if error is not None and not launched:
            raise error
        return Batch(tuple(launched), tuple(refusals), error)

    def hand_over(self, region: str, instance_id: str, tags: Mapping[str, str], secret: Secret) -> None:
        """Tag, then keep the document for the machine."""
        if len(secret.reveal().encode()) > DOCUMENT_LIMIT:
            raise LaunchRejected(f"the document of {instance_id} has more than {DOCUMENT_LIMIT} bytes")
        if instance_id not in self._real:
            raise CloudUnavailable(f"there is no instance {instance_id}")
        self.tag(region, instance_id, dict(tags))
        self.lies.at_effect("before secret")
        self._may_fail("secret")
        self.handed[instance_id] = secret
        self.lies.at_effect("after secret")
        if self.lies.chance(self.lies.lost):
            raise CloudUnavailable("the answer to the handing over was lost")

    def _fill(
        self, order: BatchOrder, attempt: Attempt, count: int, launched: list[Launched], refusals: list[Refusal]
    ) -> None:
        """One call: what is missing, from the first pool that has something left."""
        self.lies.at_effect("before launch")
        self._may_fail("launch")
        self._check(order, attempt)
        self.fleets.append(count - len(launched))
        started: list[Launched] = []
        for offering in attempt.offerings:
            while len(launched) + len(started) < count and (refusal := self._refusal(offering)) is None:
                started.append(self._start(order, offering, ()))
                self._use(offering)
            if len(launched) + len(started) < count and refusal is not None:
                refusals.append(refusal)
        self.lies.at_effect("after launch")
        if self.lies.chance(self.lies.lost):
            raise CloudUnavailable("the answer to the launch was lost")
        launched += started

    def _use(self, offering: Offering) -> None:
        pool = (offering.type.name, offering.zone, offering.market)
        if pool in self._stock:
            self._stock[pool] -= 1
            if self._stock[pool] <= 0:
                self.refuse(offering)

    def limit(self, offering: Offering, left: int) -> None:
        """From now on a burst gets so many machines of this pool, and then a refusal."""
        self._stock[offering.type.name, offering.zone, offering.market] = left
