"""What an nspawn machine is: a real Debian that boots from its user data and ends when its instance does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runnerkit.sandbox.machines.init import kernel
from runnerkit.sandbox.machines.nspawn import launcher, needs
from tests.machine.yard import REPO, Guest, Yard, eventually, open_yard

METADATA = "http://169.254.169.254/latest"
SSH_RULE = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "127.0.0.0/8"}]}


@pytest.fixture(scope="module")
def guest(yard: Yard) -> Guest:
    """One machine that listens, for tests that only look."""
    launched = yard.launch(idle=300)
    launched.online()
    return launched


@pytest.fixture(scope="module")
def other(yard: Yard) -> Guest:
    """A second one: its disk is small, and a unit of somebody's makes systemd read the runner's early."""
    early = {"/etc/systemd/system/runnerkit-boot.timer.d/50-early.conf": "[Unit]\nBefore=runnerkit-runner.service\n"}
    launched = yard.launch(idle=300, disk_mb=64, files=early)
    launched.online()
    return launched


def test_cloud_init_takes_everything_from_the_metadata_service(guest: Guest) -> None:
    """The datasource is EC2's, its metadata came with a token, and nothing went wrong."""
    status = json.loads(guest.read("/run/cloud-init/status.json"))["v1"]
    told = json.loads(guest.read("/run/cloud-init/instance-data-sensitive.json"))
    assert status["datasource"].startswith("DataSourceEc2")
    assert [errors for stage in status.values() if isinstance(stage, dict) for errors in stage["errors"]] == []
    assert told["v1"]["instance_id"] == guest.id
    assert told["v1"]["cloud_name"] == "aws"


def test_systemd_is_real_and_nothing_has_failed(guest: Guest) -> None:
    """Every unit of the system and of ours is well, and units get groups of their own."""
    assert guest.run("systemctl --failed --no-legend --plain").stdout.strip() == ""
    assert "runnerkit-runner.service" in guest.run("cat /proc/$(pgrep -f Runner.Listener | head -1)/cgroup").stdout


def test_the_lifetime_in_the_user_data_is_the_unit_s(guest: Guest) -> None:
    """What was added to a unit of the image counts, though systemd was not told to read it again."""
    shown = guest.run("systemctl show --property=RuntimeMaxUSec --property=NeedDaemonReload runnerkit-runner").stdout
    assert sorted(shown.split()) == ["NeedDaemonReload=no", "RuntimeMaxUSec=10min"]


def test_the_lifetime_counts_though_the_image_had_the_unit_read_before(other: Guest) -> None:
    """A unit of somebody's that names the runner's makes systemd read it before cloud-init adds the lifetime."""
    shown = "systemctl show --value --property=RuntimeMaxUSec runnerkit-runner"
    eventually(lambda: other.run(shown).stdout == "10min\n", lambda: other.run(shown).stdout)


def test_the_metadata_service_answers_at_its_own_address(guest: Guest) -> None:
    """Tokens are needed, have a lifetime, and show the instance."""
    ask = f"curl -s -m 5 -o /dev/null -w '%{{http_code}}' {METADATA}"
    assert guest.run(f"{ask}/meta-data/instance-id").stdout == "401"
    token = guest.run(f"curl -s -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' {METADATA}/api/token").stdout
    with_token = f"curl -s -m 5 -H 'X-aws-ec2-metadata-token: {token}' {METADATA}"
    assert guest.run(f"{with_token}/meta-data/instance-id").stdout == guest.id
    assert json.loads(guest.run(f"{with_token}/dynamic/instance-identity/document").stdout)["instanceId"] == guest.id
    guest.imds.on = False
    try:
        assert "403" in guest.run(f"{with_token}/meta-data/instance-id").stdout
    finally:
        guest.imds.on = True


def test_a_machine_sees_nothing_of_this_computer_s_network(guest: Guest, yard: Yard) -> None:
    """There is a loopback interface, the sandbox's endpoints at their own ports, and nothing else."""
    assert guest.run("ls /sys/class/net; ip -o link | wc -l").stdout.split()[-1] == "1"
    assert guest.run(f"curl -s -m 5 -o /dev/null -w '%{{http_code}}' {yard.github.url}/meta").stdout != "000"
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "0"], stderr=-3, stdout=-1
    ) as server:
        try:
            assert server.stdout is not None
            port = server.stdout.readline().split(b"port ")[1].split()[0].decode()
            assert guest.run(f"curl -s -m 5 http://127.0.0.1:{port}/").returncode == 7
        finally:
            server.terminate()


def test_sshd_can_be_reached_only_where_a_security_group_lets_one_in(yard: Yard, guest: Guest) -> None:
    """The public address is one of this computer's own; without a rule the connection is refused."""
    described = yard.stage.describe(guest.id)
    address, port = described["PublicIpAddress"], str(yard.world.nspawn.ssh_port)
    scan = ["ssh-keyscan", "-T", "3", "-t", "ed25519", "-p", port, address]
    group = described["SecurityGroups"][0]["GroupId"]
    rules = yard.stage.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    if rules:
        # Another test may have let somebody in.
        yard.stage.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rules)
    assert address.startswith("127.")
    assert subprocess.run(scan, capture_output=True, text=True, check=False).stdout == ""
    yard.stage.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[SSH_RULE])
    shown = subprocess.run(scan, capture_output=True, text=True, check=False).stdout
    assert shown.split()[-1] in guest.console(), "the host key is on the console"


def test_limits_of_memory_and_processes_hold_inside(guest: Guest) -> None:
    """A unit's own limits are the kernel's, as on a machine of its own."""
    many = "for i in $(seq 20); do sleep 1 & done; wait"
    assert "fork" in guest.run(f"systemd-run --quiet --pipe --wait -p TasksMax=5 sh -c '{many}'").stderr
    eaten = """python3 -c 'print(len(b"x" * 200_000_000))'"""
    assert guest.run(f"systemd-run --quiet --pipe --wait -p MemoryMax=1G {eaten}").returncode == 0
    assert guest.run(f"systemd-run --quiet --pipe --wait -p MemoryMax=50M {eaten}").returncode != 0


def test_the_metadata_service_of_each_machine_is_its_own(guest: Guest, other: Guest) -> None:
    """Two machines at once have one address and see only themselves."""
    for each in (guest, other):
        token = f"$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' {METADATA}/api/token)"
        script = f'curl -s -H "X-aws-ec2-metadata-token: {token}" {METADATA}/meta-data/instance-id'
        assert each.run(script).stdout == each.id


def test_a_full_disk_is_as_large_as_it_was_made(other: Guest) -> None:
    """A test can bound a machine's disk, and the bound holds."""
    filled = other.run("dd if=/dev/zero of=/filled bs=1M count=200; rm /filled")
    assert "No space left" in filled.stderr


def test_terminating_the_instance_is_pulling_the_plug(yard: Yard, other: Guest) -> None:
    """Nothing of the machine is left: no process, no cgroup, no disk."""
    leader, folder = other.leader, yard.world.nspawn._folder / other.id
    assert folder.exists()
    started = time.monotonic()
    other.end()
    other.ended()
    assert time.monotonic() - started < 60
    eventually(lambda: not kernel.lives(leader), lambda: "the end of its processes")
    eventually(lambda: not folder.exists(), lambda: "the end of its disk")
    groups = [each for hierarchy in launcher.hierarchies() for each in hierarchy.glob(f"runnerkit-{other.id}-*")]
    assert groups == []


def test_a_job_s_steps_run_in_the_machine(yard: Yard) -> None:
    """From a push to the machine's end: the job is the unprivileged user's, and the instance is gone by itself."""
    guest = yard.launch()
    job = yard.queue_job(guest.name, "test $(id -un) = runner && test $(systemd-detect-virt) = systemd-nspawn")
    assert yard.finished(job) == "success"
    guest.ended()
    assert guest.reason() == "the job is over"
    assert guest.view.reason == "Client.InstanceInitiatedShutdown"


def test_a_stock_image_gets_everything_at_boot(yard: Yard) -> None:
    """Agent from the user data, the runner from GitHub's host by TLS and checksum."""
    downloads = yard.world.asked(f"/repos/{REPO}/actions/runners/downloads")
    package = next(each for each in downloads if (each["os"], each["architecture"]) == ("linux", "x64"))
    guest = yard.launch(baked=False, runner_url=package["download_url"], runner_sha256=package["sha256_checksum"])
    assert yard.finished(yard.queue_job(guest.name)) == "success"
    guest.ended()
    assert package["download_url"].startswith("https://github.com/")


def test_an_image_made_of_a_machine_has_its_disk(yard: Yard) -> None:
    """Stopped, imaged, and booted from the image: files are there, deleted ones are not, and a job runs."""
    guest = yard.launch(idle=300, spot=False)
    guest.online()
    guest.run("echo here >/opt/marker; rm /etc/issue; cloud-init clean --logs; sync")
    yard.stage.ec2.stop_instances(InstanceIds=[guest.id])
    eventually(lambda: guest.state == "stopped", lambda: "the stop")
    image = yard.stage.ec2.create_image(InstanceId=guest.id, Name=f"made-of-{guest.id}")["ImageId"]
    guest.end()
    again = yard.launch(image=image)
    again.online()
    assert again.read("/opt/marker") == "here\n"
    assert not again.exists("/etc/issue")
    assert yard.finished(yard.queue_job(again.name)) == "success"
    again.ended()


KILLED = """
import sys
from tests.machine.yard import open_yard
with open_yard() as yard:
    guest = yard.launch(idle=300)
    guest.online()
    print(guest.leader, yard.world.nspawn._folder, guest.id, flush=True)
    sys.stdin.read()
"""


def test_nothing_runs_on_when_the_sandbox_is_killed(yard: Yard) -> None:
    """SIGKILL for the sandbox is the end of its machines; what it leaves on disk, the next sandbox removes."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], stdin=-1, stdout=-1, text=True, cwd=Path(__file__).parents[2]
    ) as other:
        assert other.stdout is not None
        leader, folder, instance = other.stdout.readline().split()
        assert kernel.lives(int(leader))
        other.send_signal(signal.SIGKILL)
        other.wait()
        eventually(lambda: not kernel.lives(int(leader)), lambda: "the end of its machine")
        assert Path(folder).exists()
    from runnerkit.sandbox.machines.nspawn import leftovers, machines

    leftovers.remove(yard.world.nspawn._folder, machines.PREFIX)
    assert not Path(folder).exists()
    assert yard.world.nspawn._folder.exists(), "one that is in use stays"
    assert [group for hierarchy in launcher.hierarchies() for group in hierarchy.glob(f"runnerkit-{instance}-*")] == []


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the programs there is a reason that names Debian's packages, and without root one that says so."""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "apt-get install mmdebstrap systemd-container" in needs.missing()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "root" in needs.missing()


def test_a_machine_that_reboots_boots_again_and_its_instance_goes_on(yard: Yard) -> None:
    """From inside and by the API; its disk stays. Nothing is served after a reboot: the deadline ends it."""
    guest = yard.launch(idle=300, online_within=25)
    guest.online()
    guest.run("echo here >/opt/marker; systemctl reboot")
    eventually(lambda: guest.console().count("Welcome to Debian") == 2, lambda: f"a second boot: {guest.console()}")
    assert guest.state == "running"
    assert guest.read("/opt/marker") == "here\n"
    yard.stage.ec2.reboot_instances(InstanceIds=[guest.id])
    eventually(lambda: guest.console().count("Welcome to Debian") == 3, lambda: f"a third boot: {guest.console()}")
    guest.ended()
    assert "in time" in guest.reason() or "boot" in guest.reason()


@pytest.mark.usefixtures("yard")
def test_machines_that_are_gone_leave_nothing_in_the_sandbox_s_process() -> None:
    """Descriptors and threads, also of a runner that asked for a job when the plug was pulled."""
    with open_yard() as own:
        before = _descriptors()
        launched = [own.launch(idle=300) for _ in range(3)]
        for guest in launched:
            guest.online()
            guest.end()
        for guest in launched:
            guest.ended()
        # GitHub's side of a request for a job goes on until it has nothing to say, as on GitHub.
        eventually(lambda: _descriptors() <= before + 2, lambda: f"{before} descriptors, not {_descriptors()}", 120)


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.usefixtures("yard")
def test_a_computer_where_no_disk_can_be_made_is_refused_before_anything_starts(tmp_path: Path) -> None:
    """Overlayfs cannot write to itself: the message says where, and the hint what to do."""
    for name in ("lower", "upper", "work", "disk"):
        (tmp_path / name).mkdir()
    options = ",".join(f"{name}dir={tmp_path / name}" for name in ("lower", "upper", "work"))
    mounted = f'mount -t overlay overlay -o {options} {tmp_path}/disk && TMPDIR={tmp_path}/disk exec "$@"'
    up = [sys.executable, "-m", "runnerkit", "sandbox", "up", "--machines", "nspawn", f"--state={tmp_path}/state"]
    command = ["unshare", "--mount", "sh", "-c", mounted, "sh", *up]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    assert "nspawn machines cannot run here" in done.stderr
    assert "mount overlay on" in done.stderr
    assert "TMPDIR" in done.stderr
    assert not list((tmp_path / "disk").iterdir())


@pytest.mark.usefixtures("yard")
def test_a_sandbox_in_the_background_comes_up_and_goes(tmp_path: Path) -> None:
    """By the commands; and nothing of it stays."""
    words = [sys.executable, "-m", "runnerkit", "sandbox"]
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    up = [*words, "up", "--detach", "--machines", "nspawn", "--json", f"--state={tmp_path}/state"]
    done = subprocess.run(up, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("rk-nspawn-*"))
    down = [*words, "down", f"--state={tmp_path}/state"]
    assert subprocess.run(down, env=environ, capture_output=True, timeout=120, check=False).returncode == 0
    eventually(lambda: not kernel.lives(json.loads(done.stdout)["pid"]), lambda: "the end of its process")
    assert [each.name for each in tmp_path.iterdir()] == ["state"]
