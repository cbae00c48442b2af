"""Everything that can go wrong on a machine, and what must end it: the rows of the table in ``docs/machine.md``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runnerkit import boot
from runnerkit.names import Secret
from runnerkit.ports import Machine
from tests.machine import plays
from tests.machine.yard import REPO

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


@dataclass(frozen=True)
class Fault:
    """One fault.

    ``reason`` is what the machine's last words hold, ``last_line`` a pattern for the console of one that says none,
    ``within`` the seconds from the launch to the end (a boot is some ten of them where many boot at once), ``play``
    what is done to the machine meanwhile.
    """

    name: str
    reason: str = ""
    last_line: str = ""
    listener: str = "time.sleep(1000)"
    within: float = plays.AMPLE
    not_before: float = 0
    machine: Mapping[str, Any] = field(default_factory=dict)
    agent: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)
    play: Callable[[Guest], None] = plays.nothing

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
        console = guest.console()
        if self.last_line:
            assert re.search(self.last_line, console), console
            assert "runnerkit: powering off" not in console
        else:
            said = "".join(line for line in console.splitlines() if "runnerkit: prepare failed" in line)
            assert self.reason in guest.reason() + said, console
        assert guest.blob not in console


def drop_in(unit: str, *lines: str) -> dict[str, str]:
    """A unit's settings, changed."""
    return {f"{SYSTEM}/{unit}.d/95-test.conf": "\n".join(["[Service]", *lines, ""])}


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


def half(*, baked: bool) -> bytes:
    """The first half of what such a machine would boot from."""
    whole = boot.user_data(Machine("rk", REPO, ("rk",), 60, 60, 600, baked=baked), Secret("c2VjcmV0" * 500))
    return whole[: len(whole) // 2]


FAULTS = (
    Fault(
        "nothing-listens",
        "no listener in time (14 s)",
        listener="",
        machine={"online_within": 14},
        files=drop_in("runnerkit-prepare.service", "ExecStart=", "ExecStart=sleep infinity"),
        not_before=14,
    ),
    Fault("never-connects", "no job came within 3 s", machine={"idle": 3}),
    Fault("vanished", "GitHub no longer knows this runner", listener="sys.exit(0)"),
    Fault("crash", "the listener left with SEGV before a job", listener="os.kill(os.getpid(), signal.SIGSEGV)"),
    Fault("crash-in-job", "the job is over, the listener left with KILL", listener="job('kill -KILL $PPID; sleep 1')"),
    Fault("hang", "stopped for 2 s", listener="job('kill -STOP $PPID; sleep 1000')", agent={"stopped": 2}),
    Fault(
        "deaf",
        "did not stop when told to",
        listener="signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(1000)",
        machine={"idle": 2},
        agent={"stop_grace": 2},
    ),
    Fault(
        "lingers",
        "the job is over, but the listener stayed for 2 s",
        listener="job('touch /run/runnerkit/job/completed'); time.sleep(1000)",
        agent={"finish": 2},
    ),
    Fault("exits-2", "failed again and again", listener="sys.exit(2)"),
    Fault("exits-7", "bake a new image", listener="sys.exit(7)"),
    Fault("jit-refused", "GitHub refused the runner", listener="sys.exit(1)"),
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
        listener=f"job({DISKS!r})",
        machine={"disk_mb": 40},
        agent={"stopped": 3},
        play=plays.fill_the_disks,
    ),
    Fault(
        "memory",
        "the job is over",
        listener=f"job({WAITS.format('/run/go') + 'exec python3 -c ' + chr(39) + 'x=bytes(1)*(1<<31)' + chr(39)!r})",
        files=drop_in("runnerkit-runner.service", "MemoryMax=120M"),
        play=plays.eat_memory,
    ),
    Fault(
        "fork-bomb",
        "reached its lifetime",
        listener=f"job({WAITS.format('/run/go') + 'f() { f | f & }; f; sleep 1000'!r})",
        machine={"life": 28},
        agent={"stop_grace": 2},
        files=drop_in("runnerkit-runner.service", "TasksMax=80"),
        play=plays.fork_for_ever,
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
        play=plays.jump,
    ),
    Fault(
        "dns-dead",
        "cannot be downloaded",
        listener="",
        machine={"baked": False, "runner_url": "https://runner.invalid/r.tar.gz", "runner_sha256": "0" * 64},
    ),
    Fault(
        "guard-killed-and-hangs",
        "no job came within 30 s",
        machine={"idle": 30},
        files=drop_in("runnerkit-guard.service", "WatchdogSec=2"),
        play=plays.kill_and_stop_the_guard,
    ),
    Fault(
        "agent-broken",
        "the machine reached its lifetime (28 s)",
        machine={"life": 28},
        not_before=28,
        play=plays.break_the_agent,
    ),
    Fault(
        "agent-broken-in-job",
        last_line="runnerkit-end.service: Main process exited, code=exited, status=2",
        listener=f"job({WAITS.format('/run/go')!r})",
        play=plays.break_the_agent_in_a_job,
    ),
    Fault(
        "hung-shutdown",
        "the job is over",
        listener=f"job({WAITS.format('/run/go')!r})",
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
        play=plays.start_a_stubborn_unit,
    ),
    Fault(
        "half-user-data",
        "no listener within 15 minutes of the boot",
        machine={"user_data": half(baked=True)},
        files={f"{SYSTEM}/runnerkit-boot.timer.d/95-test.conf": "[Timer]\nOnBootSec=\nOnActiveSec=12s\n"},
    ),
    Fault(
        "lifetime",
        "reached its lifetime",
        listener="job('sleep 1000')",
        machine={"life": 24},
        agent={"stop_grace": 2},
        not_before=22,
    ),
)
