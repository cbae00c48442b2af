"""An EC2, a GitHub and the nspawn machines between them, and what tests do to one machine."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import subprocess
import time
from base64 import b64decode, b64encode
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from runnerkit import boot
from runnerkit.names import Secret
from runnerkit.ports import Machine
from runnerkit.sandbox.ec2 import Stage
from runnerkit.sandbox.together import Sandbox
from runnerkit.tags import RECIPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from runnerkit.sandbox.ec2 import InstanceView
    from runnerkit.sandbox.github.records import Job
    from runnerkit.sandbox.imds import InstanceMetadata

T = TypeVar("T")
REPO = "acme/widgets"
# Generous: several machines may boot at once beside other tests on two cores.
PATIENCE = 150.0
END: dict[str, Any] = {"InstanceInitiatedShutdownBehavior": "terminate"}
File = str | bytes | tuple[str, int]


def eventually(look: Callable[[], T], what: Callable[[], str], within: float = PATIENCE) -> T:
    """Wait until something is true, and give it."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {within} s: {what()}")


@dataclass
class Guest:
    """One machine of the yard."""

    yard: Yard
    id: str
    name: str
    blob: str
    born: float

    @property
    def view(self) -> InstanceView:
        """What EC2 knows of it."""
        return self.yard.ec2.instance(self.id)

    @property
    def state(self) -> str:
        """The state that EC2 shows."""
        return self.view.state

    @property
    def imds(self) -> InstanceMetadata:
        """Its metadata service."""
        return self.yard.world.nspawn.imds.of(self.id)

    def console(self) -> str:
        """What its serial console has said, all of it."""
        said = bytes(self.yard.ec2._core.machines[self.id].console).decode(errors="replace")
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said).replace("\r", "")

    def _tail(self) -> str:
        return "\n".join(self.console().splitlines()[-60:])

    def wait_for(self, pattern: str, within: float = PATIENCE) -> str:
        """Wait for a line on the console."""
        sought = re.compile(pattern)
        eventually(lambda: sought.search(self.console()), lambda: f"{pattern}; the console:\n{self._tail()}", within)
        return self.console()

    def ended(self, within: float = PATIENCE) -> float:
        """Wait for EC2 to say that it is terminated; seconds since the launch."""
        eventually(
            lambda: self.state == "terminated", lambda: f"the end of {self.name}; its console:\n{self._tail()}", within
        )
        return time.monotonic() - self.born

    def reason(self) -> str:
        """Why it powered off, by its own words."""
        found = re.findall(r"runnerkit: powering off: (.*)", self.console())
        assert found, f"no reason on the console:\n{self._tail()}"
        return str(found[-1])

    def online(self, within: float = PATIENCE) -> None:
        """Wait until its runner listens at GitHub."""

        def listens() -> bool:
            return any(each.name == self.name and each.online for each in self.yard.world.github.runners())

        eventually(listens, lambda: f"{self.name} online; its console:\n{self._tail()}", within)

    # --- inside -------------------------------------------------------------------------------------------------------

    @property
    def leader(self) -> int:
        """The process that is number one inside."""
        return eventually(self._leader, lambda: f"{self.name} runs; its console:\n{self._tail()}")

    def _leader(self) -> int:
        try:
            return self.yard.world.nspawn.guest(self.id).leader
        except KeyError:
            return 0

    def run(self, script: str, user: str = "root", within: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a script of the shell inside, as one of the machine's users."""
        enter = ["nsenter", f"--target={self.leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
        enter += ["--root", "--wd=/"]
        command = ["sh", "-c", script]
        if user != "root":
            command = ["su", "--shell", "/bin/sh", "--command", script, user]
        environ = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]
        return subprocess.run(
            [*enter, *environ, *command], capture_output=True, text=True, errors="replace", timeout=within, check=False
        )

    def _path(self, path: str) -> Path:
        return Path(f"/proc/{self.leader}/root/{path.lstrip('/')}")

    def read(self, path: str) -> str:
        """A file of the machine."""
        return self._path(path).read_text(encoding="utf-8", errors="replace")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Put a file there."""
        file = self._path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        return self.run(f"test -e {shlex.quote(path)}").returncode == 0

    def end(self) -> None:
        """Terminate it by the API."""
        self.yard.stage.ec2.terminate_instances(InstanceIds=[self.id])


class Yard:
    """Launches machines."""

    def __init__(self, world: Sandbox) -> None:
        self.world = world
        self.ec2 = world.ec2
        self.github = world.github
        self.stage = Stage.of(world.ec2)
        self.baked = world.ec2.bake("baked", {RECIPE: "gpu"})
        self._jobs = 0
        self._names = 0
        self._files: dict[str, tuple[Mapping[str, File], int]] = {}
        world.nspawn.prepare = self._prepare

    def launch(
        self,
        *,
        baked: bool = True,
        files: Mapping[str, File] | None = None,
        agent: Mapping[str, Any] | None = None,
        user_data: bytes | None = None,
        disk_mb: int = 0,
        spot: bool = True,
        image: str = "",
        change: Callable[[dict[str, Any]], object] = dict,
        **machine: Any,  # noqa: ANN401 - fields of Machine
    ) -> Guest:
        """Start a machine.

        Args:
            baked: Whether its image is one of ours.
            files: What is put on its disk before it boots, by path: a text, bytes, or a text and a mode.
            agent: What is added to its machine.json.
            user_data: What it boots from instead.
            disk_mb: How much fits onto its disk beside its image.
            spot: Whether it is a spot machine.
            image: Another image.
            change: Has the last word about its cloud-config.
            machine: Fields of ``runnerkit.ports.Machine``.
        """
        self._names += 1
        name = f"rk-{self._names}"
        blob = self._register(name)
        known = {"online_within": 60, "idle": 60, "life": 600, "baked": baked, **machine}
        document = boot.document(Machine(name, REPO, (name,), **known), Secret(blob))
        told = next(file for file in document["write_files"] if file["path"] == boot.MACHINE_FILE)
        said = json.loads(b64decode(told["content"])) | {"poll": 0.5} | dict(agent or {})
        told["content"] = b64encode(json.dumps(said).encode()).decode()
        change(document)
        data = _packed(document) if user_data is None else user_data
        # Told before the launch, as the machine is made right after it.
        self._files[name] = (files or {}, disk_mb)
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}]
        born = time.monotonic()
        chosen = image or (self.baked if baked else self.stage.image)
        instance = self.stage.run(spot=spot, UserData=data, ImageId=chosen, TagSpecifications=tags, **END)
        return Guest(self, instance, name, blob, born)

    def _register(self, name: str) -> str:
        path = f"/repos/{REPO}/actions/runners/generate-jitconfig"
        made = self.world.posted(path, {"name": name, "runner_group_id": 1, "labels": [name]})
        return str(made["encoded_jit_config"])

    def _prepare(self, view: InstanceView, disk: Path) -> int:
        files, limit = self._files.get(view.tags.get("Name", ""), ({}, 0))
        for path, content in files.items():
            text, mode = content if isinstance(content, tuple) else (content, 0o644)
            file = disk / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
            file.chmod(mode)
        return limit

    def queue_job(self, label: str, steps: str = "true") -> Job:
        """Push a workflow of one job with one step; the job waits for a runner with this label."""
        self._jobs += 1
        name = f"job{self._jobs}"
        script = "\n".join(f"          {line}" for line in steps.splitlines())
        workflow = (
            f"name: {name}\non: push\njobs:\n  work:\n    runs-on: [{label}]\n    steps:\n      - shell: bash\n"
            f"        run: |\n{script}\n"
        )
        self.github.push(REPO, {f".github/workflows/{name}.yml": workflow}, message=name)
        return next(job for job in self._all_jobs() if label in job.labels)

    def _all_jobs(self) -> list[Job]:
        with self.github.state.open(reading=True):
            return list(self.github.state.live.jobs.values())

    def job(self, job: Job) -> Job:
        """The job as it is now."""
        with self.github.state.open(reading=True):
            return self.github.state.live.jobs[job.id]

    def finished(self, job: Job, within: float = PATIENCE) -> str:
        """Wait for a job's end; its conclusion."""
        eventually(lambda: self.job(job).status == "completed", lambda: f"the end of job {job.id}", within)
        return str(self.job(job).conclusion)


def _packed(document: dict[str, Any]) -> bytes:
    data = boot.HEADER + json.dumps(document, separators=(",", ":")).encode()
    return data if len(data) <= boot.USER_DATA_LIMIT else gzip.compress(data, 9)


@contextmanager
def open_yard() -> Iterator[Yard]:
    """A yard, or a skipped test where there can be none."""
    from runnerkit.sandbox.machines.nspawn import missing

    if lacking := missing():
        # Root and Linux are part of what a computer has installed, or has not.
        pytest.skip(lacking if "not installed" in lacking else f"nspawn is not installed for us: {lacking}")
    with Sandbox(REPO, machines="nspawn") as world:
        yield Yard(world)
