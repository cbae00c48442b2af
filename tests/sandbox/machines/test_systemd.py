"""The small systemd of a process machine: units of the tests' own, booted from user data, seen on the console."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from runnerkit.sandbox.machines import roots, users
from runnerkit.sandbox.machines.init import lifeline
from runnerkit.sandbox.machines.init.main import POWERED_OFF
from runnerkit.sandbox.machines.supervised import Supervised, end
from tests.sandbox.machines.yard import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

ETC = "/etc/systemd/system"
OFF = [["systemctl", "start", "off"]]
OFF_UNIT = "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=systemctl poweroff\n"


class Console:
    """A machine of units, and what it has said."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.text = ""
        self._supervised: Supervised | None = None

    def boot(
        self,
        units: Mapping[str, str],
        commands: Sequence[Sequence[str]],
        bootcmd: Sequence[Sequence[str]] = (),
        *,
        first: bool = True,
    ) -> Console:
        """Start it with these units; ``commands`` are run when they are there."""
        files = [{"path": f"{ETC}/{name}", "content": text} for name, text in units.items()]
        document = {"bootcmd": bootcmd, "write_files": files, "runcmd": [["systemctl", "daemon-reload"], *commands]}
        logins = users.choose(self.root.parent, "/bin/false")
        if first:
            roots.make(
                self.root,
                baked=False,
                endpoints={"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"},
                runner=lambda *_: None,
                environ={},
                drop_ins={},
                logins=logins,
            )
        spec = {
            "folder": str(self.root.parent),
            "root": str(self.root),
            "first": first,
            "boot": 0,
            "python": sys.executable,
            "path": os.environ["PATH"],
            "environ": {},
            "user_data": b64encode(b"#cloud-config\n" + json.dumps(document).encode()).decode(),
            **logins.spec(self.root),
        }
        self._supervised = Supervised("main", "i-test", spec, "", self._hear)
        return self

    def _hear(self, text: bytes) -> None:
        self.text += text.decode()

    def until_off(self) -> str:
        """Wait until it has powered off; what it said."""
        assert self._supervised is not None
        eventually(lambda: self._supervised and self._supervised.ended() is not None, "power-off")
        code = self._supervised.ended()
        self.close()
        assert code == POWERED_OFF, self.text
        return self.text

    def says(self, text: str) -> None:
        """Wait for a text."""

        def heard() -> bool:
            assert self._supervised is not None
            self._supervised.read()
            return text in self.text

        eventually(heard, f"{text} in {self.text}")

    def close(self) -> None:
        """Pull the plug."""
        supervised, self._supervised = self._supervised, None
        if supervised is not None:
            end([supervised])


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    """A machine that has not booted yet."""
    machine = Console(tmp_path)
    yield machine
    machine.close()


def oneshot(*commands: str, **unit: str) -> str:
    """A unit that runs shell commands once."""
    lines = "".join(f"{key}={value}\n" for key, value in unit.items())
    return f"[Unit]\n{lines}[Service]\nType=oneshot\n" + "".join(f"ExecStart=sh -c '{each}'\n" for each in commands)


def test_units_start_in_order_and_failures_go_where_they_belong(console: Console) -> None:
    """Requires, Wants, After, OnSuccess, OnFailure, the prefix -, and a unit whose requirement failed."""
    units = {
        "first.service": oneshot("sleep 0.2", "echo first", OnSuccess="thanks.service"),
        "second.service": oneshot("echo second", Wants="first.service", After="first.service"),
        "thanks.service": oneshot("echo thanks"),
        "bad.service": oneshot("exit 9", OnFailure="sorry.service") + "ExecStartPre=-false\n",
        "sorry.service": oneshot("echo sorry"),
        "needy.service": oneshot("echo never", Requires="bad.service", After="bad.service", OnFailure="off.service"),
        "off.service": OFF_UNIT,
    }
    text = console.boot(units, [["systemctl", "start", "second"], ["systemctl", "start", "needy"]]).until_off()
    assert text.index("first") < text.index("second")
    assert "thanks" in text
    assert "sorry" in text
    assert "never" not in text
    assert "bad.service: sh exited, status=9" in text
    assert "systemctl start needy left with 1: Job for needy.service failed." in text


def test_a_service_knows_its_environment_and_how_it_ended(console: Console) -> None:
    """Environment, its file, the folder, the mask, MAINPID, and what commands after the end are told."""
    told = "echo $SERVICE_RESULT $EXIT_CODE $EXIT_STATUS"
    units = {
        "one.service": "[Service]\nType=exec\nEnvironment=A=1 'B=b c'\nEnvironmentFile=-/etc/missing\n"
        "EnvironmentFile=/etc/there\nWorkingDirectory=/opt\nUMask=0077\nUser=runner\n"
        "ExecStart=sh /opt/main.sh\nExecStopPost=+sh /opt/after.sh\nExecStartPost=sh /opt/post.sh\n"
        "SuccessExitStatus=4 SIGUSR1\n[Unit]\nOnSuccess=off.service\n",
        "two.service": "[Service]\nExecStart=sh /opt/kill.sh\nExecStopPost=sh /opt/after.sh\n",
        "off.service": OFF_UNIT,
    }
    files = {
        "/etc/there": "# comment\nC=see\n",
        "/opt/main.sh": 'sleep 0.3; echo "main: $A $B $C $(basename $PWD) $(umask) $USER"; exit 4\n',
        "/opt/post.sh": 'echo "post: $MAINPID" | grep -c "[0-9]"\n',
        "/opt/after.sh": f"{told}\n",
        "/opt/kill.sh": "kill -KILL $$\n",
    }
    for path, text in files.items():
        roots.put(console.root, path, text)
    me = users.choose(console.root, "/bin/false").runner
    text = console.boot(units, [["systemctl", "start", "two"], ["systemctl", "start", "one"]]).until_off()
    assert f"main: 1 b c see opt 0077 {me}" in text
    assert "success exited 4" in text
    assert "signal killed KILL" in text


def test_restarts_are_bounded(console: Console) -> None:
    """Restart=always gives up at the start limit, and that is a failure."""
    unit = (
        "[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=3\nOnFailure=off.service\n"
        "[Service]\nExecStart=echo again\nRestart=always\nRestartSec=10ms\n"
    )
    text = console.boot({"loop.service": unit, "off.service": OFF_UNIT}, [["systemctl", "start", "loop"]]).until_off()
    assert text.count("again\n") == 3
    assert "loop.service: start request repeated too quickly" in text


def test_time_limits_are_kept(console: Console) -> None:
    """RuntimeMaxSec ends a service with its KillSignal, TimeoutStopSec with SIGKILL, TimeoutStartSec a start."""
    deaf = 'trap "" TERM; while :; do sleep 0.1; done'
    units = {
        "long.service": f"[Unit]\nOnFailure=slow.service\n[Service]\nExecStart=sh -c '{deaf}'\nRuntimeMaxSec=0.2\n"
        "TimeoutStopSec=300ms\nExecStopPost=sh -c 'echo long is over'\n",
        "slow.service": oneshot("sleep 30", OnFailure="off.service") + "TimeoutStartSec=0.2\n",
        "off.service": OFF_UNIT,
    }
    began = time.monotonic()
    text = console.boot(units, [["systemctl", "start", "long"]]).until_off()
    assert text.index("long.service: took too long") < text.index("long is over") < text.index("slow.service: took")
    assert time.monotonic() - began < 15


def test_the_shutdown_stops_units_in_reverse_order(console: Console) -> None:
    """What was started after another unit is stopped before it; what outlives the shutdown is killed at its end."""
    stay = "RemainAfterExit=yes\n"
    units = {
        "low.service": oneshot("echo low") + stay + "ExecStopPost=sh -c 'echo low stops'\n",
        "high.service": oneshot("echo high", Requires="low.service", After="low.service")
        + stay
        + "ExecStopPost=sh -c 'sleep 0.2; echo high stops'\n",
        "late.service": oneshot("echo too late"),
        "last.service": "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=sleep 60\n",
        "off.service": OFF_UNIT,
    }
    ask = [["systemctl", "start", "high", "last"], ["systemctl", "is-active", "--quiet", "low"], *OFF]
    text = console.boot(units, [*ask, ["systemctl", "start", "late"]]).until_off()
    assert text.index("high stops") < text.index("low stops")
    assert "late.service is not started: the machine is going down" in text
    assert "is-active" not in text, "it would have been told as a failure"


def test_systemctl_answers_from_inside(console: Console) -> None:
    """show, is-active, stop with a pattern, an unknown unit, and timers made by systemd-run."""
    script = (
        "systemctl show --property=ActiveState --property=Job ask.service; systemctl is-active nothing.service\n"
        "echo left with $?; systemctl stop 'soon*.timer'; systemctl is-active soon.timer; echo left with $?\n"
    )
    roots.put(console.root, "/opt/ask.sh", script)
    soon = ["systemd-run", "--quiet", "--unit=soon", "--on-active=30s", "echo", "never"]
    off = ["systemd-run", "--unit=now", "--on-active=1s", "--property=StandardOutput=journal", "systemctl", "poweroff"]
    ask = "[Service]\nType=oneshot\nExecStart=sh /opt/ask.sh\nStandardOutput=journal+console\n"
    text = console.boot({"ask.service": ask}, [["systemctl", "start", "ask"], off], [soon]).until_off()
    assert "ActiveState=activating\nJob=" in text
    assert "Unit nothing.service not found." in text
    assert "left with 5" in text
    assert "inactive\nleft with 3" in text


def test_systemctl_tells_since_when_a_unit_has_been_active(console: Console) -> None:
    """In microseconds of the clock that knows no changes; 0 of one that never was."""
    since = "systemctl show --property=ActiveEnterTimestampMonotonic"
    roots.put(
        console.root, "/opt/ask.sh", f"{since} soon.timer; {since} ask.service; {since} on.service; echo is all\n"
    )
    soon = ["systemd-run", "--quiet", "--unit=soon", "--on-active=30s", "echo", "never"]
    ask = "[Service]\nType=oneshot\nExecStart=sh /opt/ask.sh\nStandardOutput=journal+console\n"
    units = {"off.service": OFF_UNIT, "ask.service": ask, "on.service": "[Service]\nType=exec\nExecStart=sleep 60\n"}
    began = time.monotonic()
    text = console.boot(units, [["systemctl", "start", "on"], ["systemctl", "start", "ask"], *OFF], [soon]).until_off()
    timer, asking, on = map(int, re.findall(r"ActiveEnterTimestampMonotonic=(\d+)", text))
    assert began < timer / 1e6 < on / 1e6 < time.monotonic()
    assert asking == 0


def test_a_reboot_arms_the_deadlines_again_and_nothing_else(console: Console) -> None:
    """cloud-init's bootcmd runs at every boot, files and runcmd only at the first; /run is empty again."""
    deadline = ["systemd-run", "--quiet", "--unit=end", "--on-active=500ms", "systemctl", "poweroff", "--force"]
    units = {"again.service": oneshot("echo first boot", "systemctl reboot")}
    text = console.boot(units, [["systemctl", "start", "again"]], [deadline]).until_off()
    assert text.count("first boot") == 1
    assert text.count("the user data is understood") == 2


def test_a_machine_that_is_stopped_keeps_its_disk(console: Console) -> None:
    """Its files are there when it is started again, as on an EBS disk."""
    console.boot({"off.service": OFF_UNIT}, [])
    console.says("understood")
    console.close()
    assert (console.root / "etc/systemd/system/off.service").exists()
    console.boot({}, [], [["systemctl", "start", "off"]], first=False)
    assert "understood" in console.until_off()


def test_only_the_superuser_may_speak_to_the_supervisor(console: Console) -> None:
    """The socket is closed to the job's user."""
    console.boot({}, [])
    console.says("understood")
    assert (console.root / "run/init.sock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "argv",
    [
        ["systemctl"],
        ["systemctl", "show", "--property=ExecStart", "off"],
        ["systemctl", "poweroff", "now"],
        ["systemd-run", "--on-calendar=daily", "echo"],
        ["systemd-run", "--unit=x", "echo", "x"],
        ["systemd-run", "--unit=x", "--on-active=1s", "echo", "100%"],
        ["reboot"],
    ],
    ids=" ".join,
)
def test_commands_it_does_not_know_end_the_machine(console: Console, argv: list[str]) -> None:
    """A real machine might do something, or fail later."""
    assert "powering off: cloud-init: " in console.boot({"off.service": OFF_UNIT}, [argv]).until_off()


def test_a_supervisor_without_a_sandbox_does_not_begin() -> None:
    """Its parent is another process than the one that wanted it: the sandbox is gone already."""
    supervised = Supervised("main", "i-test", {"parent": 1}, "", lambda _: None)
    eventually(lambda: supervised.ended() is not None, "its end")
    assert supervised.ended() == lifeline.LOST
    supervised.close()


READS = """
import os
from runnerkit.sandbox.machines.init import kernel, lifeline
kernel.watched_over = lambda: None
print(lifeline.described()["name"], os.read(0, 100))
"""


def test_the_end_may_be_told_before_a_supervisor_has_begun() -> None:
    """On a busy computer both lines are there when it reads the first one; the second one stays for whoever watches."""
    spec = json.dumps({"parent": os.getpid(), "name": "i-1" + "0" * 20_000})
    done = subprocess.run(
        [sys.executable, "-c", READS], input=f"{spec}\nover\n", capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("i-1000")
    assert done.stdout.endswith("0 b'over\\n'\n")
