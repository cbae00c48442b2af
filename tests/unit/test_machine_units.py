"""The units of the machine: systemd understands them, and they fit the agent and the user data."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runnerkit import boot
from runnerkit.machine.runnerkit_agent.machine import POWEROFF_UNIT, RUNNER_UNIT, Paths
from runnerkit.machine.runnerkit_agent.main import COMMANDS

SOURCE = Path(boot.__file__).parent / "machine"
UNITS = {file.name: file.read_text(encoding="utf-8") for file in (SOURCE / "units").iterdir()}
AGENT = "/usr/bin/python3 -E -s -S /opt/runnerkit/agent.py"


def settings(unit: str, key: str) -> list[str]:
    """The values of a key, in order."""
    return re.findall(rf"^{key}=(.*)$", UNITS[unit], flags=re.MULTILINE)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here")
def test_systemd_understands_every_unit(tmp_path: Path) -> None:
    """No unknown key, no missing unit, no command that is not there."""
    system = tmp_path / "etc/systemd/system"
    system.mkdir(parents=True)
    shutil.copytree("/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    for name, text in UNITS.items():
        (system / name).write_text(text)
    for command in ("python3", "systemctl", "sleep", "echo"):
        executable(tmp_path / "usr/bin" / command)
    executable(tmp_path / "opt/runnerkit/runner/bin/Runner.Listener")
    argv = ["systemd-analyze", "verify", f"--root={tmp_path}", "--man=no", "--generators=no", *UNITS]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def executable(file: Path) -> None:
    """A command that exists."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)


def test_units_call_commands_that_the_agent_has_and_all_of_them() -> None:
    """A command without a caller, or a call without a command, would be found on the machine only."""
    called = {
        match for text in UNITS.values() for match in re.findall(rf"=\+?{re.escape(AGENT)} (.+)$", text, re.MULTILINE)
    }
    assert called == set(COMMANDS)


def test_units_name_units_that_exist() -> None:
    """What a unit pulls in, and what the agent starts, is there."""
    keys = "OnFailure|OnSuccess|Requires|Wants|After"
    named = {name for text in UNITS.values() for name in re.findall(rf"^(?:{keys})=(.+)$", text, re.MULTILINE)}
    assert named | {POWEROFF_UNIT, RUNNER_UNIT} <= set(UNITS)


def test_every_end_of_the_listener_leads_to_the_end_unit() -> None:
    """Success and failure alike; and when the end unit itself fails, the machine powers off."""
    assert settings(RUNNER_UNIT, "OnSuccess") == ["runnerkit-end.service"]
    assert settings(RUNNER_UNIT, "OnFailure") == ["runnerkit-end.service"]
    assert settings("runnerkit-prepare.service", "OnFailure") == ["runnerkit-end.service"]
    assert settings("runnerkit-end.service", "OnFailure") == [POWEROFF_UNIT]


def test_restarts_are_bounded_and_only_for_codes_that_ask_for_one() -> None:
    """2 is "try again", 3 and 4 follow the runner's update of itself."""
    assert settings(RUNNER_UNIT, "Restart") == ["no"]
    assert settings(RUNNER_UNIT, "RestartForceExitStatus") == ["2 3 4"]
    assert settings(RUNNER_UNIT, "StartLimitBurst") == ["5"]
    # All five come within it, 5 s apart; systemd's own 10 s would let it go on for ever.
    assert settings(RUNNER_UNIT, "StartLimitIntervalSec") == ["1h"]
    assert settings(RUNNER_UNIT, "RestartSec") == ["5"]


def test_a_job_cannot_take_what_the_guards_need() -> None:
    """Jobs and their hooks leave systemd some tasks, memory is taken from them first, and a hung guard is noticed."""
    assert settings(RUNNER_UNIT, "TasksMax") == ["90%"]
    assert settings(RUNNER_UNIT, "MemoryMax") == ["97%"]
    assert settings(RUNNER_UNIT, "OOMPolicy") == ["continue"]
    for unit in ("runnerkit-guard.service", "runnerkit-end.service", POWEROFF_UNIT):
        assert settings(unit, "OOMScoreAdjust") == ["-1000"]
    assert settings("runnerkit-guard.service", "TasksMax") == ["5%"]
    assert settings("runnerkit-guard.service", "OOMPolicy") == ["continue"]
    assert settings("runnerkit-guard.service", "WatchdogSec") == ["120"]


def test_nothing_but_the_listener_is_told_to_stop() -> None:
    """It ends its job by itself, and the updater that it starts lives on; what follows is decided by the end unit."""
    assert settings(RUNNER_UNIT, "KillMode") == ["process"]
    assert settings(RUNNER_UNIT, "KillSignal") == ["SIGINT"]


def test_the_guard_comes_back_for_ever() -> None:
    """However it ends, and however often."""
    assert settings("runnerkit-guard.service", "Restart") == ["always"]
    assert settings("runnerkit-guard.service", "StartLimitIntervalSec") == ["0"]
    assert settings(RUNNER_UNIT, "Wants") == ["runnerkit-guard.service"]


def test_the_listener_is_called_directly_as_an_unprivileged_user() -> None:
    """The start script would hide its exit code; the secret is on no command line; steps inherit a normal umask."""
    assert settings(RUNNER_UNIT, "User") == ["runner"]
    assert settings(RUNNER_UNIT, "ExecStart") == ["/opt/runnerkit/runner/bin/Runner.Listener run"]
    assert settings(RUNNER_UNIT, "UMask") == ["0022"]
    assert settings(RUNNER_UNIT, "EnvironmentFile") == [f"-{Paths({}).environment}"]


def test_the_power_off_escalates_and_outlives_the_shutdown() -> None:
    """Ask, then force, then force without asking anybody."""
    assert settings(POWEROFF_UNIT, "ExecStart") == [
        "-systemctl --no-block poweroff",
        f"-sleep {boot.HARDER}",
        "-systemctl poweroff --force",
        f"-sleep {boot.HARDEST - boot.HARDER}",
        "-systemctl poweroff --force --force",
    ]
    assert settings(POWEROFF_UNIT, "DefaultDependencies") == ["no"]


def test_agent_and_user_data_agree_about_places() -> None:
    """What cloud-init writes is what the agent reads."""
    paths = Paths({})
    assert (str(paths.machine), str(paths.startup), str(paths.jit)) == (
        boot.MACHINE_FILE,
        boot.STARTUP_FILE,
        boot.JIT_FILE,
    )
    placed = {file.path for file in boot.agent_files(image=True)}
    assert {f"{boot.AGENT_FOLDER}/agent.py", str(paths.hooks / "job-started.sh")} <= placed
    assert boot.LIFE_FILE.startswith(f"/etc/systemd/system/{RUNNER_UNIT}.d/")


def test_the_agent_is_python_of_any_image() -> None:
    """3.9 is the oldest that has to work; only the standard library is there."""
    known = {*sys.stdlib_module_names, "runnerkit_agent"}
    for file in [SOURCE / "agent.py", *(SOURCE / "runnerkit_agent").glob("*.py")]:
        tree = ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 9))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                assert {name.name.partition(".")[0] for name in node.names} <= known
            elif isinstance(node, ast.ImportFrom) and not node.level:
                assert (node.module or "").partition(".")[0] in known


@pytest.mark.parametrize("bare", [False, True], ids=["as written", "as sent"])
def test_the_agent_starts_where_it_is_put(tmp_path: Path, bare: bool) -> None:
    """The launcher finds the package beside it, from any folder and with a foreign environment."""
    for file in boot.agent_files(image=False):
        if file.path.endswith(".py"):
            name = file.path.removeprefix(f"{boot.AGENT_FOLDER}/")
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(file.text if bare else (SOURCE / name).read_text(encoding="utf-8"))
    argv = [sys.executable, "-E", "-s", "-S", str(tmp_path / "agent.py"), "nonsense"]
    environ = {"PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere"}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, cwd="/", env=environ)
    assert done.returncode == 2
    assert done.stderr == f"commands: {', '.join(COMMANDS)}\n"
