"""Nspawn machines: each instance is a Debian of its own that boots from its user data, as on EC2."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, cast

from werkzeug.serving import ThreadedWSGIServer

from runnerkit.errors import ConfigError
from runnerkit.sandbox.imds import QuietHandler
from runnerkit.sandbox.machines import described
from runnerkit.sandbox.machines.init import folders
from runnerkit.sandbox.machines.nspawn import leftovers, mirror, trees
from runnerkit.sandbox.machines.nspawn.addresses import Addresses
from runnerkit.sandbox.machines.nspawn.guest import METADATA, MIRROR, REBOOTED, Disk, Guest, check
from runnerkit.sandbox.machines.nspawn.images import Images, seen
from runnerkit.sandbox.machines.nspawn.mirror import Mirror
from runnerkit.sandbox.machines.nspawn.needs import need
from runnerkit.sandbox.machines.process import stand_in
from runnerkit.sandbox.machines.roots import AGENT_ENVIRONMENT, PARAMETERS_ENDPOINT, environment_file, put
from runnerkit.sandbox.machines.watching import Body, Machines, Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from socket import socket
    from ssl import SSLContext
    from types import TracebackType
    from typing import Self
    from wsgiref.types import WSGIApplication

    from runnerkit.sandbox.ec2 import InstanceView, SandboxEc2
    from runnerkit.sandbox.github import GitHubWorld
    from runnerkit.sandbox.machines.nspawn.network import Network
    from runnerkit.sandbox.machines.roots import Install

NAME = "nspawn"
PREFIX = f"rk-{NAME}-"
SSH = 22
HTTP, HTTPS = 80, 443
LOOK_OFTEN = 0.05
ELSEWHERE = (
    "root must be allowed to make namespaces, cgroups and mounts, which a container of Docker needs --privileged for; "
    "and TMPDIR must be on a file system that overlayfs can write to (ext4, xfs or tmpfs, not overlayfs itself)"
)


class NspawnMachines(Machines):
    """Watches an EC2 and boots each of its instances in systemd-nspawn. A context manager; needs root on Linux.

    A machine has a file system of its own over the shared system, a network of its own with nothing but the metadata
    service and the sandbox's endpoints, and the real systemd, cloud-init, sshd and nftables. Nothing of a machine
    outlives its instance or this process.

    Args:
        ec2: Where instances appear.
        github: Where their runners connect.
        environ: What jobs find in their environment.
        folder: Where disks are made; by default where temporary files belong.
        runner: Puts a runner into a folder; by default the stand-in.
        files: More files of every image of ours, by path.
        say: Hears what takes long.
    """

    def __init__(
        self,
        ec2: SandboxEc2,
        github: GitHubWorld,
        *,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
        runner: Install | None = None,
        files: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(ec2, NAME, folder)
        self.prepare: Callable[[InstanceView, Path], int] = lambda _view, _disk: 0
        self._github = github
        self._environ = dict(environ or {})
        self._install = runner or stand_in
        self._files = dict(files or {})
        self._say_to_people = say
        self._own = ExitStack()
        self._disks: dict[str, Disk] = {}
        self._servers: dict[str, list[ThreadedWSGIServer]] = {}

    def __enter__(self) -> Self:
        need()
        with ExitStack() as started:
            self._own = started
            entered = super().__enter__()
            self._ec2.furnish(address=self.address, imaged=self._imaged)
            started.callback(self._ec2.furnish)
            self._own = started.pop_all()
        return entered

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._own.close()

    def _ready(self) -> None:
        # Of machines root is this computer's root: what it leaves in there is for nobody else to read or run.
        self._folder.chmod(0o700)
        self._own.callback(os.close, leftovers.hold(self._folder))
        leftovers.remove(self._folder, PREFIX)
        base = self._own.enter_context(trees.base(self._say_to_people))
        self._check(base)
        self._addresses = self._own.enter_context(Addresses())
        self.ssh_port = self._addresses.port
        runner = folders.make(self._folder / "runner")
        self._install(runner, self._environ)
        self.mirror = Mirror(self._folder / "mirror", runner)
        hosts = f"127.0.0.1 localhost\n{MIRROR} {mirror.HOST}\n"
        self._images = Images(
            self._folder, base, runner, more=self._files, authority=self.mirror.authority, hosts=hosts
        )
        with self._github.state.open():
            options = self._github.state.options
            options.runner_host, options.runner_sha256 = f"https://{mirror.HOST}", self.mirror.sha256

    def address(self, instance_id: str) -> str:
        """The public address of an instance: one of this computer's own, which nobody else can reach."""
        return self._addresses.address(instance_id)

    def _check(self, base: Path) -> None:
        """Refuse what every machine would fail at.

        Raises:
            ConfigError: No machine can be made here.
        """
        disk = Disk(folders.make(self._folder / "check"), (base,))
        try:
            disk.make()
            check(disk)
        except OSError as error:
            raise ConfigError(f"nspawn machines cannot run here: {error.strerror or error}", hint=ELSEWHERE) from error
        finally:
            folders.remove(disk.folder)

    def guest(self, instance_id: str) -> Guest:
        """The running machine of an instance.

        Raises:
            KeyError: It is not running.
        """
        body = self._machines[instance_id].body
        if body is None:
            raise KeyError(instance_id)
        return cast("Guest", body)

    # --- what such machines are ---------------------------------------------------------------------------------------

    def _lay_out(self, view: InstanceView, machine: Watched) -> None:
        lower = self._images.layers(view.image_id, baked=described.is_baked(self._ec2, view))
        disk = Disk(machine.folder, lower, tuple(seen()))
        disk.make()
        gpus = described.gpus(self._ec2, view)
        if gpus:
            put(disk.upper, "usr/local/bin/nvidia-smi", described.nvidia_smi(gpus), 0o755)
        # The sandbox's endpoints are at the same loopback ports inside.
        put(disk.upper, AGENT_ENVIRONMENT, environment_file({PARAMETERS_ENDPOINT: self._ec2.url}))
        limit = self.prepare(view, disk.upper)
        self._disks[view.id] = Disk(disk.folder, disk.lower, disk.binds, limit)

    def _start(self, view: InstanceView, _machine: Watched) -> Body:
        furnish = partial(self._furnish, view)
        try:
            return Guest(view.id, self._disks[view.id], furnish, partial(self._console, view.id))
        except BaseException:
            self._fall_silent(view.id)
            raise

    def _furnish(self, view: InstanceView, network: Network) -> None:
        """The metadata service at its own address, the sandbox's endpoints at theirs, and the way in by SSH."""
        self._serve(view.id, network.listen(METADATA, HTTP), self.imds.of(view.id))
        self._serve(view.id, network.listen(MIRROR, HTTPS), self.mirror, self.mirror.tls)
        for port in self._ports():
            network.reach(port)
        allowed = partial(described.lets_in, self._ec2, view, SSH)
        network.offer(self.address(view.id), self.ssh_port, SSH, allowed)

    def _serve(self, instance_id: str, listener: socket, app: WSGIApplication, tls: SSLContext | None = None) -> None:
        host, port = listener.getsockname()
        fd = listener.fileno()
        server = ThreadedWSGIServer(host, port, app, handler=QuietHandler, ssl_context=tls, fd=fd)
        self._servers.setdefault(instance_id, []).append(server)
        threading.Thread(target=server.serve_forever, args=(LOOK_OFTEN,), name="served", daemon=True).start()

    def _ports(self) -> set[int]:
        urls = (self._ec2.url, self._github.url)
        return {int(url.rpartition(":")[2].strip("/")) for url in urls}

    def _imaged(self, instance_id: str, image_id: str) -> None:
        """CreateImage was called."""
        disk = self._disks.get(instance_id)
        if disk is not None:
            self._images.snapshot(image_id, disk.upper, disk.lower)

    def _end(self, bodies: Iterable[Body]) -> None:
        ending = [cast("Guest", body) for body in bodies]
        for guest in ending:
            guest.pull()
        for guest in ending:
            self._fall_silent(guest.name)
            guest.end()

    def _fall_silent(self, instance_id: str) -> None:
        for server in self._servers.pop(instance_id, []):
            server.shutdown()
            server.server_close()

    def _crash(self, code: int) -> str:
        return f"powering off: systemd-nspawn ended with {code}" if code else ""

    def _reboots(self, code: int) -> bool:
        return code == REBOOTED

    def _forget(self, instance_id: str) -> None:
        self._disks.pop(instance_id, None)
        self._addresses.forget(instance_id)
