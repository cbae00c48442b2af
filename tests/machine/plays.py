"""What is done to a machine while it runs, so that something goes wrong there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.machine.yard import eventually

if TYPE_CHECKING:
    from tests.machine.yard import Guest

# How long anything may take on a busy computer; nothing waits longer than it must.
AMPLE = 90
# More than systemd starts a unit without being told to go on.
KILLS = 7


def nothing(_guest: Guest) -> None:
    """Leave the machine to itself."""


def listening(guest: Guest) -> None:
    """Wait until the listener runs."""
    eventually(lambda: guest.exists("/run/runnerkit/agent/listener.json"), guest._tail, AMPLE)


def in_job(guest: Guest) -> None:
    """Wait until the job runs."""
    eventually(lambda: guest.exists("/run/runnerkit/job/started"), guest._tail, AMPLE)


def kill_the_guard(guest: Guest) -> None:
    """Again and again; systemd brings it back."""
    listening(guest)
    seen = set()
    for _ in range(KILLS):
        pid = eventually(lambda: _guard_of(guest), guest._tail, AMPLE)
        seen.add(pid)
        guest.run(f"kill -KILL {pid}")
        eventually(lambda old=pid: _guard_of(guest) not in {0, old}, guest._tail, AMPLE)  # type: ignore[misc]  # mypy takes the default for an argument
    assert len(seen) == KILLS


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
    # Zero where the machine is on its way down already.
    assert _guard_of(guest) in {before, 0}


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


def kill_and_stop_the_guard(guest: Guest) -> None:
    """As often as systemd must bring it back; then it hangs, and systemd misses it and starts another."""
    kill_the_guard(guest)
    first = _guard_of(guest)
    guest.run(f"kill -STOP {first}")
    eventually(lambda: _guard_of(guest) not in {0, first}, guest._tail, AMPLE)
