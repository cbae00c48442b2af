"""An EC2, a GitHub and the process machines between them, with a listener that behaves as each test wants."""

from __future__ import annotations

import gzip
import json
import sys
import time
from base64 import b64decode, b64encode
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from runnerkit import boot
from runnerkit.names import Secret
from runnerkit.ports import Machine
from runnerkit.sandbox.ec2 import SandboxEc2, Stage
from runnerkit.sandbox.machines import ProcessMachines
from runnerkit.sandbox.machines.init import kernel
from runnerkit.tags import RECIPE
from tests.sandbox.github_world import REPO, acme, register

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from runnerkit.sandbox.ec2 import InstanceView
    from runnerkit.sandbox.github import GitHubWorld
    from runnerkit.sandbox.github.records import Job, Runner
    from runnerkit.sandbox.machines.roots import Install

PATIENCE = 45.0
BOOT = 0.2
# systemd's own times are those of a real machine.
QUICK = {
    "runnerkit-runner.service": "[Service]\nRestartSec=0.1\nTimeoutStopSec=2\n",
}
# So are the guard's: it is told others in machine.json.
T = TypeVar("T")
END: dict[str, Any] = {"InstanceInitiatedShutdownBehavior": "terminate"}
RULES = {"online_within": 60, "idle": 60, "life": 600, "poll": 0.3, "stop_grace": 20}


def install(folder: Path, environ: Mapping[str, str]) -> None:
    """Put the tests' own listener where a runner belongs."""
    program = folder / "bin/Runner.Listener"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!{sys.executable}\n{Path(__file__).with_name('listener.py').read_text()}")
    program.chmod(0o755)
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in environ.items()))


def eventually(look: Callable[[], T], what: str, within: float = PATIENCE) -> T:
    """Wait until something is true, and give it."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {within} s: {what}")


@dataclass
class Booted:
    """One instance of the yard."""

    yard: Yard
    id: str
    name: str
    blob: str

    @property
    def view(self) -> InstanceView:
        """What EC2 knows of it."""
        return self.yard.ec2.instance(self.id)

    @property
    def console(self) -> str:
        """What it has said, all of it."""
        return bytes(self.yard.ec2._core.machines[self.id].console).decode()

    def says(self, text: str, within: float = PATIENCE) -> str:
        """Wait for a text on the console."""
        try:
            eventually(lambda: text in self.console, text, within)
        except AssertionError as error:
            raise AssertionError(f"{error}; the console: {self.console}") from None
        return self.console

    def online(self) -> Runner:
        """Wait until its runner listens."""
        self.says("Listening for Jobs")
        return next(each for each in self.yard.github.runners() if each.name == self.name)

    def job(self) -> Job:
        """Give it a job, and wait until that runs."""
        self.online()
        job = self.yard.github.queue_job(REPO, [self.name])
        self.says("Running job: train")
        return job

    def gone(self) -> str:
        """Wait for the end; the console."""
        eventually(lambda: self.view.state == "terminated", f"the end of {self.name}: {self.console}")
        return self.console

    def processes(self) -> list[int]:
        """What runs on it."""
        return list(kernel.marked(f"RUNNERKIT_MACHINE={self.id}/"))

    def supervisors(self) -> list[int]:
        """The watcher and the supervisor, in the order of their start; what ends while they are sought is neither."""
        # Process ids begin anew after the highest one.
        return sorted((pid for pid in self.processes() if b"init.main" in _command(pid)), key=_began)


def _began(pid: int) -> tuple[int, int]:
    """When a process began, in ticks since the computer did; of two in one tick the lower id is the elder, mostly."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]), pid
    return 0, pid


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


class Yard:
    """Launches machines and looks at them."""

    def __init__(self, ec2: SandboxEc2, github: GitHubWorld, machines: ProcessMachines) -> None:
        self.ec2 = ec2
        self.github = github
        self.machines = machines
        self.stage = Stage.of(ec2)
        self.baked = ec2.bake("baked", {RECIPE: "gpu"})
        self._token = github.add_token("fine-grained")
        self._count = 0

    def launch(
        self,
        *,
        baked: bool = True,
        startup: str = "",
        change: Callable[[dict[str, Any]], object] = dict,
        cut: int | None = None,
        facts: Mapping[str, str] | None = None,
        kind: str = "g5.xlarge",
        **rules: float,
    ) -> Booted:
        """Start an instance; ``change`` has the last word about its cloud-config, ``cut`` shortens that."""
        self._count += 1
        name = f"rk-{self._count}"
        blob = str(register(self.github, self._token, name, name).body["encoded_jit_config"])
        machine = Machine(name, REPO, (name,), 60, 60, 600, baked=baked, startup=startup, facts=facts or {})
        document = boot.document(machine, Secret(blob))
        document["bootcmd"] = [
            [word.replace("--on-active=60", f"--on-active={rules.get('online_within', 60):g}") for word in line]
            for line in document["bootcmd"]
        ]
        told = next(file for file in document["write_files"] if file["path"] == boot.MACHINE_FILE)
        said = json.loads(b64decode(told["content"])) | RULES | rules
        told["content"] = b64encode(json.dumps(said).encode()).decode()
        change(document)
        data = gzip.compress(boot.HEADER + json.dumps(document).encode())
        image = self.baked if baked else self.stage.image
        instance = self.stage.run(UserData=data[:cut], ImageId=image, InstanceType=kind, **END)
        return Booted(self, instance, name, blob)

    def end(self, booted: Booted) -> None:
        """Terminate it from outside."""
        self.stage.ec2.terminate_instances(InstanceIds=[booted.id])


@contextmanager
def open_yard(
    runner: Install = install,
    drop_ins: Mapping[str, str] = QUICK,
    **options: Any,  # noqa: ANN401 - of ProcessMachines
) -> Iterator[Yard]:
    """A yard of one's own."""
    with (
        SandboxEc2() as ec2,
        acme() as github,
        ProcessMachines(ec2, github, boot=BOOT, runner=runner, drop_ins=drop_ins, **options) as machines,
    ):
        yield Yard(ec2, github, machines)
