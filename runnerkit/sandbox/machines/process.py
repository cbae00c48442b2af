"""Process machines: each instance is a supervisor process that boots from its user data below a scratch folder."""

from __future__ import annotations

import os
import selectors
import sys
import tempfile
import threading
import time
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError
from runnerkit.sandbox import userdata
from runnerkit.sandbox.ec2.errors import AwsError
from runnerkit.sandbox.imds import Imds
from runnerkit.sandbox.machines import described, roots, users
from runnerkit.sandbox.machines.init import folders, kernel
from runnerkit.sandbox.machines.init.main import POWERED_OFF
from runnerkit.sandbox.machines.supervised import Supervised, end

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from runnerkit.sandbox.ec2 import InstanceView, MachineEvent, SandboxEc2
    from runnerkit.sandbox.github import GitHubWorld
    from runnerkit.sandbox.machines.roots import Install
    from runnerkit.sandbox.machines.users import Logins

LOOK_EVERY = 0.05
BLOCK = 4_096
ELSEWHERE = "set TMPDIR to a folder where you may write and run programs"
DOWN = {"shutting-down", "stopping", "stopped"}


@dataclass
class _Machine:
    """One instance from outside; ``born`` is of the process's own clock."""

    folder: Path
    born: float
    boots: int = 0
    supervised: Supervised | None = None
    off: bool = False


class ProcessMachines:
    """Watches an EC2 and boots each of its instances as processes of this computer. A context manager; Linux only.

    Nothing of a machine outlives its instance or this process. The wall around the metadata service is not enforced:
    the machine's rule set is written to ``run/nft.rules`` below its root.

    Args:
        ec2: Where instances appear.
        github: Where their runners connect; a machine finds it by its JIT configuration.
        boot: Seconds from launch until a machine reads its user data.
        environ: What jobs find in their environment.
        folder: Where scratch folders are made; by default where temporary files belong.
        runner: Puts a runner into a folder; by default the stand-in.
        drop_ins: More lines for units of every image, by unit: for tests that cannot wait for systemd's own times.
        interpreter: What jobs run with; started by root, jobs run as another user if that one can use it.
    """

    def __init__(
        self,
        ec2: SandboxEc2,
        github: GitHubWorld,
        *,
        boot: float = 1.0,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
        runner: Install | None = None,
        drop_ins: Mapping[str, str] | None = None,
        interpreter: str = sys.executable,
    ) -> None:
        self.boot = boot
        self.imds = Imds(ec2)
        self.github = github
        self._ec2 = ec2
        self._environ = dict(environ or {})
        self._within = folder
        self._install = runner or stand_in
        self._drop_ins = dict(drop_ins or {})
        self._interpreter = interpreter
        self._machines: dict[str, _Machine] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="process-machines", daemon=True)

    def __enter__(self) -> Self:
        need_linux("process machines", "use HollowMachines, which keep the leases of machines without any process")
        self._folder = scratch("rk-machines-", self._within)
        try:
            # The job's user must be able to pass.
            self._folder.chmod(0o711)
            self._logins: Logins = users.choose(self._folder, self._interpreter)
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

    def root(self, instance_id: str) -> Path:
        """The scratch root of an instance: its file system, to look at."""
        return self._folder / instance_id / "root"

    # --- watching -----------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Re-read the world at every beat and with every event; consoles are read as soon as they say something."""
        self._selector = selectors.DefaultSelector()
        self._news, tell = os.pipe()
        os.set_blocking(tell, False)
        self._selector.register(self._news, selectors.EVENT_READ)
        unsubscribe = self._ec2.subscribe(partial(_wake, tell))
        try:
            while not self._ending.is_set():
                for key, _ in self._selector.select(LOOK_EVERY):
                    self._hear(key)
                self._look()
        finally:
            unsubscribe()
            end(machine.supervised for machine in self._machines.values() if machine.supervised)
            self._selector.close()
            os.close(self._news)
            os.close(tell)

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
            machine = self._machines.setdefault(view.id, _Machine(self._folder / view.id, time.monotonic()))
            # The API may take an instance away between two looks; the next look sees it right.
            with suppress(AwsError):
                self._step(view, machine)

    def _step(self, view: InstanceView, machine: _Machine) -> None:
        if view.state in DOWN:
            self._unplug(machine)
            machine.off = False
        elif machine.supervised is not None:
            code = machine.supervised.ended()
            if code is not None:
                self._has_ended(view, machine, code)
        elif view.state == "running" and not machine.off:
            self._begin(view, machine)

    # --- one machine --------------------------------------------------------------------------------------------------

    def _begin(self, view: InstanceView, machine: _Machine) -> None:
        machine.boots += 1
        try:
            if machine.boots == 1:
                self._make_root(view, machine)
            self._start(view, machine)
        except OSError as error:
            self._power_off(view, machine, f"powering off: the machine cannot be made: {error}")

    def _make_root(self, view: InstanceView, machine: _Machine) -> None:
        folders.make(machine.folder, 0o711)
        roots.make(
            machine.folder / "root",
            baked=described.is_baked(self._ec2, view),
            imds=self.imds.url(view.id),
            runner=self._install,
            environ=self._environ,
            drop_ins=self._drop_ins,
            logins=self._logins,
            gpus=described.gpus(self._ec2, view),
        )

    def _start(self, view: InstanceView, machine: _Machine) -> None:
        if self._logins.warning:
            self._say(view.id, self._logins.warning)
        secret = userdata.secret(view.user_data)
        machine.supervised = Supervised(
            "main", view.id, self._spec(view, machine), secret, partial(self._console, view.id)
        )
        self._selector.register(machine.supervised.output, selectors.EVENT_READ, machine.supervised)

    def _spec(self, view: InstanceView, machine: _Machine) -> dict[str, object]:
        """What the supervisor has to know."""
        root, first = machine.folder / "root", machine.boots == 1
        as_root = os.geteuid() == 0 and not self._logins.lowered
        environ = {"LANG": "C.UTF-8", **({"RUNNER_ALLOW_RUNASROOT": "1"} if as_root else {})}
        return {
            "folder": str(machine.folder),
            "root": str(root),
            "first": first,
            "boot": max(0.0, machine.born + self.boot - time.monotonic()) if first else 0.0,
            "python": sys.executable,
            "path": os.environ.get("PATH", os.defpath),
            "environ": environ,
            "user_data": b64encode(view.user_data).decode("ascii"),
            **self._logins.spec(root),
        }

    def _has_ended(self, view: InstanceView, machine: _Machine, code: int) -> None:
        self._unplug(machine)
        crash = f"powering off: the machine's supervisor ended with {code}"
        self._power_off(view, machine, "" if code == POWERED_OFF else crash)

    def _power_off(self, view: InstanceView, machine: _Machine, why: str) -> None:
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

    # --- the end ------------------------------------------------------------------------------------------------------

    def _drop(self, instance_id: str) -> None:
        machine = self._machines.pop(instance_id)
        self._unplug(machine)
        folders.remove(machine.folder)

    def _unplug(self, machine: _Machine) -> None:
        supervised, machine.supervised = machine.supervised, None
        if supervised is not None:
            with suppress(KeyError):
                self._selector.unregister(supervised.output)
            end([supervised])


def _wake(pipe: int, _: MachineEvent) -> None:
    # Full: it is awake already. Closed: it needs no news any more.
    with suppress(OSError):
        os.write(pipe, b".")


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


def stand_in(folder: Path, environ: Mapping[str, str]) -> None:
    """Put the stand-in for GitHub's runner into a folder."""
    from runnerkit.sandbox import standin

    standin.install(folder, environ)
