"""Hollow machines: for each instance something boots from its user data, registers its runner and ends itself in time.

They keep the leases of real machines, but run no job's steps: a job that reaches one is over after ``work`` seconds.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerkit.boot import PARAMETERS
from runnerkit.sandbox import userdata
from runnerkit.sandbox.github import Refused

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from runnerkit.sandbox.ec2 import InstanceView, SandboxEc2
    from runnerkit.sandbox.github import GitHubWorld
    from runnerkit.sandbox.userdata import Told

LOOK_EVERY = 0.05
UP = {"pending", "running"}


@dataclass
class _Machine:
    """One machine from the inside; times are of the process's own clock."""

    born: float
    told: Told | None = None
    runner_id: int | None = None
    online_at: float | None = None
    busy_since: float | None = None


class HollowMachines:
    """Watches an EC2 and plays its machines against a GitHub, in one thread. A context manager.

    Args:
        ec2: Where instances appear.
        github: Where their runners connect.
        boot: Seconds from launch to the listening runner.
        work: Seconds that a job takes.
        broken: Names of runners whose machines never come up.
    """

    def __init__(
        self,
        ec2: SandboxEc2,
        github: GitHubWorld,
        *,
        boot: float = 1.0,
        work: float = 1.0,
        broken: set[str] | None = None,
    ) -> None:
        self.boot = boot
        self.work = work
        self.broken = broken if broken is not None else set()
        self._ec2 = ec2
        self._github = github
        self._machines: dict[str, _Machine] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="hollow-machines", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join(timeout=5)

    def _watch(self) -> None:
        while not self._ending.wait(LOOK_EVERY):
            for view in self._ec2.instances():
                # The API may take a machine away between two looks; the next look sees it right.
                with suppress(Refused, KeyError):
                    self._step(view)

    def _step(self, view: InstanceView) -> None:
        machine = self._machines.setdefault(view.id, _Machine(time.monotonic()))
        if view.state not in UP:
            self._fall_silent(machine)
        elif machine.online_at is None:
            self._boot(view, machine)
        else:
            self._serve(view, machine)

    def _fall_silent(self, machine: _Machine) -> None:
        if machine.online_at is not None and machine.runner_id is not None:
            runner_id, machine.runner_id = machine.runner_id, None
            self._github.lose_runner(runner_id)

    def _boot(self, view: InstanceView, machine: _Machine) -> None:
        age = time.monotonic() - machine.born
        if machine.told is None:
            machine.told = self._read(view)
        if machine.told is None:
            # Somebody else's machine, or user data that cannot be read: nothing in it could end it.
            return
        if age >= machine.told.online_within:
            self._end(view, "runnerkit: powering off: no listener in time")
        elif age >= self.boot and machine.told.name not in self.broken:
            self._connect(view, machine, machine.told)

    def _read(self, view: InstanceView) -> Told | None:
        with suppress(ValueError, KeyError):
            name = f"{PARAMETERS}{view.id}"
            return userdata.read(view.user_data, lambda: self._ec2.take_parameter(name, view.region))
        return None

    def _connect(self, view: InstanceView, machine: _Machine, told: Told) -> None:
        try:
            machine.runner_id = self._github.runner_connects(told.jit_config).id
        except Refused as refused:
            self._end(view, f"runnerkit: powering off: GitHub refused the registration: {refused}")
            return
        machine.online_at = time.monotonic()
        self._ec2.console(view.id, f"runnerkit: {told.name} listens for jobs\n")

    def _serve(self, view: InstanceView, machine: _Machine) -> None:
        assert machine.told is not None  # noqa: S101 - it is online
        assert machine.online_at is not None  # noqa: S101 - as above
        runner = next((r for r in self._github.runners() if r.id == machine.runner_id), None)
        now = time.monotonic()
        if runner is None:
            self._end(view, "runnerkit: powering off: the registration vanished")
        elif not runner.busy and now - machine.online_at >= machine.told.idle:
            self._end(view, "runnerkit: powering off: idle")
        elif runner.busy and machine.busy_since is None:
            machine.busy_since = now
        elif runner.busy and machine.busy_since is not None and now - machine.busy_since >= self.work:
            self._finish(view, machine)
        if now - machine.born >= machine.told.life:
            self._end(view, "runnerkit: powering off: the machine reached its lifetime")

    def _finish(self, view: InstanceView, machine: _Machine) -> None:
        with self._github.state.open(reading=True):
            jobs = list(self._github.state.live.jobs.values())
        for job in jobs:
            if job.status == "in_progress" and job.runner_id == machine.runner_id:
                self._github.finish_job(job)
        machine.runner_id = None
        self._end(view, "runnerkit: powering off: the job is done")

    def _end(self, view: InstanceView, why: str) -> None:
        self._ec2.console(view.id, why + "\n")
        self._ec2.power_off(view.id)
