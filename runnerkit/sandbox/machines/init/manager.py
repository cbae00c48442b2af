"""The manager: units and their jobs, timers, and how the machine goes down."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING

from . import unitfile
from .service import Service
from .unitfile import BadUnit, Unit, UnitMissing

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from .host import Host

UP = {"active", "activating", "deactivating"}
RESTART_SEC = 0.1
BUILT_IN = {"systemd-journald.service"}


class Timer:
    """One timer; when it elapses its service is started."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.state = "inactive"
        self.active_since = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def start(self, manager: Manager) -> None:
        """Arm it. ``OnBootSec=`` counts from the boot, ``OnActiveSec=`` from now."""
        waits = [seconds - manager.uptime() for seconds in self.unit.every("OnBootSec")]
        waits += self.unit.every("OnActiveSec")
        if not waits:
            raise BadUnit(f"{self.unit.name} has no time")
        self.state, self.active_since = "active", time.monotonic()
        service = self.unit.name.removesuffix(".timer") + ".service"
        self._handle = asyncio.get_running_loop().call_later(max(0.0, min(waits)), self._elapse, manager, service)

    def _elapse(self, manager: Manager, service: str) -> None:
        self.state = "inactive"
        manager.begin(service)

    def stop(self) -> None:
        """Call it off."""
        if self._handle is not None:
            self._handle.cancel()
        self.state = "inactive"


class Manager:
    """What systemd is on a machine. ``over`` gets how the machine ends: ``off`` or ``reboot``."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._born = asyncio.get_running_loop().time()
        self._units: dict[str, Service | Timer] = {}
        self._transient: dict[str, Unit] = {}
        self._jobs: dict[str, tuple[int, asyncio.Task[bool]]] = {}
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._starts: dict[str, deque[float]] = {}
        self._numbers = itertools.count(1)
        self._background: set[asyncio.Task[Any]] = set()
        self._going_down = False

    def uptime(self) -> float:
        """Seconds since the boot."""
        return asyncio.get_running_loop().time() - self._born

    # --- units --------------------------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Read unit files anew; what runs goes on."""
        for name, known in list(self._units.items()):
            if name not in self._transient:
                try:
                    known.unit = unitfile.load(self.host.root, name)
                except UnitMissing:
                    del self._units[name]

    def add(self, unit: Unit) -> None:
        """Take a transient unit."""
        self._transient[unit.name] = unit

    def find(self, name: str) -> Service | Timer:
        """A unit by name, loaded when it is first asked for.

        Raises:
            UnitMissing: There is none.
            BadUnit: It cannot be understood.
        """
        if name not in self._units:
            unit = self._transient.get(name) or unitfile.load(self.host.root, name)
            self._units[name] = Timer(unit) if name.endswith(".timer") else Service(unit, self.host)
        return self._units[name]

    def matching(self, pattern: str) -> list[str]:
        """The loaded units with a name like this."""
        return [name for name in self._units if fnmatchcase(name, pattern)]

    def job(self, name: str) -> int:
        """The number of the job that waits for a unit; 0 when there is none."""
        return self._jobs[name][0] if name in self._jobs else 0

    # --- starting -----------------------------------------------------------------------------------------------------

    def begin(self, name: str) -> None:
        """Start a unit without waiting for it."""
        self._spawn(self._quietly(name))

    async def _quietly(self, name: str) -> None:
        try:
            await self.start(name)
        except UnitMissing as error:
            self.host.say(str(error))

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.ensure_future(self._guarded(work))
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _guarded(self, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever the work returns
        """What we cannot understand must not pass for a machine that works."""
        try:
            return await work
        except BadUnit as error:
            self.give_up(str(error))

    def give_up(self, reason: str) -> None:
        """Say why, and power off at once."""
        self.host.say(f"powering off: {reason}")
        self.power_off(force=True)

    async def start(self, name: str) -> bool:
        """Start a unit and wait until it has started; whether it did.

        Raises:
            UnitMissing: There is no such unit.
            BadUnit: It cannot be understood.
        """
        if name in BUILT_IN:
            return True
        found = self.find(name)
        if name not in self._jobs:
            if found.state in {"active", "activating"}:
                return True
            self._jobs[name] = next(self._numbers), asyncio.ensure_future(self._start(found))
            self._jobs[name][1].add_done_callback(lambda _: self._jobs.pop(name, None))
        return await asyncio.shield(self._jobs[name][1])

    async def _start(self, found: Service | Timer) -> bool:
        unit, required = found.unit, set(found.unit.every("Requires"))
        # After is about order only: what is not started, or in the making, is not waited for.
        started = {name: asyncio.ensure_future(self.start(name)) for name in {*required, *unit.every("Wants")}}
        for name in unit.every("After"):
            if name in started or name in self._jobs:
                well = await (started.get(name) or self.start(name))
                if not well and name in required:
                    self.host.say(f"{unit.name} is not started: {name} failed")
                    self._trigger(unit, "OnFailure")
                    return False
        for name, job in started.items():
            job.add_done_callback(partial(self._note, name))
        if self._refuses(unit):
            return False
        if isinstance(found, Timer):
            found.start(self)
            return True
        return await self._bring_up(found)

    def _refuses(self, unit: Unit) -> bool:
        """Whether the machine is going down, and the unit would not outlive that."""
        refused = self._going_down and bool(unit.last("DefaultDependencies", default=True))
        if refused:
            self.host.say(f"{unit.name} is not started: the machine is going down")
        return refused

    def _note(self, name: str, done: asyncio.Future[bool]) -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, BadUnit):
            self.give_up(str(error))
        elif error is not None:
            self.host.say(f"{name}: {error}")

    async def _bring_up(self, service: Service) -> bool:
        name = service.unit.name
        if self._too_often(service.unit):
            self.host.say(f"{name}: start request repeated too quickly")
            service.state, service.result = "failed", "start-limit-hit"
            self._trigger(service.unit, "OnFailure")
            return False
        ready: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        life = self._spawn(self._live(service, ready))
        self._lives[name] = life
        await asyncio.wait({ready, life}, return_when="FIRST_COMPLETED")
        return ready.done() and ready.result()

    def _too_often(self, unit: Unit) -> bool:
        interval, burst = unit.last("StartLimitIntervalSec", 10.0), unit.last("StartLimitBurst", 5)
        starts, now = self._starts.setdefault(unit.name, deque()), self.uptime()
        while starts and starts[0] <= now - interval:
            starts.popleft()
        starts.append(now)
        return bool(interval > 0 and len(starts) > burst)

    async def _live(self, service: Service, ready: asyncio.Future[bool]) -> None:
        await service.live(ready)
        if service.comes_back() and not self._going_down:
            service.state = "activating"
            self._spawn(self._again(service))
        else:
            self._trigger(service.unit, "OnSuccess" if service.result == "success" else "OnFailure")

    async def _again(self, service: Service) -> None:
        await asyncio.sleep(service.unit.last("RestartSec", RESTART_SEC))
        if service.stopped or self._going_down:
            service.state = "inactive"
            return
        # systemd stops the unit in passing, and starts what follows a success although a start is on its way.
        service.state = "inactive"
        restart = asyncio.ensure_future(self.start(service.unit.name))
        await asyncio.sleep(0)
        self._trigger(service.unit, "OnSuccess")
        await restart

    def _trigger(self, unit: Unit, key: str) -> None:
        for name in unit.every(key):
            self.begin(name)

    # --- stopping -----------------------------------------------------------------------------------------------------

    async def stop(self, name: str) -> None:
        """Stop a unit and wait until it has ended.

        Raises:
            UnitMissing: There is no such unit.
        """
        found = self.find(name)
        if isinstance(found, Timer):
            found.stop()
            return
        found.stop()
        if name in self._lives:
            await asyncio.wait({self._lives[name]})
        if found.state == "activating":
            # It was between its end and its next start.
            found.state = "inactive"

    def power_off(self, *, force: bool = False, outcome: str = "off") -> None:
        """Go down: units in their order and with their time for it, or by force at once."""
        if force:
            self._end(outcome)
        elif not self._going_down:
            self._going_down = True
            self._spawn(self._go_down(outcome))

    def _end(self, outcome: str) -> None:
        if not self.over.done():
            self.over.set_result(outcome)

    async def _go_down(self, outcome: str) -> None:
        """Stop everything that does not outlive a shutdown, what was started later first."""
        while left := self._to_stop():
            needed = {name for each in left for name in self._units[each].unit.every("After")}
            now = [name for name in left if name not in needed] or left
            await asyncio.gather(*map(self.stop, now))
        self._end(outcome)

    def _to_stop(self) -> list[str]:
        return [
            name
            for name, found in self._units.items()
            if found.state in UP and found.unit.last("DefaultDependencies", default=True)
        ]
