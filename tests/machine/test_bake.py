"""Baking against a real sshd, cloud-init and systemd: the whole way, and every way in which it can stop."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from runnerkit import ssh, tags
from runnerkit.baking import boot as remote
from runnerkit.baking.errors import HostKeyMismatch, StepFailed
from runnerkit.baking.line import Line, Pace, Steps
from runnerkit.baking.steps import Work
from runnerkit.system import SystemClock
from runnerkit.testing import RecordedEvents
from tests.machine.yard import REPO, Guest, Yard, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.names import Secret

SSHD = Path("/usr/sbin/sshd")
BASE = 'base = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"\n'
HEAD = BASE + 'types = ["m7i.large"]\ndocker = "none"\n'
STEP = '\n[[steps]]\nname = "{}"\nrun = """{}"""\ntimeout = "{}"\n'
WHOLE = HEAD + (
    '\n[[steps]]\nuse = "runner"\n\n[[steps]]\nuse = "agent"\n\n[[steps]]\nuse = "docker"\n'
    '\n[[steps]]\ntext = "baked"\nto = "/opt/marker"\n'
    '\n[[checks]]\nrun = "cat /opt/marker"\nexpect = "^baked$"\n'
    '\n[[checks]]\nrun = "runuser -u runner -- /opt/runnerkit/runner/bin/Runner.Listener --version"\n'
)


@dataclass
class Kitchen:
    """The command with its configuration, and a folder for recipes."""

    yard: Yard
    folder: Path
    environment: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def recipe(self, name: str, text: str) -> str:
        """Write a recipe; its path."""
        file = self.folder / f"{name}.toml"
        file.write_text(text, encoding="utf-8")
        return str(file)

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        """Start the command in a process of its own."""
        process = subprocess.Popen(
            [sys.executable, "-m", "runnerkit", *words],
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def run(self, *words: str, **more: str) -> tuple[int, Any, str]:
        """Run the command to its end: exit code, the JSON it printed, what it told."""
        process = self.start(*words, "--json", **more)
        out, err = process.communicate(timeout=90)
        return process.returncode, json.loads(out) if out else None, err

    def bake(self, path: str, *words: str) -> tuple[int, Any, str]:
        """Bake a recipe."""
        return self.run("ami", "bake", path, "--repo", REPO, *words)

    def builders(self) -> list[str]:
        """The ids of live builders."""
        live = self.yard.ec2.instances("pending", "running", "stopping", "stopped")
        return [each.id for each in live if tags.BUILDER in each.tags]

    def close(self) -> None:
        """End what a failed test left, so that it is the only one that fails."""
        for process in self.started:
            with process:
                process.kill()
        for builder in self.builders():
            self.yard.stage.ec2.terminate_instances(InstanceIds=[builder])
        for group in self.groups():
            eventually(partial(self._deleted, group), lambda: "the end of a builder's group")

    def _deleted(self, group: str) -> bool:
        with suppress(ClientError):  # as long as a machine is in it
            self.yard.stage.ec2.delete_security_group(GroupName=group)
        return group not in self.groups()

    def groups(self) -> list[str]:
        """The security groups of builders."""
        found = self.yard.stage.ec2.describe_security_groups()["SecurityGroups"]
        return [each["GroupName"] for each in found if each["GroupName"].startswith("runnerkit-builder-")]


@pytest.fixture
def kitchen(yard: Yard, tmp_path: Path) -> Iterator[Kitchen]:
    """Short waits, folders of its own, and no builder left afterwards."""
    ours = ("AWS_", "GITHUB_", "GH_", "RUNNERKIT_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {
        **yard.world.environment(),
        "RUNNERKIT_STATE_DIR": str(tmp_path / "state"),
        "RUNNERKIT_CACHE_DIR": str(tmp_path / "cache"),
        "RUNNERKIT_AMI__POLL": "0.2",
        "RUNNERKIT_AMI__REACH_WITHIN": "30",
        "RUNNERKIT_POLICY__SETTLE": "1",
    }
    made = Kitchen(yard, tmp_path, environment)
    yield made
    made.close()


def test_a_baked_image_boots_and_serves_a_job(kitchen: Kitchen) -> None:
    """The whole way: built, checked, cleaned, imaged; nothing else is left, and a machine from it runs a job."""
    path = kitchen.recipe("whole", WHOLE)
    code, baked, told = kitchen.bake(path)
    assert (0, True) == (code, baked["made"]), told
    assert ([], []) == (kitchen.builders(), kitchen.groups())
    assert not (kitchen.folder / "state" / "builders").exists(), "no key was ever written"
    image = kitchen.yard.stage.ec2.describe_images(ImageIds=[baked["image"]])["Images"][0]
    marks = {tag["Key"]: tag["Value"] for tag in image["Tags"]}
    assert {"whole", "2.336.0"} == {marks[tags.RECIPE], marks[tags.RUNNER_VERSION]}
    assert kitchen.bake(path)[1]["made"] is False, "the same again is nothing to do"
    guest = kitchen.yard.launch(image=baked["image"])
    guest.online()
    assert guest.read("/opt/marker") == "baked"
    assert guest.run("cat /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys").stdout.count("runnerkit-bake") == 0
    assert not guest.exists(remote.ROOT)
    assert guest.run("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").returncode == 0, "with a host key of its own"
    assert kitchen.yard.finished(kitchen.yard.queue_job(guest.name, "test -e /opt/marker")) == "success"
    guest.ended()


def test_a_stopped_bake_goes_on_at_the_failed_step(kitchen: Kitchen) -> None:
    """A hanging step is killed, a failing one told, and what was done before is done once."""
    done = STEP.format("once", "echo x >>/opt/times", "20s")
    hangs = kitchen.recipe("mended", HEAD + done + STEP.format("second", "echo begun; sleep 600", "1s"))
    code, told, _ = kitchen.bake(hangs)
    assert (12, "bake-step-failed") == (code, told["error"]["code"])
    assert "step 2 of 2 (second) of mended took longer than its 1 s and was stopped" in told["error"]["message"]
    assert told["error"]["output"] == "begun"
    (builder,) = kitchen.builders()
    assert builder in told["error"]["hint"]
    fails = kitchen.recipe("mended", HEAD + done + STEP.format("second", "echo no; exit 3", "5s"))
    code, told, _ = kitchen.bake(fails)
    assert (12, 3, [builder]) == (code, told["error"]["step_exit"], kitchen.builders())
    keys = list((kitchen.folder / "state" / "builders").iterdir())
    assert [0o600] == [key.stat().st_mode & 0o777 for key in keys]
    good = kitchen.recipe("mended", HEAD + done + STEP.format("second", "test $(wc -l </opt/times) = 1", "5s"))
    code, baked, _ = kitchen.bake(good)
    assert (0, True, builder) == (code, baked["resumed"], baked["builder"])
    assert ([], []) == (kitchen.builders(), list((kitchen.folder / "state" / "builders").iterdir()))


def test_a_killed_baker_leaves_nothing(kitchen: Kitchen) -> None:
    """Nobody is there to end the builder, so it ends itself; the sweep removes its security group."""
    path = kitchen.recipe("killed", HEAD + STEP.format("long", "echo begun; sleep 300", "10m"))
    process = kitchen.start("ami", "bake", path, "-v", RUNNERKIT_AMI__SILENCE="5")
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "begun" in line:
                break
        process.send_signal(signal.SIGKILL)
    finally:
        process.communicate(timeout=30)
    (builder,) = kitchen.builders()
    killed = time.monotonic()
    eventually(lambda: not kitchen.builders(), lambda: "the end of the builder")
    assert time.monotonic() - killed < 30
    assert kitchen.yard.ec2.instance(builder).reason == "Client.InstanceInitiatedShutdown"
    assert kitchen.groups() != []

    def swept() -> bool:
        kitchen.run("sweep")
        return not kitchen.groups()

    eventually(swept, lambda: "the end of the security group")


def test_an_interrupted_bake_takes_everything_back(kitchen: Kitchen) -> None:
    """Ctrl-C in the middle of a step ends the builder and removes its group."""
    path = kitchen.recipe("interrupted", HEAD + STEP.format("long", "echo begun; sleep 300", "10m"))
    process = kitchen.start("ami", "bake", path, "-v")
    assert process.stderr is not None
    for line in process.stderr:
        if "begun" in line:
            break
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=40)
    assert 130 == process.returncode, told
    assert ([], []) == (kitchen.builders(), kitchen.groups())


@pytest.mark.skipif(not SSHD.exists(), reason="sshd is not installed (Debian: openssh-server)")
def test_a_machine_in_the_middle_is_told_nothing(kitchen: Kitchen) -> None:
    """Another sshd at the builder's address: it hears no user and no key, and the builder is taken back."""
    path = kitchen.recipe("middle", HEAD + STEP.format("one", "echo begun", "20s"))
    subprocess.run(
        ["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(kitchen.folder / "other")], check=True
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process, log = (
        kitchen.start("ami", "bake", path, "--json", RUNNERKIT_AMI__SSH_PORT=str(port)),
        kitchen.folder / "log",
    )
    try:
        (builder,) = eventually(kitchen.builders, lambda: "a builder")
        address: str = eventually(
            lambda: kitchen.yard.stage.describe(builder).get("PublicIpAddress", ""), lambda: "the builder's address"
        )
        sshd = _sshd(kitchen.folder / "other", address, port, log)
        try:
            out, err = process.communicate(timeout=90)
        finally:
            sshd.terminate()
            sshd.wait(timeout=30)
    finally:
        process.kill()
        process.wait(timeout=30)
    assert (12, "host-key-mismatch") == (process.returncode, json.loads(out)["error"]["code"]), err
    said = log.read_text(encoding="utf-8")
    assert "Connection from" in said
    assert "root" not in said.split("Connection from", 1)[1]
    assert ([], []) == (kitchen.builders(), kitchen.groups())


def _sshd(key: Path, address: str, port: int, log: Path) -> subprocess.Popen[bytes]:
    """An sshd of this computer that tells everything it hears."""
    Path("/run/sshd").mkdir(exist_ok=True)
    options = ["-D", "-f", "/dev/null", "-h", str(key), "-p", str(port), "-E", str(log), "-o", "LogLevel=DEBUG2"]
    return subprocess.Popen([str(SSHD), *options, "-o", f"ListenAddress={address}", "-o", "PidFile=none"])


def test_a_builder_that_dies_in_a_step_is_told_as_such(kitchen: Kitchen) -> None:
    """AWS took it, or somebody ended it: no step is to blame, nothing is kept, and nothing is waited for."""
    path = kitchen.recipe("dies", HEAD + STEP.format("long", "echo begun; sleep 300", "10m"))
    process = kitchen.start("ami", "bake", path, "-v")
    assert process.stderr is not None
    for line in process.stderr:
        if "begun" in line:
            break
    (builder,) = kitchen.builders()
    kitchen.yard.stage.ec2.terminate_instances(InstanceIds=[builder])
    _, told = process.communicate(timeout=60)
    assert 12 == process.returncode, told
    assert f"builder {builder} is " in told
    assert ([], []) == (kitchen.builders(), kitchen.groups())


@pytest.fixture(scope="module")
def key() -> tuple[Secret, str]:
    """A key for the builder that tests connect to themselves."""
    return ssh.new_key()


@pytest.fixture(scope="module")
def builder(yard: Yard, key: tuple[Secret, str]) -> Guest:
    """A machine that boots as a builder does."""
    guest = yard.launch(user_data=remote.user_data(key[1], life=300, silence=200), spot=False)
    group = yard.stage.describe(guest.id)["SecurityGroups"][0]["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "127.0.0.0/8"}]}
    rules = yard.stage.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    if not any(each.get("FromPort") == 22 for each in rules):
        yard.stage.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    eventually(lambda: remote.host_keys(guest.console()), guest.console)
    return guest


def _door(builder: Guest) -> tuple[str, int]:
    return builder.yard.stage.describe(builder.id)["PublicIpAddress"], builder.yard.world.nspawn.ssh_port


@pytest.mark.allow_hosts(["127.0.0.0/8"])
def test_another_machine_s_key_is_refused(builder: Guest, key: tuple[Secret, str]) -> None:
    """Who does not show the key of the console is told nothing, and the error says what that means."""
    _, other = ssh.new_key()
    kind, text, _ = other.split()
    with pytest.raises(HostKeyMismatch, match="another machine answers"):
        ssh.connect(*_door(builder), key[0], [(kind, text)])
    shell = ssh.connect(*_door(builder), key[0], remote.host_keys(builder.console()))
    assert (0, b"0\n") == ((outcome := shell.run("id -u")).code, outcome.out)
    shell.close()


@pytest.mark.allow_hosts(["127.0.0.0/8"])
def test_a_step_goes_on_when_the_connection_is_lost(builder: Guest, key: tuple[Secret, str]) -> None:
    """The session is killed in the middle of a step: it is watched again, has run once, and nothing it said is lost."""
    host_keys, events = remote.host_keys(builder.console()), RecordedEvents()
    made: list[ssh.SshShell] = []

    def connect() -> ssh.SshShell:
        made.append(ssh.connect(*_door(builder), key[0], host_keys))
        return made[-1]

    pace = Pace(look=0.2, watch=0.2, patience=30)
    steps = Steps(Line(connect, lambda: None, SystemClock(), pace), SystemClock(), events, "lost", 200, pace)
    steps.ready()
    script = "echo one >>/opt/lost; echo begun; pkill -f '^sshd: root' || true; sleep 2; echo ended"
    steps.run(Work("cut", script, b"", "ended", 20, "abcdef"), "abcdef", "step 1")
    said = "".join(event.text for event in events.seen if hasattr(event, "text"))
    assert (2, "begun\nended\n", "one\n") == (len(made), said, builder.read("/opt/lost"))
    assert {"abcdef"} == steps.ready()


@pytest.mark.allow_hosts(["127.0.0.0/8"])
def test_a_step_that_fills_the_disk_with_its_output_is_told(builder: Guest, key: tuple[Secret, str]) -> None:
    """It ends by itself, its code is known although there was no room to write it, and not all of it was read."""
    host_keys, events = remote.host_keys(builder.console()), RecordedEvents()
    line = Line(
        lambda: ssh.connect(*_door(builder), key[0], host_keys), lambda: None, SystemClock(), Pace(0.2, 0.2, 30)
    )
    steps = Steps(line, SystemClock(), events, "full", 200, Pace(0.2, 0.2, 30))
    steps.ready()
    folder = f"{remote.ROOT}/steps/flood"
    assert 0 == builder.run(f"mkdir -p {folder} && mount -t tmpfs -o size=24m tmpfs {folder}").returncode
    with pytest.raises(StepFailed, match="ended with 1 after"):
        steps.run(Work("flood", "yes fills-it", b"", "", 60, "flood"), "flood", "step 1")
    said = sum(len(event.text) for event in events.seen if hasattr(event, "text"))
    assert 0 < said < 24 * 1024 * 1024
    line.close()
