"""What the user that jobs run as can reach on a machine: not the secrets, not the guards, not root."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.machine.plays import listening

if TYPE_CHECKING:
    from tests.machine.yard import Guest, Yard

TOKEN = "curl -s -m 3 -o /dev/null -w '%{http_code}' http://169.254.169.254/latest/meta-data/instance-id"
GUARD = "$(systemctl show --property=MainPID --value runnerkit-guard.service)"


@pytest.fixture(scope="module")
def guest(yard: Yard) -> Guest:
    """One machine whose listener is online; what it has been told is spent."""
    launched = yard.launch(idle=300, startup="true")
    launched.online()
    listening(launched)
    return launched


def test_jobs_are_not_root_and_cannot_become_it(guest: Guest) -> None:
    """No sudo without a password, no group of those who may, no programs of ours that run as root for them."""
    assert guest.run("sudo -n true", user="runner").returncode != 0
    assert guest.run("id -Gn", user="runner").stdout.split() == ["runner"]
    mine = guest.run("find /opt/runnerkit /etc/runnerkit /run/runnerkit -perm /6000", user="root").stdout
    assert mine == ""


def test_the_jit_configuration_is_in_no_file_that_others_can_read(guest: Guest) -> None:
    """Cloud-init keeps copies of the user data; logs and command lines are public: it is in none of them."""
    pattern = f"[{guest.blob[0]}]{guest.blob[1:]}"
    seek = f"grep -rlsG --binary-files=text --devices=skip --exclude-dir=proc --exclude-dir=sys -e '{pattern}'"
    as_root = guest.run(f"{seek} /var/lib/cloud").stdout.split()
    everywhere = f"{seek} /; grep -lsG -e '{pattern}' /proc/[0-9]*/cmdline"
    as_user = guest.run(everywhere, user="runner", within=300).stdout.split()
    assert any("user-data" in each for each in as_root), "the search finds what root can read"
    assert [each for each in as_user if not each.startswith("/opt/runnerkit/runner/")] == []
    assert guest.blob not in guest.console()


@pytest.mark.parametrize(
    "path",
    [
        "/var/lib/cloud/instance/user-data.txt",
        "/var/lib/cloud/instance/user-data.txt.i",
        "/var/lib/cloud/instance/cloud-config.txt",
        "/var/lib/cloud/instance/obj.pkl",
        "/run/cloud-init/instance-data-sensitive.json",
        "/run/runnerkit/agent/begun.json",
        "/etc/runnerkit/startup",
    ],
)
def test_what_is_root_s_stays_unread(guest: Guest, path: str) -> None:
    """It is there, and closed."""
    assert guest.exists(path)
    assert "denied" in guest.run(f"cat {path}", user="runner").stderr


def test_the_secret_s_file_is_gone(guest: Guest) -> None:
    """Neither the one it came in nor the one that systemd read."""
    assert not guest.exists("/run/runnerkit/jit")
    assert not guest.exists("/run/runnerkit/runner.env")


def test_environments_of_other_users_processes_are_closed(guest: Guest) -> None:
    """The kernel's rule for /proc; nothing of ours loosens it."""
    assert "denied" in guest.run(f"cat /proc/{GUARD}/environ", user="runner").stderr
    assert "denied" in guest.run("cat /proc/1/environ", user="runner").stderr


def test_the_metadata_service_is_for_root_alone(guest: Guest) -> None:
    """Not for the job's user, nor for an id that it may take in a user namespace of its own."""
    assert guest.run(TOKEN).stdout == "401"
    assert guest.run(TOKEN, user="runner").stdout == "000"
    assert guest.run(f"setpriv --reuid=100001 --regid=100001 --clear-groups {TOKEN}").stdout == "000"
    assert guest.run("nft flush ruleset", user="runner").returncode != 0
    assert guest.run("unshare --user --map-root-user nft flush ruleset; true", user="runner").returncode == 0
    assert guest.run(TOKEN, user="runner").stdout == "000"


@pytest.mark.parametrize(
    "command",
    [
        f"kill -KILL {GUARD}",
        f"kill -STOP {GUARD}",
        "systemctl stop runnerkit-guard.service",
        "systemctl kill -s KILL runnerkit-guard.service",
        "systemctl mask runnerkit-end.service",
        "systemctl stop runnerkit-life-off.timer",
        "systemctl start runnerkit-poweroff.service",
        "systemctl daemon-reload",
        "systemctl set-property runnerkit-runner.service MemoryMax=infinity",
        "systemd-run true",
        "systemctl poweroff",
        "systemctl reboot --force --force",
        "shutdown -P now",
        "systemctl set-environment PATH=/tmp",
        "busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager PowerOff b false",
        "systemd-inhibit --what=shutdown --mode=block true",
        "touch /etc/systemd/system/mine.service",
        "mkdir /etc/systemd/system/runnerkit-end.service.d",
        "mkdir -p /run/systemd/system/runnerkit-end.service.d",
        "touch /etc/runnerkit/machine.json",
        "touch /run/runnerkit/notice.json",
        "touch /opt/runnerkit/hooks/job-started.sh",
        "touch /opt/runnerkit/agent.py",
        "mv /opt/runnerkit/runner /opt/runnerkit/other",
        "mv /run/runnerkit/job /run/runnerkit/other",
        "rmdir /run/runnerkit/notice.d",
        "mount -t tmpfs none /run/runnerkit/job",
        "echo x >/dev/console",
    ],
)
def test_the_guards_cannot_be_touched(guest: Guest, command: str) -> None:
    """The job's user is refused, for lack of rights and of nothing else, and everything is as it was."""
    state = (
        "systemctl show --property=MainPID,ActiveState,UnitFileState runnerkit-guard.service runnerkit-life-off.timer"
    )
    before = guest.run(state).stdout
    done = guest.run(f"cd /; {command}", user="runner")
    assert done.returncode != 0
    assert re.search("denied|not permitted|Need to be root|must be superuser", done.stderr), done.stderr
    assert guest.run(state).stdout == before
    assert guest.state == "running"


def test_marks_are_looked_at_and_never_followed(guest: Guest) -> None:
    """The job may leave whatever it likes there; at worst it looks busy until the lifetime is over."""
    for planted in ("ln -s /etc/shadow", "ln -s /nowhere", "mkfifo", "mkdir"):
        mark = "/run/runnerkit/job/started"
        assert guest.run(f"rm -rf {mark}; {planted} {mark}", user="runner").returncode == 0
        said = guest.run(
            'python3 -E -s -S -c \'import sys; sys.path[0] = "/opt/runnerkit"; '
            "from runnerkit_agent.guard import look; from runnerkit_agent.machine import Paths; "
            "print(look(Paths({}))[0].job_started)'"
        ).stdout
        assert said.strip() == "True"
    assert guest.run("rm -rf /run/runnerkit/job/started", user="runner").returncode == 0
    assert "runnerkit-guard" not in guest.run("systemctl --failed --no-legend").stdout


def test_links_of_the_job_lead_root_nowhere(guest: Guest) -> None:
    """The one file of the runner's folder that root touches after the job began is removed, not what it points to."""
    guest.run("ln -sf /etc/passwd /opt/runnerkit/runner/update.finished", user="runner")
    guest.run('echo \'{"status": "3"}\' >/run/runnerkit/agent/left.json')
    done = guest.run("python3 -E -s -S /opt/runnerkit/agent.py before-listener; rm /run/runnerkit/agent/left.json")
    assert done.returncode == 0, done.stdout
    assert guest.exists("/etc/passwd")
    assert not guest.exists("/opt/runnerkit/runner/update.finished")


def test_the_runner_s_folder_is_closed_to_others(guest: Guest) -> None:
    """What the runner keeps there is its own; its steps inherit an ordinary mask."""
    assert guest.run("stat -c '%a %U' /opt/runnerkit/runner").stdout.split() == ["700", "runner"]
    listener = guest.run("systemctl show --property=MainPID --value runnerkit-runner.service").stdout.strip()
    assert "0022" in guest.run(f"grep Umask /proc/{listener}/status").stdout


def test_the_guard_is_small_and_idle(guest: Guest) -> None:
    """Under 20 MB resident. Its rounds, one in five seconds, take under a thousandth of a processor."""
    guard = guest.run(f"echo {GUARD}").stdout.strip()

    def spent() -> float:
        # In nanoseconds; a round is far shorter than a tick of the kernel's other clock.
        return int(guest.run(f"cat /proc/{guard}/schedstat").stdout.split()[0]) / 1e9

    assert int(guest.run(f"grep ^Rss /proc/{guard}/smaps_rollup").stdout.split()[1]) < 20_000
    before, began = spent(), time.monotonic()
    time.sleep(6)
    # Its rounds are ten times as frequent here.
    assert 0 < (spent() - before) / (time.monotonic() - began) / 10 < 0.001


def test_what_a_job_can_take_is_bounded(guest: Guest) -> None:
    """The limits of the units are the kernel's, and all of them together are less than there is."""
    shown = guest.run("systemctl show --value --property=TasksMax runnerkit-runner runnerkit-guard").stdout.split()
    there_are = guest.run("cat /proc/sys/kernel/threads-max /proc/sys/kernel/pid_max").stdout.split()
    assert sum(map(int, shown)) < min(map(int, there_are))
    memory = guest.run("systemctl show --value --property=MemoryMax runnerkit-runner").stdout
    assert int(memory) < int(re.findall(r"MemTotal: +(\d+)", guest.read("/proc/meminfo"))[0]) * 1024
