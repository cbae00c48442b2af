"""What all machines that really boot have in common: the EC2 is watched, bodies are started, listened to and ended."""

from __future__ import annotations

import logging
import os
import selectors
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from runnerkit import boot
from runnerkit.errors import ConfigError
from runnerkit.sandbox.ec2.errors import AwsError
from runnerkit.sandbox.imds import Imds
from runnerkit.sandbox.machines.init import folders, kernel

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from runnerkit.sandbox.ec2 import InstanceView, MachineEvent, SandboxEc2

logger = logging.getLogger(__name__)
LOOK_EVERY = 0.05
BLOCK = 4_096
ELSEWHERE = "set TMPDIR to a folder where you may write and run programs"
DOWN = {"shutting-down", "stopping", "stopped"}


class Body(Protocol):
    """What runs where an instance is: a process of this computer, with its console behind a file descriptor."""

    @property
    def output(self) -> int:
        """Where its console can be read."""

    def read(self) -> bool:
        """Pass on what the console said; False once it can say no more."""

    def ended(self) -> int | None:
        """Its exit code once it has ended."""


@dataclass
class Watched:
    """One instance from outside; ``born`` is of the process's own clock."""

    folder: Path
    born: float
    boots: int = 0
    body: Body | None = None
    off: bool = False


class Machines(ABC):
    """Watches an EC2 and boots each of its instances. A context manager; Linux only.

    Nothing of a machine outlives its instance or this process.

    Args:
        ec2: Where instances appear.
        name: What its folder and its thread are called.
        folder: Where scratch folders are made; by default where temporary files belong.
    """

    def __init__(self, ec2: SandboxEc2, name: str, folder: Path | None) -> None:
        self.imds = Imds(ec2)
        self._ec2 = ec2
        self._name = name
        self._within = folder
        self._machines: dict[str, Watched] = {}
        self._to_reboot: set[str] = set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._folder = scratch(f"rk-{self._name}-", self._within)
        try:
            # The job's user must be able to pass.
            self._folder.chmod(0o711)
            self._ready()
            # Remembered from now on. Later the EC2's server may be reading Python as well, and they would disturb
            # each other (`runnerkit.boot`).
            list(boot.agent_files(image=True))
            self.imds.start()
            self._thread.start()
        except BaseException:
            self.imds.stop()
            folders.remove(self._folder)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join(timeout=30)
        self.imds.stop()
        folders.remove(self._folder)

    # --- what kinds of machines differ in -----------------------------------------------------------------------------

    def _ready(self) -> None:  # noqa: B027 - most need nothing
        """Make ready what all machines share; the folder exists."""

    @abstractmethod
    def _lay_out(self, view: InstanceView, machine: Watched) -> None:
        """Before the first boot: make its disk.

        Raises:
            OSError: That cannot be done.
        """

    @abstractmethod
    def _start(self, view: InstanceView, machine: Watched) -> Body:
        """Boot it.

        Raises:
            OSError: That cannot be done.
        """

    @abstractmethod
    def _end(self, bodies: Iterable[Body]) -> None:
        """Pull the plug of several at once."""

    @abstractmethod
    def _crash(self, code: int) -> str:
        """What to say on the console when a body has ended by itself; empty when it powered off in good order."""

    def _reboots(self, _code: int) -> bool:
        """Whether a body that has ended by itself is to boot again."""
        return False

    def _forget(self, instance_id: str) -> None:  # noqa: B027 - as above
        """The instance is gone for good."""

    # --- watching -----------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Re-read the world at every beat and with every event; consoles are read as soon as they say something."""
        self._selector = selectors.DefaultSelector()
        self._news, tell = os.pipe()
        os.set_blocking(tell, False)
        self._selector.register(self._news, selectors.EVENT_READ)
        unsubscribe = self._ec2.subscribe(partial(self._wake, tell))
        try:
            while not self._ending.is_set():
                for key, _ in self._selector.select(LOOK_EVERY):
                    self._hear(key)
                self._look()
        finally:
            unsubscribe()
            self._end([machine.body for machine in self._machines.values() if machine.body])
            self._selector.close()
            os.close(self._news)
            os.close(tell)

    def _wake(self, pipe: int, event: MachineEvent) -> None:
        if event.kind == "rebooted":
            self._to_reboot.add(event.instance_id)
        # Full: it is awake already. Closed: it needs no news any more.
        with suppress(OSError):
            os.write(pipe, b".")

    def _hear(self, key: selectors.SelectorKey) -> None:
        if key.data is None:
            os.read(self._news, BLOCK)
        elif not key.data.read():
            self._selector.unregister(key.fileobj)

    def _look(self) -> None:
        seen = {view.id: view for view in self._ec2.instances() if view.state != "terminated"}
        for instance_id in set(self._machines) - set(seen):
            self._drop(instance_id)
        for view in seen.values():
            machine = self._machines.setdefault(view.id, Watched(self._folder / view.id, time.monotonic()))
            # The API may take an instance away between two looks; the next look sees it right.
            with suppress(AwsError):
                self._step(view, machine)

    def _step(self, view: InstanceView, machine: Watched) -> None:
        if view.id in self._to_reboot:
            self._to_reboot.discard(view.id)
            self._unplug(machine)
        if view.state in DOWN:
            self._unplug(machine)
            machine.off = False
        elif machine.body is not None:
            code = machine.body.ended()
            if code is not None:
                self._unplug(machine)
                if self._reboots(code):
                    self._begin(view, machine)
                else:
                    self._power_off(view, machine, self._crash(code))
        elif view.state == "running" and not machine.off:
            self._begin(view, machine)

    # --- one machine --------------------------------------------------------------------------------------------------

    def _begin(self, view: InstanceView, machine: Watched) -> None:
        machine.boots += 1
        try:
            if machine.boots == 1:
                folders.make(machine.folder, 0o711)
                self._lay_out(view, machine)
            machine.body = self._start(view, machine)
        except AwsError:
            raise
        except Exception as error:
            # Whatever it is, the other machines go on.
            logger.exception("instance %s cannot be made", view.id)
            self._power_off(view, machine, f"powering off: the machine cannot be made: {error}")
        else:
            self._selector.register(machine.body.output, selectors.EVENT_READ, machine.body)

    def _power_off(self, view: InstanceView, machine: Watched, why: str) -> None:
        machine.off = True
        if why:
            self._say(view.id, why)
        self._ec2.power_off(view.id)

    def _console(self, instance_id: str, text: bytes) -> None:
        # EC2 may have forgotten the instance, and its console with it.
        with suppress(AwsError):
            self._ec2.console(instance_id, text)

    def _say(self, instance_id: str, text: str) -> None:
        self._console(instance_id, f"sandbox: {text}\n".encode())

    def _drop(self, instance_id: str) -> None:
        machine = self._machines.pop(instance_id)
        self._unplug(machine)
        self._forget(instance_id)
        folders.remove(machine.folder)

    def _unplug(self, machine: Watched) -> None:
        body, machine.body = machine.body, None
        if body is not None:
            with suppress(KeyError):
                self._selector.unregister(body.output)
            self._end([body])


def need_linux(what: str, instead: str, proc: Path = kernel.PROC) -> None:
    """Refuse a system without ``/proc``.

    Raises:
        ConfigError: This is one.
    """
    if not (proc / "self/stat").exists():
        raise ConfigError(f"{what} need Linux's /proc, and this system has none", hint=instead)


def scratch(prefix: str, within: Path | None) -> Path:
    """A folder for machines.

    Raises:
        ConfigError: It cannot be made there, or no program could be started from it.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=within))
    except OSError as error:
        where = f"{error.filename or within or 'the folder for temporary files'}: {error.strerror}"
        raise ConfigError(f"no folder for machines can be made: {where}", hint=ELSEWHERE) from error
    if os.statvfs(folder).f_flag & os.ST_NOEXEC:
        folder.rmdir()
        raise ConfigError(f"{folder.parent} is mounted with noexec, and machines start programs there", hint=ELSEWHERE)
    return folder
