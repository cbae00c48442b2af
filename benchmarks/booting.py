"""Nspawn machines as the benchmark boots them, and what can be timed of one."""

from __future__ import annotations

import os
import re
import select
import subprocess
import tarfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from stamps import BEGUN, FINAL, LISTENING, PREPARE, RUNNER, power_off_begun, unit_times

from runnerkit import boot
from runnerkit.names import Secret
from runnerkit.ports import Machine
from runnerkit.sandbox.ec2 import Stage
from runnerkit.sandbox.machines.init import kernel
from runnerkit.sandbox.together import Sandbox
from runnerkit.tags import RECIPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rivals import File, Rival

    from runnerkit.sandbox.ec2 import InstanceView

T = TypeVar("T")
REPO = "acme/widgets"
OURS = "opt/runnerkit/runner"
PATIENCE = 120.0
LOOK_AGAIN = 0.1
KEPT_TEXT = 4000
UNITS = (FINAL, PREPARE, RUNNER)
EVENTS = ("InactiveExit", "ExecMainStart", "ExecMainExit")
SHOWN = ("--property=Id", *(f"--property={event}TimestampMonotonic" for event in EVENTS))
TERMINATE: dict[str, Any] = {"InstanceInitiatedShutdownBehavior": "terminate"}
# A second start of the stand-in on the same machine, by itself: from its start to the line that says that it listens.
AGAIN = """
import shutil, subprocess, sys, time
root, mine = "/opt/runnerkit/runner", "/home/runner/again"
shutil.copytree(root, mine, ignore=shutil.ignore_patterns("_diag", ".runner", ".credentials*"))
blob = sys.stdin.readline().strip()
began = time.monotonic()
listener = subprocess.Popen([mine + "/bin/Runner.Listener", "run", "--jitconfig", blob], stdout=subprocess.PIPE)
for line in listener.stdout:
    if b"Listening for Jobs" in line:
        print(time.monotonic() - began)
        break
listener.send_signal(2)
listener.wait(20)
"""


def eventually(look: Callable[[], T | None], what: str) -> T:
    """Wait until something is there.

    Raises:
        RuntimeError: It takes too long.
    """
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = look()
        if found is not None:
            return found
        time.sleep(LOOK_AGAIN)
    raise RuntimeError(f"not within {PATIENCE:.0f} s: {what}")


@dataclass
class Booted:
    """A machine whose runner listens. Times are of the monotonic clock, which the machines share with this computer."""

    ground: Ground
    id: str
    label: str
    launched: float
    listening: float
    times: Mapping[tuple[str, str], float]

    @property
    def final_to_listening(self) -> float:
        """Seconds from the start of cloud-init's final stage."""
        return self.listening - self.times[FINAL, BEGUN]

    @property
    def whole(self) -> float:
        """Seconds from the launch."""
        return self.listening - self.launched

    def read(self, path: str) -> str:
        """A file of the machine."""
        return self.ground.place(self.id, path).read_text(encoding="utf-8", errors="replace")

    def run(self, *command: str, told: str = "") -> str:
        """Run a command inside."""
        return self.ground.run(self.id, *command, told=told)

    def stand_in_alone(self) -> float:
        """Seconds that the stand-in takes to start, with nothing else to do."""
        as_runner = ("setpriv", "--reuid=runner", "--regid=runner", "--init-groups")
        code = ("/usr/bin/python3", "-I", "-S", "-c", AGAIN)
        return float(self.run(*as_runner, *code, told=self.ground.register(f"{self.label}-again")))

    def process(self, words: str) -> int:
        """The id, on this computer, of the process with these words in its command line."""
        for pid in kernel.below(self.ground.leader(self.id)):
            if words in Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode():
                return pid
        raise RuntimeError(f"{words} does not run on {self.id}")

    def exit_to_power_off(self) -> float:
        """Give it a job and see how it ends: seconds from the runner's exit to the beginning of the power-off."""
        handle = os.pidfd_open(self.process("Runner.Listener"))
        try:
            self.ground.queue_job(self.label, "true")
            readable, _, _ = select.select([handle], [], [], PATIENCE)
            left = time.monotonic()
        finally:
            os.close(handle)
        assert readable, "the runner never left"
        begun = eventually(lambda: power_off_begun(self.ground.console(self.id)), f"{self.id} powers off")
        return begun - left

    def end(self) -> None:
        """Terminate it, and wait for that."""
        self.ground.end(self.id)


class Ground:
    """A sandbox with nspawn machines."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._stage = Stage.of(sandbox.ec2)
        self._baked = sandbox.ec2.bake("baked", {RECIPE: "gpu"})
        self._prepared: dict[str, tuple[Mapping[str, File], str]] = {}
        self._launched = 0
        sandbox.nspawn.prepare = self._prepare

    # --- launches -----------------------------------------------------------------------------------------------------

    def ours(self, *, baked: bool) -> Booted:
        """A machine of ours whose runner listens."""
        label = self._name()
        known = Machine(label, REPO, (label,), online_within=300, idle=600, life=900, baked=baked)
        known = known if baked else self._stocked(known)
        data = boot.user_data(known, Secret(self.register(label)))
        return self._booted(label, OURS, {"UserData": data, "ImageId": self._baked if baked else self._stage.image})

    def theirs(self, rival: Rival) -> Booted:
        """A machine that boots as somebody else's does."""
        label = self._name()
        jit = self.register(label)
        self._prepared[label] = rival.files(jit), rival.folder if rival.baked else ""
        options = {"HttpTokens": "required", "InstanceMetadataTags": "enabled"}
        request = {"UserData": rival.user_data(jit), "MetadataOptions": options}
        return self._booted(label, rival.folder, request, rival.tags)

    def register(self, label: str) -> str:
        """A JIT configuration for a runner of this name and label."""
        path = f"/repos/{REPO}/actions/runners/generate-jitconfig"
        made = self._sandbox.posted(path, {"name": label, "runner_group_id": 1, "labels": [label]})
        return str(made["encoded_jit_config"])

    def queue_job(self, label: str, script: str) -> None:
        """Push a workflow with one job of one step."""
        text = f"on: push\njobs:\n  work:\n    runs-on: [{label}]\n    steps:\n      - run: {script}\n"
        self._sandbox.github.push(REPO, {f".github/workflows/{label}.yml": text}, message=label)

    def _name(self) -> str:
        self._launched += 1
        return f"bench-{self._launched}"

    def _stocked(self, machine: Machine) -> Machine:
        downloads = self._sandbox.asked(f"/repos/{REPO}/actions/runners/downloads")
        package = next(each for each in downloads if (each["os"], each["architecture"]) == ("linux", "x64"))
        return replace(machine, runner_url=package["download_url"], runner_sha256=package["sha256_checksum"])

    def _booted(
        self, label: str, folder: str, request: Mapping[str, Any], tags: Mapping[str, str] | None = None
    ) -> Booted:
        named = [{"Key": key, "Value": value} for key, value in {"Name": label, **(tags or {})}.items()]
        specifications = [{"ResourceType": "instance", "Tags": named}]
        launched = time.monotonic()
        instance = self._stage.run(TagSpecifications=specifications, **TERMINATE, **request)
        try:
            listening = eventually(lambda: self._listening(instance, folder), f"{label} ({folder}) listens")
        except RuntimeError as error:
            raise RuntimeError(f"{error}; its console:\n{self.console(instance)[-KEPT_TEXT:]}") from error
        shown = self.run(instance, "systemctl", "show", *SHOWN, *UNITS)
        return Booted(self, instance, label, launched, listening, unit_times(shown))

    def _prepare(self, view: InstanceView, disk: Path) -> int:
        files, runner = self._prepared.get(view.tags.get("Name", ""), ({}, ""))
        for path, (text, mode) in files.items():
            file = disk / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            file.chmod(mode)
        if runner:
            with tarfile.open(self._sandbox.nspawn.mirror.archive) as archive:
                archive.extractall(disk / runner, filter="tar")
        return 0

    def _listening(self, instance: str, folder: str) -> float | None:
        """When the runner wrote into its log that it listens, the last thing it does before a job comes.

        The file's time is as exact as the kernel's ticks, and no pipe between runner and journal delays it.
        """
        try:
            for log in self.place(instance, f"{folder}/_diag").glob("Runner_*.log"):
                if LISTENING in log.read_text(encoding="utf-8"):
                    return log.stat().st_mtime - (time.time() - time.monotonic())
        except (OSError, KeyError):
            pass  # It has not got that far.
        return None

    # --- inside -------------------------------------------------------------------------------------------------------

    def leader(self, instance: str) -> int:
        """The process that is number one inside, by its id on this computer."""
        return self._sandbox.nspawn.guest(instance).leader

    def place(self, instance: str, path: str) -> Path:
        """A path of the machine, seen from this computer."""
        return Path(f"/proc/{self.leader(instance)}/root/{path.lstrip('/')}")

    def run(self, instance: str, *command: str, told: str = "") -> str:
        """Run a command inside as root; what it says on standard output."""
        spaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd=/")
        enter = ["nsenter", f"--target={self.leader(instance)}", *spaces]
        clean = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]
        done = subprocess.run(
            [*enter, *clean, *command], input=told, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)[:200]} left with {done.returncode}: {done.stderr}")
        return done.stdout

    def console(self, instance: str) -> str:
        """What its console said so far, without the codes of terminals."""
        said = str(self._stage.ec2.get_console_output(InstanceId=instance, Latest=True).get("Output", ""))
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said).replace("\r", "")

    def end(self, instance: str) -> None:
        """Terminate a machine, and wait for that."""
        self._stage.ec2.terminate_instances(InstanceIds=[instance])
        eventually(lambda: self._state(instance) == "terminated" or None, f"the end of {instance}")

    def _state(self, instance: str) -> str:
        return self._sandbox.ec2.instance(instance).state


@contextmanager
def ground() -> Iterator[Ground]:
    """A sandbox with nspawn machines; one machine has booted on it already, so that all files are in memory."""
    with Sandbox(REPO, machines="nspawn") as sandbox:
        there = Ground(sandbox)
        there.ours(baked=True).end()
        yield there
