"""The world's own thread: it lets due things happen without anybody calling, and tells listeners and EventBridge."""

from __future__ import annotations

import json
import logging
import sys
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING

from runnerkit.sandbox.ec2.clock import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.sandbox.ec2.core import Core
    from runnerkit.sandbox.ec2.model import MachineEvent

logger = logging.getLogger(__name__)
BEAT = 0.02
BRIDGE = "moto.events.models"


class Delivery:
    """Ticks the clock and hands out events, in order."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._listeners: list[Callable[[MachineEvent], None]] = []
        self._over = Event()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._over.clear()
        self._thread = Thread(target=self._run, name="sandbox-ec2-events", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; events not delivered yet are dropped."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(5)
            self._thread = None
        self._listeners.clear()

    def subscribe(self, listener: Callable[[MachineEvent], None]) -> Callable[[], None]:
        """Add a listener; returns how to remove it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def _run(self) -> None:
        while not self._over.wait(BEAT):
            self._core.tick()
            while not self._core.events.empty() and not self._over.is_set():
                self._deliver(self._core.events.get())

    def _deliver(self, event: MachineEvent) -> None:
        listeners = list(self._listeners)
        if BRIDGE in sys.modules:
            listeners.insert(0, partial(publish, self._core))
        for listener in listeners:
            try:
                listener(event)
            except Exception:
                logger.exception("a listener failed at %s of %s", event.kind, event.instance_id)


def publish(core: Core, event: MachineEvent) -> None:
    """Tell EventBridge what AWS would tell it."""
    detail: dict[str, str] = {"instance-id": event.instance_id}
    if event.kind == "rebooted":
        return
    if event.kind == "notice":
        title, more = "EC2 Spot Instance Interruption Warning", {"instance-action": "terminate"}
    elif event.kind == "rebalance":
        title, more = "EC2 Instance Rebalance Recommendation", {}
    else:
        title, more = "EC2 Instance State-change Notification", {"state": event.kind}
    core.region(event.region).beside.publish(title, json.dumps(detail | more), event.instance_id, moment(event.at))
