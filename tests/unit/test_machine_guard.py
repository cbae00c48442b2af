"""The guard, the marks around the listener, and the end: what the agent does to a machine that runs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runnerkit.machine.runnerkit_agent import main as commands
from runnerkit.machine.runnerkit_agent.imds import Notice
from runnerkit.machine.runnerkit_agent.machine import Owner, has_children
from runnerkit.machine.runnerkit_agent.rules import END, INTERRUPT, WAIT, BootFailed
from tests.unit.test_machine_kit import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

LISTENER = """
import signal, time
signal.signal(signal.SIGINT, lambda *_: exit(0))
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine that is not prepared yet."""
    return Machine(tmp_path, monkeypatch)


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    """A process that ends on SIGINT, as the listener does."""
    with subprocess.Popen([sys.executable, "-c", LISTENER], stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "up\n"
        yield started
        started.kill()


# --- the listener -----------------------------------------------------------------------------------------------------


def test_a_started_listener_calls_off_the_deadline_of_the_boot(machine: Machine) -> None:
    """Both the timers of user data and the one of a baked image; the lifetime stays."""
    machine.prepare().listen(os.getpid())
    assert "systemctl stop runnerkit-boot*.timer" in machine.calls()
    assert not any("daemon-reload" in call or "runnerkit-life" in call for call in machine.calls())


def test_what_was_added_to_a_unit_that_systemd_knew_already_is_read(machine: Machine) -> None:
    """Else the lifetime of the launch would not be the unit's; a reload takes long, so there is none without need."""
    machine.command("systemctl", "echo NeedDaemonReload=yes")
    machine.prepare().listen(os.getpid())
    assert machine.calls()[-1] == "systemctl daemon-reload"


def test_a_second_job_is_never_waited_for(machine: Machine) -> None:
    """Once a job started, the listener does not come back, whatever it left with."""
    machine.prepare().paths.started.touch()
    commands.listener_left(machine.paths, {"EXIT_STATUS": "2"})
    with pytest.raises(BootFailed, match="has started already"):
        commands.before_listener(machine.paths, machine.environ)


@pytest.mark.parametrize("status", ["3", "4"])
def test_the_runners_own_update_is_waited_for(machine: Machine, status: str) -> None:
    """Its updater says when it is finished; the mark is taken away for the next time."""
    machine.prepare()
    commands.listener_left(machine.paths, {"EXIT_STATUS": status, "SERVICE_RESULT": "exit-code"})
    done = machine.paths.runner / "update.finished"
    done.touch()
    commands.before_listener(machine.paths, machine.environ)
    assert not done.exists()


@pytest.mark.parametrize(
    ("shown", "ends"),
    [
        ("ActiveState=inactive\nJob=", True),
        ("ActiveState=failed\nJob=", True),
        ("ActiveState=failed", True),
        ("ActiveState=active\nJob=", False),
        ("ActiveState=reloading\nJob=", False),
    ],
)
def test_the_end_unit_lets_a_listener_come_back(machine: Machine, shown: str, ends: bool) -> None:
    """It is restarted a bounded number of times, and the end unit starts each time; only the last one counts."""
    machine.prepare()
    machine.command("systemctl", f"echo '{shown}'")
    commands.end(machine.paths, machine.environ)
    assert ("systemctl start --no-block runnerkit-poweroff.service" in machine.calls()) is ends


def test_the_end_unit_waits_until_systemd_has_decided(machine: Machine) -> None:
    """It is not started a second time while it looks, so it must not leave too early."""
    machine.prepare()
    machine.command(
        "systemctl",
        f"""
[ "$1" = show ] || exit 0
case $(grep -c "^systemctl show" {machine.root}/calls) in
1) echo ActiveState=activating;; 2) echo ActiveState=inactive; echo Job=217;; *) echo ActiveState=failed;; esac""",
    )
    commands.end(machine.paths, machine.environ)
    assert machine.calls()[-1] == "systemctl start --no-block runnerkit-poweroff.service"


def test_the_end_unit_tells_why(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """A listener that left without a job means that GitHub dropped the registration."""
    machine.prepare()
    commands.listener_left(machine.paths, {"EXIT_STATUS": "0", "EXIT_CODE": "exited", "SERVICE_RESULT": "success"})
    commands.end(machine.paths, machine.environ)
    assert "powering off: the listener left before a job came" in capsys.readouterr().out


def test_after_an_interruption_the_end_unit_waits_for_aws(machine: Machine) -> None:
    """It powers off a while after the announced time, and not before."""
    machine.configure(after_notice=0.4)
    machine.prepare()
    machine.paths.notice.write_text(json.dumps({"monotonic": time.monotonic() + 0.2}))
    began = time.monotonic()
    commands.end(machine.paths, machine.environ)
    assert time.monotonic() - began >= 0.5
    assert machine.calls()[-1] == "systemctl start --no-block runnerkit-poweroff.service"


def test_a_power_off_that_systemd_refuses_is_forced(machine: Machine) -> None:
    """The last way needs no unit at all."""
    machine.prepare()
    machine.command("systemctl", '[ "$1" != start ]')
    commands.end(machine.paths, machine.environ)
    assert machine.calls()[-1] == "systemctl poweroff --force --force"


# --- the guard --------------------------------------------------------------------------------------------------------


def test_the_guard_lets_a_fresh_listener_be(machine: Machine, process: subprocess.Popen[str]) -> None:
    """Nothing to do while everything is in time."""
    machine.prepare().listen(process.pid)
    assert machine.guard().tick().kind == WAIT
    assert process.poll() is None


def test_an_idle_listener_is_interrupted_once(machine: Machine, process: subprocess.Popen[str]) -> None:
    """It gets SIGINT; then the guard waits for the end unit, even if it is itself started anew."""
    machine.prepare().listen(process.pid)
    assert machine.guard(idle=0.001).tick().kind == INTERRUPT
    assert process.wait(5) == 0
    assert machine.guard(idle=0.001).tick().kind == WAIT
    assert machine.guard(idle=0.001, stop_grace=0.001).tick().kind == END
    assert machine.calls()[-1] == "systemctl start --no-block runnerkit-poweroff.service"


def test_a_job_keeps_the_machine(machine: Machine, process: subprocess.Popen[str]) -> None:
    """The hook's mark is enough."""
    machine.prepare().listen(process.pid)
    hook = Path(commands.__file__).parents[1] / "hooks/job-started.sh"
    subprocess.run(["/bin/bash", "-e", str(hook)], env=machine.environ, check=True)
    assert machine.guard(idle=0.001).tick().kind == WAIT


def test_the_completed_hook_leaves_its_mark(machine: Machine, process: subprocess.Popen[str]) -> None:
    """A listener that stays long after it is interrupted."""
    machine.prepare().listen(process.pid)
    machine.paths.started.touch()
    hook = Path(commands.__file__).parents[1] / "hooks/job-completed.sh"
    subprocess.run(["/bin/bash", "-e", str(hook)], env=machine.environ, check=True)
    guard = machine.guard(finish=0.01)
    assert guard.tick().kind == WAIT
    time.sleep(0.02)
    assert guard.tick().kind == INTERRUPT


def test_a_worker_without_a_mark_keeps_the_machine(machine: Machine) -> None:
    """Between the job's arrival and the hook the listener has a child."""
    parent = [sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '60'])"]
    with subprocess.Popen(parent, start_new_session=True) as listener:
        machine.prepare().listen(listener.pid)
        deadline = time.monotonic() + 5
        while not has_children(machine.paths.proc, listener.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        kind = machine.guard(idle=0.001).tick().kind
        os.killpg(listener.pid, signal.SIGKILL)
    assert kind == WAIT


def test_a_stopped_listener_ends_the_machine(machine: Machine, process: subprocess.Popen[str]) -> None:
    """A job that stops the process that would report it cannot keep the machine for ever."""
    machine.prepare().listen(process.pid)
    machine.paths.started.touch()
    guard = machine.guard(stopped=0.05)
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    assert guard.tick().kind == WAIT
    time.sleep(0.06)
    assert guard.tick().kind == END
    assert machine.calls()[-1] == "systemctl start --no-block runnerkit-poweroff.service"


def test_another_process_of_the_same_id_is_not_the_listener(machine: Machine, process: subprocess.Popen[str]) -> None:
    """No foreign process is ever signalled."""
    machine.prepare().listen(process.pid)
    said = json.loads(machine.paths.listener.read_text())
    machine.paths.listener.write_text(json.dumps({**said, "ticks": "1"}))
    assert machine.guard(idle=0.001).tick().kind == INTERRUPT
    time.sleep(0.05)
    assert process.poll() is None


def test_a_notice_is_written_for_the_job_and_told_to_hooks(machine: Machine, process: subprocess.Popen[str]) -> None:
    """notice.json first, then every executable in notice.d; the listener goes 25 s before the end and not earlier."""
    machine.prepare().listen(process.pid)
    machine.paths.started.touch()
    hook = machine.paths.notice_hooks / "10-save"
    hook.write_text(f'#!/bin/sh\necho "$1 $(cat "$2")" >{machine.root}/heard\n')
    hook.chmod(0o755)
    (machine.paths.notice_hooks / "20-not-executable").write_text("exit 1")
    (machine.paths.notice_hooks / "30-broken").write_text("no interpreter")
    (machine.paths.notice_hooks / "30-broken").chmod(0o755)
    machine.imds.told = Notice("terminate", time.time() + 120)
    guard = machine.guard()
    assert guard.tick().kind == WAIT
    assert process.poll() is None
    heard = machine.root / "heard"
    deadline = time.monotonic() + 5
    while not (heard.exists() and heard.read_text().endswith("\n")) and time.monotonic() < deadline:
        time.sleep(0.01)
    kind, _, said = heard.read_text().partition(" ")
    assert kind == "interruption"
    assert json.loads(said)["action"] == "terminate"
    assert json.loads(said)["at"] == pytest.approx(machine.imds.told.at, abs=2)
    assert json.loads(said)["at"] - json.loads(said)["listener_stops_at"] == 25
    machine.paths.notice.write_text(json.dumps({"monotonic": time.monotonic() + 24}))
    assert machine.guard().tick().kind == INTERRUPT
    assert process.wait(5) == 0
    for started in guard._hooks:
        started.wait(5)


def test_a_recommendation_to_move_ends_nothing(machine: Machine, process: subprocess.Popen[str]) -> None:
    """It is passed on once."""
    machine.prepare().listen(process.pid)
    machine.imds.moved = 1_795_249_320.0
    guard = machine.guard()
    assert guard.tick().kind == WAIT
    assert json.loads(machine.paths.rebalance.read_text())["time"] == "2026-11-21T08:22:00Z"
    assert not machine.paths.notice.exists()
    machine.paths.rebalance.write_text("{}")
    guard.tick()
    assert machine.paths.rebalance.read_text() == "{}"


def test_a_silent_metadata_service_is_said_once_and_holds_nothing_up(
    machine: Machine, process: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The other deadlines still count."""
    machine.prepare().listen(process.pid)
    capsys.readouterr()
    machine.imds.broken = True
    guard = machine.guard()
    for _ in range(3):
        guard.tick()
    assert capsys.readouterr().out.count("does not answer") == 1
    assert machine.guard(idle=0.001).tick().kind == INTERRUPT


def test_a_disk_that_the_job_filled_keeps_nothing_up(
    machine: Machine, process: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be written is remembered: the listener is interrupted all the same, once, and the end comes."""
    machine.prepare().listen(process.pid)
    guard = machine.guard(idle=0.001, stop_grace=0.2)
    # A folder in its place is as good as a full disk, and works for root.
    (machine.paths.state / ".interrupted.json.new").mkdir()
    assert guard.look_after().kind == INTERRUPT
    assert process.wait(5) == 0
    assert guard.look_after().kind == WAIT
    time.sleep(0.25)
    assert guard.look_after().kind == END
    assert "cannot be noted" in capsys.readouterr().out


def test_a_notice_that_cannot_be_written_still_counts(machine: Machine, process: subprocess.Popen[str]) -> None:
    """The job does not hear of it, but its listener is stopped in time and AWS is waited for."""
    machine.prepare().listen(process.pid)
    machine.paths.started.touch()
    (machine.paths.run / ".notice.json.new").mkdir()
    machine.imds.told = Notice("terminate", time.time() + 26, 26)
    guard = machine.guard(interrupt_before=25.5)
    assert guard.look_after().kind == WAIT
    time.sleep(0.6)
    assert guard.look_after().kind == INTERRUPT
    assert process.wait(5) == 0
    assert guard.look_after().kind == WAIT


@pytest.mark.parametrize("jump", [-3_600.0, 3_600.0, 1e9])
def test_a_wrong_clock_changes_nothing_about_a_notice(
    machine: Machine, process: subprocess.Popen[str], jump: float
) -> None:
    """AWS's answer tells what time it is there; from then on only seconds are counted."""
    machine.prepare().listen(process.pid)
    machine.paths.started.touch()
    machine.imds.told = Notice("terminate", time.time() + jump + 100, 100)
    guard = machine.guard()
    assert guard.look_after().kind == WAIT
    told = json.loads(machine.paths.notice.read_text())
    assert told["at"] == pytest.approx(time.time() + 100, abs=2)
    assert told["monotonic"] == pytest.approx(time.monotonic() + 100, abs=2)


def test_a_guard_in_trouble_keeps_what_it_knows(
    machine: Machine, process: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so once and looks again; a moment without files does not set its deadlines back."""
    machine.prepare().listen(process.pid)
    machine.paths.started.touch()
    guard = machine.guard(stopped=0.1)
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    assert guard.look_after().kind == WAIT
    said = machine.paths.listener.read_text()
    machine.paths.listener.write_text("half a")
    assert [guard.look_after().kind for _ in range(3)] == [WAIT] * 3
    assert capsys.readouterr().out.count("the guard is in trouble") == 1
    time.sleep(0.11)
    machine.paths.listener.write_text(said)
    assert guard.look_after().kind == END


def test_systemd_is_told_that_the_guard_is_alive(machine: Machine, tmp_path: Path) -> None:
    """Each round; a guard that hangs is started anew by the watchdog."""
    machine.prepare()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        machine.environ["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        machine.guard().look_after()
        assert systemd.recv(100) == b"WATCHDOG=1"


def test_the_guard_watches_until_the_end(machine: Machine) -> None:
    """No listener ever: the loop ends the machine at its deadline and stops."""
    machine.prepare()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(0.01)
        assert len(pauses) < 500

    # Long enough for the first look on a busy computer.
    machine.guard(online_within=0.5, poll=5).watch(pause)
    assert set(pauses) == {5}
    assert machine.calls()[-1] == "systemctl start --no-block runnerkit-poweroff.service"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_hooks_run_as_the_jobs_user(machine: Machine, capfd: pytest.CaptureFixture[str]) -> None:
    """The job may put files into notice.d; they get its rights, none of its environment, and never root's."""
    owner = Owner.find({"RUNNERKIT_USER": "nobody"})
    assert owner is not None
    guard = machine.guard()
    guard._start_hook(["/bin/sh", "-c", "id -u; id -G; env | cut -d= -f1 | sort"], owner)
    assert guard._hooks[0].wait(5) == 0
    uid, groups, *names = capfd.readouterr().out.splitlines()
    assert uid == str(owner.uid)
    assert "0" not in groups.split()
    assert set(names) <= {"HOME", "PATH", "PWD", "USER", "OLDPWD", "SHLVL", "_"}
