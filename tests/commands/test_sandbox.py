"""`sandbox up|down|status` and `interrupt`: a sandbox that stays up, one for each state folder."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from runnerkit.errors import ConfigError
from runnerkit.sandbox.standing import StateFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.commands.conftest import Bench

UP_WITHIN = 60


def command(*words: str) -> list[str]:
    """The words of a command in a process of its own."""
    return [sys.executable, "-m", "runnerkit", *words]


class Up:
    """``sandbox up`` in the foreground of a process of its own."""

    def __init__(self, state: Path, *more: str) -> None:
        self.state = state
        self.process = subprocess.Popen(
            command("sandbox", "up", "--machines", "hollow", "--boot", "0.2", "--state", str(state), "--json", *more),
            # A person's own profile, which the sandbox's AWS configuration does not have.
            env={**os.environ, "AWS_PROFILE": "work"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.told: dict[str, Any] = json.loads(line) if line else {}

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and give the exit code."""
        self.process.send_signal(number)
        self.process.communicate(timeout=UP_WITHIN)
        return self.process.returncode


def ask(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*words),
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=UP_WITHIN,
    )


def listens(address: str) -> bool:
    """Whether somebody listens at the port of a URL."""
    parts = urlsplit(address)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname or "", parts.port or 0)) == 0


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """A sandbox that is up."""
    found = Up(tmp_path / "state")
    with found.process:
        yield found
        if found.process.poll() is None:
            found.process.kill()


def test_it_serves_other_programs_and_ends_on_a_signal(up: Up) -> None:
    """The variables are all a program needs; afterwards ports, folders and the state file are gone."""
    environment = up.told["environment"]
    offered = ask("offerings", "gpu=t4", "--json", **environment)
    assert offered.returncode == 0, offered.stderr
    folder = os.path.dirname(environment["RUNNERKIT_CACHE_DIR"])  # noqa: PTH120 - a string that came over the wire
    assert os.path.isdir(folder)  # noqa: PTH112 - as above
    assert up.end(signal.SIGINT) == 0
    assert not listens(up.told["github"])
    assert not listens(up.told["aws"])
    assert not os.path.isdir(folder)  # noqa: PTH112 - as above
    assert [path.name for path in up.state.iterdir()] == ["lock"]


def test_a_second_one_on_the_same_state_is_refused(up: Up) -> None:
    """It says what to do, exits with 2, and leaves the first alone."""
    second = ask("sandbox", "up", "--machines", "hollow", "--state", str(up.state))
    assert second.returncode == 2
    assert "up already" in second.stderr
    assert "sandbox down" in second.stderr
    assert listens(up.told["github"])
    still = StateFolder(up.state).read()
    assert still is not None, "`sandbox down` still finds the first"
    assert still.github == up.told["github"]


def test_status_tells_where_it_is_and_down_ends_it(up: Up) -> None:
    """Both find it by the state folder alone."""
    state = ("--state", str(up.state))
    shown = ask("sandbox", "status", *state, "--json")
    assert (shown.returncode, json.loads(shown.stdout)["github"]) == (0, up.told["github"])
    ended = ask("sandbox", "down", *state, "--json")
    assert json.loads(ended.stdout) == {"ended": True}
    assert up.process.wait(UP_WITHIN) == 0
    again = ask("sandbox", "status", *state)
    assert (again.returncode, "no sandbox is up" in again.stdout) == (1, True)
    assert ask("sandbox", "down", *state).returncode == 0


def test_after_a_kill_the_state_is_free_again(up: Up) -> None:
    """What a killed sandbox wrote down deceives nobody."""
    up.end(signal.SIGKILL)
    assert ask("sandbox", "status", "--state", str(up.state)).returncode == 1
    second = Up(up.state)
    assert listens(second.told["github"])
    assert second.end() == 0


def test_it_goes_on_in_the_background(tmp_path: Path) -> None:
    """`--detach` returns once it is up, with lines that a shell can evaluate."""
    state = ("--state", str(tmp_path / "state"))
    started = ask("sandbox", "up", "--detach", "--enforce-permissions", "--machines", "hollow", *state)
    try:
        assert started.returncode == 0, started.stderr
        assert all(line.startswith("export ") for line in started.stdout.splitlines())
        script = started.stdout + f"exec {sys.executable} -m runnerkit status --json"
        seen = subprocess.run(
            ["/bin/bash", "-c", script],
            capture_output=True,
            text=True,
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
        assert json.loads(seen.stdout) == {"machines": [], "queue": []}
    finally:
        assert ask("sandbox", "down", *state).returncode == 0


def test_a_state_folder_that_is_a_file(tmp_path: Path) -> None:
    """It is named, before anything starts."""
    (tmp_path / "state").write_text("mine")
    refused = ask("sandbox", "up", "--state", str(tmp_path / "state"))
    assert (refused.returncode, "state" in refused.stderr) == (2, True)
    assert (tmp_path / "state").read_text() == "mine"


# --- interrupt --------------------------------------------------------------------------------------------------------


def test_a_runner_of_the_sandbox_is_interrupted(bench: Bench) -> None:
    """By its name, with the notice that was asked for; the instance is gone when that is over."""
    name = bench.launch().json["machines"][0]["runner"]
    shown = bench.run("interrupt", name, "--notice", "1", "--json")
    assert shown.json["interrupted"] is True
    (machine,) = bench.world.ec2.instances()
    assert machine.notice is not None
    bench.world.ec2.advance(2)
    assert bench.world.ec2.instances()[0].reason == "Server.SpotInstanceTermination"


def test_a_dry_run_only_tells(bench: Bench) -> None:
    """Nothing is announced to the machine."""
    name = bench.launch().json["machines"][0]["runner"]
    shown = bench.run("interrupt", name, "--dry-run")
    assert (shown.code, "would take" in shown.out) == (0, True)
    assert bench.world.ec2.instances()[0].notice is None


def test_an_unknown_runner_is_refused_with_those_there_are(bench: Bench) -> None:
    """The reader sees what could have been meant."""
    name = bench.launch().json["machines"][0]["runner"]
    refused = bench.run("interrupt", "rk-nobody")
    assert (refused.code, name in refused.err) == (2, True)


def test_on_demand_machines_are_never_interrupted(bench: Bench) -> None:
    """AWS does not do that, so neither does the sandbox."""
    name = bench.launch(label="runnerkit=42/gpu=t4/spot=never").json["machines"][0]["runner"]
    refused = bench.run("interrupt", name)
    assert (refused.code, "on-demand" in refused.err) == (2, True)


@pytest.mark.parametrize("endpoint", ["", "https://ec2.eu-west-1.amazonaws.com", "http://127.0.0.1:1"])
def test_on_aws_it_tells_how_fis_does_it(bench: Bench, endpoint: str) -> None:
    """A template that is valid JSON and names the runner; nothing is called."""
    told = bench.run("interrupt", "rk-1-1", AWS_ENDPOINT_URL=endpoint)
    assert told.code == 0
    template = told.out.partition("<<'END'\n")[2].partition("\nEND")[0]
    assert json.loads(template)["targets"]["machine"]["resourceTags"] == {"runnerkit:runner": "rk-1-1"}
    assert bench.run("interrupt", "rk-1-1", "--json", AWS_ENDPOINT_URL=endpoint).json["interrupted"] is False


# --- the state folder -------------------------------------------------------------------------------------------------


def test_what_a_killed_sandbox_wrote_is_gone_before_the_next_one_is_up(tmp_path: Path) -> None:
    """Or `down` would end whatever process has its number by now."""
    folder = StateFolder(tmp_path)
    (tmp_path / "sandbox.json").write_text(json.dumps({**dict.fromkeys(("repository", "github", "aws"), "x"),
                                                       "pid": os.getpid(), "environment": {}}))  # fmt: skip
    with folder.held():
        assert folder.read() is None


def test_whoever_only_looks_is_not_taken_for_a_sandbox(tmp_path: Path) -> None:
    """A look holds the lock for a moment; starting one waits for that."""
    folder = StateFolder(tmp_path)
    with folder.held(), pytest.raises(ConfigError, match="up already"), StateFolder(tmp_path).held():
        pass
    descriptor = os.open(tmp_path / "lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    threading.Timer(0.1, os.close, (descriptor,)).start()
    with folder.held():
        assert folder.read() is None
