"""Everything that can go wrong on a machine, and what must end it: the rows of the table in ``docs/machine.md``."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.machine.yard import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.machine.yard import Guest

RUNNER = "/opt/runnerkit/runner/bin/Runner.Listener"
SYSTEM = "/etc/systemd/system"
# As the real ones, in seconds instead of minutes.
QUICK = {
    f"{SYSTEM}/runnerkit-runner.service.d/90-test.conf": "[Service]\nRestartSec=0.3\nTimeoutStopSec=3\n",
    "/etc/systemd/system.conf.d/90-test.conf": "[Manager]\nDefaultTimeoutStopSec=3s\n",
}
STUBBORN = "trap '' TERM INT; while :; do sleep 1; done"
JOB = """#!/usr/bin/python3
import os, signal, subprocess, sys, time
signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
def job(script):
    open("/run/runnerkit/job/started", "w").close()
    left = subprocess.run(["/bin/sh", "-c", script]).returncode
    print("the job left with", left, flush=True)
"""


def nothing(_guest: Guest) -> None:
    """Leave the machine to itself."""


@dataclass(frozen=True)
class Fault:
    """One fault.

    ``reason`` is a pattern for the machine's last words, ``within`` the seconds from the launch to the end (a boot is
    some ten of them where many boot at once), ``play`` what is done to the machine meanwhile.
    """

    name: str
    reason: str
    listener: str = "time.sleep(1000)"
    within: float = 60
    not_before: float = 0
    machine: Mapping[str, Any] = field(default_factory=dict)
    agent: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)
    play: Callable[[Guest], None] = nothing

    def run(self, launch: Callable[..., Guest]) -> None:
        """Launch such a machine and see how it ends.

        Raises:
            AssertionError: It does not, or not for the right reason.
        """
        own = {RUNNER: (JOB + self.listener, 0o755)} if self.listener else {}
        guest = launch(files={**QUICK, **own, **self.files}, agent=self.agent, **self.machine)
        self.play(guest)
        lasted = guest.ended(within=self.within)
        assert lasted >= self.not_before
        if self.reason:
            said = "".join(line for line in guest.console().splitlines() if "runnerkit: prepare failed" in line)
            assert self.reason in guest.reason() + said, guest.console()
        assert guest.blob not in guest.console()


def drop_in(unit: str, *lines: str) -> dict[str, str]:
    """A unit's settings, changed."""
    return {f"{SYSTEM}/{unit}.d/95-test.conf": "\n".join(["[Service]", *lines, ""])}


def listening(guest: Guest) -> None:
    """Wait until the listener runs."""
    eventually(lambda: guest.exists("/run/runnerkit/agent/listener.json"), guest._tail, 40)


def in_job(guest: Guest) -> None:
    """Wait until the job runs."""
    eventually(lambda: guest.exists("/run/runnerkit/job/started"), guest._tail, 40)


def kill_the_guard(guest: Guest) -> None:
    """Again and again; systemd brings it back."""
    listening(guest)
    seen = set()
    for _ in range(4):
        pid = eventually(lambda: _guard_of(guest), guest._tail, 10)
        seen.add(pid)
        guest.run(f"kill -KILL {pid}")
        eventually(lambda old=pid: _guard_of(guest) not in {0, old}, guest._tail, 10)  # type: ignore[misc]
    assert len(seen) == 4


def _guard_of(guest: Guest) -> int:
    return int(guest.run("systemctl show --property=MainPID --value runnerkit-guard.service").stdout or 0)


def break_the_agent(guest: Guest) -> None:
    """Its files are gone, and so is the guard: what is left is systemd."""
    listening(guest)
    guest.run("rm -r /opt/runnerkit/agent.py /opt/runnerkit/runnerkit_agent; systemctl kill -s KILL runnerkit-guard")


def break_the_agent_in_a_job(guest: Guest) -> None:
    """As above; then the job is over."""
    in_job(guest)
    break_the_agent(guest)
    guest.run("touch /run/go")


def fill_the_disks(guest: Guest) -> None:
    """They are made small, and the job fills them; then it stops the listener."""
    in_job(guest)
    guest.run("mount -o remount,size=8m /run && mount -o remount,size=8m /tmp && touch /run/go")
    full = "! dd if=/dev/zero of={}/more bs=64k count=1 2>/dev/null"
    places = ("/run", "/tmp", "/opt/runnerkit", "/var/log")  # noqa: S108 - the machine's own
    eventually(lambda: guest.exists("/home/runner/done"), guest._tail, 40)
    for place in places:
        assert guest.run(full.format(place)).returncode == 0, f"{place} has room"


def eat_memory(guest: Guest) -> None:
    """Far more than there is for jobs; the guard is the one it was before."""
    in_job(guest)
    before = _guard_of(guest)
    guest.run("touch /run/go")
    guest.wait_for("the job left with (137|-9)")
    assert before in {_guard_of(guest), 0} or not _guard_of(guest)


def fork_for_ever(guest: Guest) -> None:
    """As many processes as it gets; systemd and guard are not among those that get none."""
    in_job(guest)
    active = "systemctl is-active runnerkit-runner.service"
    eventually(lambda: guest.run(active).stdout == "active\n", guest._tail, 20)
    guest.run("touch /run/go")
    guest.wait_for("[Cc]annot fork|Resource temporarily unavailable")
    assert guest.run("systemctl is-active runnerkit-guard.service").stdout.strip() == "active"


def start_a_stubborn_unit(guest: Guest) -> None:
    """It does not stop when told to, and would be given an hour."""
    in_job(guest)
    guest.run("systemctl start stubborn.service; touch /run/go")


WAITS = "while ! test -e {}; do sleep 0.1; done; "
DISKS = (
    f"{WAITS.format('/run/go')}"
    "for f in /run/runnerkit/job/full /tmp/full /home/runner/full; do cat /dev/zero >$f; done;"
    " touch /home/runner/done; kill -STOP $PPID; sleep 1000"
)
# With libfaketime's own clocks left alone, its clock_nanosleep() refuses the times that Python's sleep() gives it.
GUARD = """
import runpy, select, sys, time
time.sleep = lambda seconds: select.select([], [], [], seconds)
sys.argv = ["/opt/runnerkit/agent.py", "guard"]
sys.path.insert(0, "/opt/runnerkit")
runpy.run_path(sys.argv[0], run_name="__main__")
"""
CLOCK = [
    "ExecStart=",
    "ExecStart=/usr/bin/python3 -E -s -S /opt/guard.py",
    "Environment=LD_PRELOAD=/usr/$LIB/faketime/libfaketime.so.1 FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1",
    "Environment=FAKETIME_NO_CACHE=1 FAKETIME_TIMESTAMP_FILE=/etc/faketime",
]


def jump(guest: Guest) -> None:
    """The guard's calendar goes ten years ahead and then back to the last century; its stopwatch does not."""
    listening(guest)
    first = _guard_of(guest)
    assert "libfaketime" in guest.run(f"cat /proc/{first}/maps").stdout, "the guard's clock cannot be turned"
    for when in ("+3650d", "-9000d"):
        guest.write("/etc/faketime", f"{when}\n")
        eventually(lambda: _guard_of(guest), guest._tail, 5)
    time.sleep(2)
    assert _guard_of(guest) == first, "the guard goes on"


FAULTS = (
    Fault("nothing-listens", "", listener="", machine={"online_within": 14, "startup": "sleep 1000"}),
    Fault("never-connects", "no job came within 3 s", machine={"idle": 3}),
    Fault("vanished", "GitHub no longer knows this runner", "sys.exit(0)"),
    Fault("crash", "the listener left with SEGV before a job", "os.kill(os.getpid(), signal.SIGSEGV)"),
    Fault("crash-in-job", "the job is over, the listener left with KILL", "job('kill -KILL $PPID; sleep 1')"),
    Fault("hang", "stopped for 2 s", "job('kill -STOP $PPID; sleep 1000')", agent={"stopped": 2}),
    Fault(
        "deaf",
        "did not stop when told to",
        "signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(1000)",
        machine={"idle": 2},
        agent={"stop_grace": 2},
    ),
    Fault(
        "lingers",
        "the job is over, but the listener stayed for 2 s",
        "job('touch /run/runnerkit/job/completed'); time.sleep(1000)",
        agent={"finish": 2},
    ),
    Fault("exits-2", "failed again and again", "sys.exit(2)"),
    Fault("exits-7", "bake a new image", "sys.exit(7)"),
    Fault("jit-refused", "refused", "sys.exit(1)"),
    Fault(
        "binary-missing",
        "holds no runner",
        listener="",
        machine={"change": lambda document: document["bootcmd"].append(["rm", RUNNER])},
    ),
    Fault("binary-damaged", "cannot be executed", listener="", files={RUNNER: ("no program\n", 0o755)}),
    Fault(
        "disk-full",
        "stopped for 3 s",
        f"job({DISKS!r})",
        machine={"disk_mb": 40},
        agent={"stopped": 3},
        play=fill_the_disks,
    ),
    Fault(
        "memory",
        "the job is over",
        f"job({WAITS.format('/run/go') + 'exec python3 -c ' + chr(39) + 'x=bytes(1)*(1<<31)' + chr(39)!r})",
        files=drop_in("runnerkit-runner.service", "MemoryMax=120M"),
        play=eat_memory,
    ),
    Fault(
        "fork-bomb",
        "reached its lifetime",
        f"job({WAITS.format('/run/go') + 'f() { f | f & }; f; sleep 1000'!r})",
        machine={"life": 28},
        agent={"stop_grace": 2},
        files=drop_in("runnerkit-runner.service", "TasksMax=80"),
        play=fork_for_ever,
    ),
    Fault(
        "clock-jump",
        "no job came within 8 s",
        machine={"idle": 8},
        not_before=8,
        files={
            **drop_in("runnerkit-guard.service", *CLOCK),
            "/etc/faketime": "+0\n",
            "/opt/guard.py": GUARD,
        },
        play=jump,
    ),
    Fault(
        "dns-dead",
        "cannot be downloaded",
        listener="",
        machine={"baked": False, "runner_url": "https://runner.invalid/r.tar.gz", "runner_sha256": "0" * 64},
    ),
    Fault("guard-killed", "no job came within 12 s", machine={"idle": 12}, play=kill_the_guard),
    Fault(
        "agent-broken",
        "the machine reached its lifetime (26 s)",
        machine={"life": 26},
        not_before=26,
        play=break_the_agent,
    ),
    Fault("agent-broken-in-job", "", f"job({WAITS.format('/run/go')!r})", play=break_the_agent_in_a_job),
    Fault(
        "hung-shutdown",
        "the job is over",
        f"job({WAITS.format('/run/go')!r})",
        files={
            f"{SYSTEM}/stubborn.service": f'[Service]\nExecStart=/bin/sh -c "{STUBBORN}"\nTimeoutStopSec=1h\n',
            **drop_in(
                "runnerkit-poweroff.service",
                "ExecStart=",
                "ExecStart=-systemctl --no-block poweroff",
                "ExecStart=-sleep 3",
                "ExecStart=-systemctl poweroff --force",
                "ExecStart=-sleep 30",
                "ExecStart=-systemctl poweroff --force --force",
            ),
        },
        play=start_a_stubborn_unit,
    ),
    Fault(
        "half-user-data",
        "no listener within 15 minutes of the boot",
        machine={"user_data": b"\x1f\x8b\x08\x00half"},
        files={f"{SYSTEM}/runnerkit-boot.timer.d/95-test.conf": "[Timer]\nOnBootSec=\nOnActiveSec=12s\n"},
    ),
    Fault("lifetime", "reached its lifetime", "job('sleep 1000')", machine={"life": 20}, agent={"stop_grace": 2}),
)
