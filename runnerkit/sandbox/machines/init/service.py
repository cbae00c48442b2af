"""A service: from its first command to its last, as systemd would have it."""

from __future__ import annotations

import asyncio
import signal
import time
import uuid
from typing import TYPE_CHECKING, Any

from .unitfile import FOREVER, Command, Statuses, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .host import Host
    from .processes import Ended, Process

CLEAN_SIGNALS = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE})
DEFAULT_TIMEOUT = 90.0
OK, FAILED, TIMEOUT, SIGNALLED, RESOURCES = "success", "exit-code", "timeout", "signal", "resources"


class _Over(Exception):
    """The service comes to its end; ``result`` says how, in systemd's words."""

    def __init__(self, result: str = OK) -> None:
        super().__init__(result)
        self.result = result


class Service:
    """One service. ``state`` is systemd's ActiveState, ``result`` what it calls ``$SERVICE_RESULT``."""

    def __init__(self, unit: Unit, host: Host) -> None:
        self.unit = unit
        self.state = "inactive"
        self.result = OK
        self.active_since = 0.0
        self._host = host
        self._main: Process | None = None
        self._left: Ended | None = None
        self._invocation = ""
        self._stop = asyncio.Event()

    @property
    def stopped(self) -> bool:
        """Whether somebody asked it to stop."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask it to stop; `live` ends when it has."""
        self._stop.set()

    def comes_back(self) -> bool:
        """Whether it is to be started again, now that it has ended."""
        forced = self.unit.last("RestartForceExitStatus", Statuses())
        again = self.unit.last("Restart") == "always" or bool(self._left and self._left.code in forced.codes)
        return again and not self.stopped

    async def live(self, ready: asyncio.Future[bool]) -> None:
        """Run it to its end; ``ready`` learns whether the start succeeded."""
        self.state, self.result, self._main, self._left = "activating", OK, None, None
        self._invocation = uuid.uuid4().hex
        self._stop.clear()
        try:
            await self._start()
            self.state, self.active_since = "active", time.monotonic()
            self._tell(ready, well=True)
            await self._stay()
        except _Over as over:
            self.result = over.result
        self.state = "deactivating"
        await self._wind_up()
        # A failed service is not ready; one that has done its work successfully is.
        self.state = "inactive" if self.result == OK else "failed"
        self._tell(ready, well=self.result == OK)

    def _tell(self, ready: asyncio.Future[bool], *, well: bool) -> None:
        if not ready.done():
            ready.set_result(well)

    async def _start(self) -> None:
        limit = self.unit.last("TimeoutStartSec", FOREVER if self._oneshot else DEFAULT_TIMEOUT)
        await self._commands("ExecStartPre", limit)
        if self._oneshot:
            for each in self.unit.every("ExecStart"):
                self._main = self._run(each)
                self._left = await self._until_end(self._main, limit)
                self._judge(self._left, each)
            self._main = None
        else:
            (only,) = self.unit.every("ExecStart")
            self._main = self._run(only)
        await self._commands("ExecStartPost", limit)

    async def _stay(self) -> None:
        """Be active: as long as the main process runs, or until somebody stops what has no process any more."""
        if self._main is not None:
            self._left = await self._until_end(self._main, self.unit.last("RuntimeMaxSec", FOREVER))
            self._judge(self._left, self.unit.every("ExecStart")[0])
        elif self.unit.last("RemainAfterExit", default=False):
            await self._stop.wait()

    async def _wind_up(self) -> None:
        if self._main is not None:
            if not self._main.ended.done():
                await self._end(self._main)
            self._left = self._main.ended.result()
        try:
            await self._commands("ExecStopPost", self._patience, stoppable=False)
        except _Over as over:
            self.result = over.result if self.result == OK else self.result
        if self._main is not None and self._whole_group:
            self._main.signal(signal.SIGKILL, group=True)

    # --- processes ----------------------------------------------------------------------------------------------------

    @property
    def _oneshot(self) -> bool:
        return bool(self.unit.last("Type") == "oneshot")

    @property
    def _whole_group(self) -> bool:
        return bool(self.unit.last("KillMode") != "process")

    @property
    def _patience(self) -> float:
        return float(self.unit.last("TimeoutStopSec", DEFAULT_TIMEOUT))

    async def _commands(self, key: str, limit: float, *, stoppable: bool = True) -> None:
        for each in self.unit.every(key):
            process = self._run(each, self._variables())
            self._judge(await self._until_end(process, limit, stoppable=stoppable), each)

    def _run(self, command: Command, more: Mapping[str, str] | None = None) -> Process:
        try:
            return self._host.run(self.unit, command, {"INVOCATION_ID": self._invocation, **(more or {})})
        except OSError as error:
            self._host.say(f"{self.unit.name}: {command.argv[0]} cannot be started: {error}")
            raise _Over(RESOURCES) from error

    def _variables(self) -> dict[str, str]:
        """What systemd tells the commands around the main process."""
        found = {} if self._main is None else {"MAINPID": str(self._main.pid)}
        if self.state == "deactivating":
            found["SERVICE_RESULT"] = self.result
            if self._left is not None:
                found |= {"EXIT_CODE": self._left.kind, "EXIT_STATUS": self._left.status}
        return found

    async def _until_end(self, process: Process, limit: float, *, stoppable: bool = True) -> Ended:
        """Wait for a process; end it when its time is over or the service is to stop."""
        stop = asyncio.ensure_future(self._stop.wait())
        watched: set[asyncio.Future[Any]] = {process.ended, stop} if stoppable else {process.ended}
        try:
            await asyncio.wait(watched, timeout=None if limit == FOREVER else limit, return_when="FIRST_COMPLETED")
        finally:
            stop.cancel()
        if process.ended.done():
            return process.ended.result()
        late = not (stoppable and self.stopped)
        forced = await self._end(process)
        if process is self._main:
            self._left = process.ended.result()
        if late or forced:
            self._host.say(f"{self.unit.name}: took too long{'' if late else ' to stop'}")
            raise _Over(TIMEOUT)
        if self._is_clean(process.ended.result()):
            raise _Over
        raise _Over(SIGNALLED if process.ended.result().signal else FAILED)

    async def _end(self, process: Process) -> bool:
        """Ask a process to end, then make it; True when it had to be made to."""
        process.signal(self.unit.last("KillSignal", signal.SIGTERM), group=self._whole_group)
        done, _ = await asyncio.wait({process.ended}, timeout=self._patience)
        if not done:
            process.signal(signal.SIGKILL, group=self._whole_group)
            await process.ended
        return not done

    def _is_clean(self, ended: Ended) -> bool:
        good = self.unit.last("SuccessExitStatus", Statuses())
        if ended.signal:
            return ended.signal in good.signals or (not self._oneshot and ended.signal in CLEAN_SIGNALS)
        return ended.code == 0 or ended.code in good.codes

    def _judge(self, ended: Ended, command: Command) -> None:
        if not self._is_clean(ended) and not command.forgiven:
            self._host.say(f"{self.unit.name}: {command.argv[0]} {ended.kind}, status={ended.status}")
            raise _Over(SIGNALLED if ended.signal else FAILED)
