"""Process machines: each instance is a supervisor process that boots from its user data below a scratch folder."""

from __future__ import annotations

import os
import sys
import time
from base64 import b64encode
from functools import partial
from typing import TYPE_CHECKING, cast

from runnerkit.sandbox import userdata
from runnerkit.sandbox.machines import described, roots, users
from runnerkit.sandbox.machines.init.main import POWERED_OFF
from runnerkit.sandbox.machines.supervised import Supervised, end
from runnerkit.sandbox.machines.watching import Body, Machines, Watched, need_linux

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from typing import Self

    from runnerkit.sandbox.ec2 import InstanceView, SandboxEc2
    from runnerkit.sandbox.github import GitHubWorld
    from runnerkit.sandbox.machines.roots import Install
    from runnerkit.sandbox.machines.users import Logins


class ProcessMachines(Machines):
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
        super().__init__(ec2, "machines", folder)
        self.boot = boot
        self.github = github
        self._environ = dict(environ or {})
        self._install = runner or stand_in
        self._drop_ins = dict(drop_ins or {})
        self._interpreter = interpreter

    def __enter__(self) -> Self:
        need_linux("process machines", "use HollowMachines, which keep the leases of machines without any process")
        return super().__enter__()

    def root(self, instance_id: str) -> Path:
        """The scratch root of an instance: its file system, to look at."""
        return self._folder / instance_id / "root"

    def _ready(self) -> None:
        self._logins: Logins = users.choose(self._folder, self._interpreter)

    def _lay_out(self, view: InstanceView, machine: Watched) -> None:
        roots.make(
            machine.folder / "root",
            baked=described.is_baked(self._ec2, view),
            endpoints={
                roots.METADATA_ENDPOINT: self.imds.url(view.id),
                roots.PARAMETERS_ENDPOINT: self._ec2.url,
            },
            runner=self._install,
            environ=self._environ,
            drop_ins=self._drop_ins,
            logins=self._logins,
            gpus=described.gpus(self._ec2, view),
        )

    def _start(self, view: InstanceView, machine: Watched) -> Body:
        if self._logins.warning:
            self._say(view.id, self._logins.warning)
        secret = userdata.secret(view.user_data)
        return Supervised("main", view.id, self._spec(view, machine), secret, partial(self._console, view.id))

    def _spec(self, view: InstanceView, machine: Watched) -> dict[str, object]:
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

    def _end(self, bodies: Iterable[Body]) -> None:
        end(cast("Supervised", body) for body in bodies)
        from runnerkit.sandbox import standin

        standin.tidy_up()

    def _crash(self, code: int) -> str:
        return "" if code == POWERED_OFF else f"powering off: the machine's supervisor ended with {code}"


def stand_in(folder: Path, environ: Mapping[str, str]) -> None:
    """Put the stand-in for GitHub's runner into a folder."""
    from runnerkit.sandbox import standin

    standin.install(folder, environ)
