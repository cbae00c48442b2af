"""``logs`` and ``connect``: what a machine says, and a way onto it, or what is missing for one."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import signal
import stat
import threading
import time
from shutil import rmtree
from typing import TYPE_CHECKING

import pytest

from runnerkit import boot
from runnerkit.sandbox import userdata
from runnerkit.sandbox.together import Sandbox
from tests.commands.conftest import LEASES, Bench

if TYPE_CHECKING:
    from pathlib import Path

WITHIN = 30.0
NOBODY = "i-0123456789abcdef0"


def launched(bench: Bench, **environment: str) -> dict[str, str]:
    """A machine that is online, as the launch told it."""
    done = bench.launch("--wait", **environment)
    assert done.code == 0, done.err
    machine: dict[str, str] = done.json["machines"][0]
    return machine


def ended(bench: Bench, machine: dict[str, str]) -> None:
    """Wait until a machine is terminated."""
    bench.world.ec2.power_off(machine["instance"])
    assert bench.world.ec2.instance(machine["instance"]).state == "terminated"


# --- logs -------------------------------------------------------------------------------------------------------------


def test_logs_print_what_the_machine_wrote(bench: Bench) -> None:
    """By name, by id and by part of a name; without asking GitHub anything."""
    machine = launched(bench)
    asked = bench.world.github.count()
    for word in (machine["runner"], machine["instance"], machine["runner"][3:-1]):
        done = bench.run("logs", word)
        assert (0, f"runnerkit: {machine['runner']} listens for jobs\n") == (done.code, done.out)
    told = bench.run("logs", machine["runner"], "--json").json
    assert (machine["instance"], "running", None) == (told["instance"], told["state"], told["state_reason"])
    assert "listens for jobs" in told["output"]
    assert asked == bench.world.github.count()


def test_logs_never_show_the_secret_nor_drive_the_terminal(bench: Bench) -> None:
    """A machine that puts its registration and control sequences on the console does no harm with them."""
    machine = launched(bench)
    blob = userdata.read(bench.world.ec2.instance(machine["instance"]).user_data).jit_config
    assert len(blob) > 200
    bench.world.ec2.console(machine["instance"], f"\x1b[2J\x1b]0;owned\x07ACTIONS_RUNNER_INPUT_JITCONFIG={blob}\r\n")
    bench.world.ec2.console(machine["instance"], f"\x1b[1mplain {blob}\x1b[0m\r\n")
    for words in ((), ("--raw",), ("--json",)):
        done = bench.run("logs", machine["runner"], *words)
        assert done.code == 0
        assert not any(blob[at : at + 24] in done.out + done.err for at in range(0, len(blob) - 24, 24))
        assert "plain ***" in done.out
        assert ("\x1b" in done.out) == (words == ("--raw",))


def test_an_empty_console_is_explained(bench: Bench) -> None:
    """EC2 has nothing yet: that is said on standard error, with what to expect, and is no failure."""
    bench.world.hollow.boot = 60
    machine = bench.launch().json["machines"][0]
    done = bench.run("logs", machine["runner"])
    assert (0, "") == (done.code, done.out)
    assert "no console output" in done.err
    assert "some minutes" in done.err
    assert bench.run("logs", machine["runner"], "--json").json["output"] == ""


def test_the_console_of_a_machine_that_is_gone_is_still_there(bench: Bench) -> None:
    """EC2 keeps the last output for a while; with it goes why the machine ended."""
    machine = launched(bench)
    ended(bench, machine)
    done = bench.run("logs", machine["runner"])
    assert done.code == 0
    assert "listens for jobs" in done.out
    assert "it powered off by itself (Client.InstanceInitiatedShutdown)" in done.err


def test_machines_of_others_are_refused(bench: Bench) -> None:
    """By id as well as by name: without our tags nothing of them is read."""
    machine = launched(bench)
    for words in (("logs", machine["instance"]), ("connect", machine["instance"])):
        done = bench.run(*words, "--json", RUNNERKIT_AWS__OWNER="another-team")
        assert (2, "machine-unknown") == (done.code, done.json["error"]["code"])
    assert bench.run("logs", NOBODY).code == 2
    assert bench.wire(["GetConsoleOutput"]) == []


def test_following_ends_with_the_machine(bench: Bench) -> None:
    """Old and new lines once each, then the state reason; standard output has nothing but the console."""
    machine = launched(bench)
    process = bench.start("logs", machine["runner"], "--follow")
    threading.Thread(target=write_and_end, args=(bench, machine["instance"]), daemon=True).start()
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert out == f"runnerkit: {machine['runner']} listens for jobs\nstep 1\nstep 2\nrunnerkit: powering off: done\n"
    assert "powered off by itself" in err


def write_and_end(bench: Bench, instance: str) -> None:
    """Write, each after the last was read, and power off."""
    ec2 = bench.world.ec2
    for text in ("step 1\n", "step 2\n", "runnerkit: powering off: done"):
        looks = ec2.calls.count("GetConsoleOutput")
        until = time.monotonic() + WITHIN
        while ec2.calls.count("GetConsoleOutput") == looks and time.monotonic() < until:
            time.sleep(0.05)
        ec2.console(instance, text)
    ec2.power_off(instance)


def test_ctrl_c_ends_following_and_not_the_machine(bench: Bench) -> None:
    """At once, with what was printed so far, and with another exit code than the machine's end."""
    machine = launched(bench)
    process = bench.start("logs", machine["runner"], "--follow", "--json")
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert (False, True) == (first["lost"], "listens for jobs" in first["output"])
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=WITHIN)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert bench.world.ec2.instance(machine["instance"]).state == "running"


def test_what_a_terminal_cannot_show_does_not_end_the_command(bench: Bench) -> None:
    """A console may hold any letters, also where this side knows only ASCII."""
    machine = launched(bench)
    bench.world.ec2.console(machine["instance"], "\N{SNOWMAN} snow\n")
    with bench.start("logs", machine["runner"], PYTHONIOENCODING="ascii") as process:
        out, err = process.communicate(timeout=WITHIN)
    assert (0, "? snow") == (process.returncode, out.splitlines()[-1]), err


def test_whoever_reads_only_the_beginning_gets_no_traceback(bench: Bench) -> None:
    """As in `runnerkit logs NAME | head -1`: the command ends when nobody listens any more."""
    machine = launched(bench)
    bench.world.ec2.console(machine["instance"], "".join(f"line {n} of many\n" for n in range(3800)))
    for words in ((), ("--json",), ("--follow",)):
        with bench.start("logs", machine["runner"], *words) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(1)
            process.stdout.close()
            err = process.stderr.read()
            assert process.wait(WITHIN) in {0, 1}
        assert "Traceback" not in err


@pytest.mark.slow
def test_a_real_boot_leaves_no_secret_on_the_console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that runs the real agent boots, comes online, idles and ends: nowhere in its console is the blob."""
    monkeypatch.chdir(tmp_path)
    with Sandbox(boot=0.3, machines="process") as world:
        real = Bench(world, {**world.environment(), **LEASES, "RUNNERKIT_POLICY__IDLE": "3"})
        machine = real.launch("--wait").json["machines"][0]
        blob = userdata.read(world.ec2.instance(machine["instance"]).user_data).jit_config
        process = real.start("logs", machine["runner"], "--follow", "--raw")
        out, err = process.communicate(timeout=90)
        raw = world.aws("ec2").get_console_output(InstanceId=machine["instance"])["Output"]
    assert process.returncode == 0, err
    assert "powering off" in out
    assert "powered off by itself" in err
    for text in (out, err, raw):
        assert not any(blob[at : at + 24] in text for at in range(0, len(blob) - 24, 12))


# --- connect ----------------------------------------------------------------------------------------------------------

STUB = """#!/bin/sh
printf '%s\\n' "$0" "$@" > "$STUB_TOLD"
exit 7
"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with an AWS CLI that writes down how it was called, and the plugin."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("aws", "session-manager-plugin"):
        program = folder / name
        program.write_text(STUB)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder


def test_connect_says_line_by_line_what_is_missing(bench: Bench, tmp_path: Path) -> None:
    """Nothing is there but the machine: each thing is named with what to do, and nothing is run."""
    machine = launched(bench)
    done = bench.run("connect", machine["runner"], PATH=str(tmp_path))
    assert done.code == 2
    lines = [line for line in done.err.splitlines() if re.match(r"(ok|missing|unknown) ", line)]
    assert ["ok", "missing", "missing", "missing", "missing"] == [line.split()[0] for line in lines]
    for word in ("AWS CLI", "session-manager-plugin", "AmazonSSMManagedInstanceCore", "profile=NAME", "SSM agent"):
        assert word in done.err
    told = bench.run("connect", machine["runner"], "--json", PATH=str(tmp_path))
    assert told.code == 2
    assert [True, False, False, False, False] == [check["ok"] for check in told.json["checks"]]


def test_connect_becomes_the_aws_cli(bench: Bench, tools: Path, tmp_path: Path) -> None:
    """All is there: the CLI gets target and region as words of their own, and its exit code is ours."""
    machine = launched(bench)
    bench.world.ec2.agent(machine["instance"])
    told = tmp_path / "told"
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    plan = bench.run("connect", machine["runner"], "--dry-run", PATH=path)
    assert plan.code == 0, plan.err
    assert f"start-session --target {machine['instance']}" in plan.out
    assert not told.exists()
    process = bench.start("connect", machine["runner"], PATH=path, STUB_TOLD=str(told))
    _, err = process.communicate(timeout=WITHIN)
    assert process.returncode == 7, err
    words = ["ssm", "start-session", "--target", machine["instance"], "--region", "us-east-1"]
    assert [str(tools / "aws"), *words] == told.read_text().splitlines()


def test_an_aws_cli_that_cannot_be_run_is_an_error_of_ours(bench: Bench, tools: Path) -> None:
    """An empty or damaged file on PATH: it is named, and there is no traceback."""
    machine = launched(bench)
    bench.world.ec2.agent(machine["instance"])
    (tools / "aws").write_text("\0 no program\n")
    process = bench.start("connect", machine["runner"], PATH=f"{tools}{os.pathsep}{os.environ['PATH']}")
    _, err = process.communicate(timeout=WITHIN)
    assert process.returncode == 2
    assert f"the AWS CLI at {tools / 'aws'} cannot be run" in err
    assert "Traceback" not in err


def test_the_aws_cli_ignores_no_signal_because_of_us(bench: Bench, tools: Path, tmp_path: Path) -> None:
    """Python ignores SIGPIPE, and what is ignored would stay so in the programs of a session."""
    machine = launched(bench)
    bench.world.ec2.agent(machine["instance"])
    (tools / "aws").write_text('#!/bin/sh\nsed -n "s/^SigIgn:.//p" /proc/self/status > "$STUB_TOLD"\n')
    told = tmp_path / "told"
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    process = bench.start("connect", machine["runner"], PATH=path, STUB_TOLD=str(told))
    _, err = process.communicate(timeout=WITHIN)
    assert process.returncode == 0, err
    assert not int(told.read_text(), 16) & 1 << signal.SIGPIPE - 1


def test_a_machine_that_ended_cannot_be_entered(bench: Bench, tools: Path) -> None:
    """Its console can still be read, and the message says so."""
    machine = launched(bench)
    ended(bench, machine)
    done = bench.run("connect", machine["runner"], PATH=f"{tools}{os.pathsep}{os.environ['PATH']}")
    assert done.code == 2
    assert f"runnerkit logs {machine['instance']}" in done.err
    assert bench.wire(["DescribeInstanceInformation"]) == []


# --- how old the runner is --------------------------------------------------------------------------------------------


def test_an_image_with_a_runner_too_old_is_refused(bench: Bench) -> None:
    """Before anything is registered or started, with both versions and the command that helps."""
    aged(bench, "2.335.0", days=31)
    done = bench.launch()
    assert (5, "runner-outdated") == (done.code, done.json["error"]["code"])
    assert "2.335.0" in done.json["error"]["message"]
    assert "runnerkit ami bake gpu-ubuntu-24.04" in done.json["error"]["hint"]
    assert [] == bench.world.ec2.instances()
    assert bench.world.github.count("POST") == 0


def test_a_machine_that_is_there_is_adopted_however_old_its_image(bench: Bench) -> None:
    """Its runner came online when that was still allowed: the same launch finds it, and starts no other."""
    aged(bench, "2.335.0", days=29)
    first = launched(bench)
    rmtree(bench.environment["RUNNERKIT_CACHE_DIR"])
    bench.world.github.options.runner_age = 31
    again = bench.launch().json["machines"][0]
    assert (first["instance"], True) == (again["instance"], again["adopted"])
    refused = bench.launch(label="runnerkit=43/gpu=t4")
    assert refused.json["error"]["code"] == "runner-outdated"


def test_an_image_whose_runner_grows_old_is_a_warning(bench: Bench) -> None:
    """The machine starts, the warning tells how long that goes on, and releases are read once for many launches."""
    aged(bench, "2.335.0", days=25)
    done = bench.run("launch", "--runs-on", "runnerkit=1/gpu=t4")
    assert done.code == 0
    assert "warning: image" in done.err
    assert "for 4 days more" in done.err or "for 5 days more" in done.err
    assert bench.launch(label="runnerkit=2/gpu=t4").code == 0
    assert bench.world.github.count("GET", "/repos/actions/runner/releases") == 1
    assert len(bench.world.ec2.instances("pending", "running")) == 2


def test_launching_goes_on_when_nobody_tells_the_age(bench: Bench) -> None:
    """GitHub's list of releases is out of order: not a word to people, and the machine starts."""
    aged(bench, "2.335.0", days=99)
    bench.world.github.fail("GET", "/repos/actions/runner/releases", 404, None)
    bench.world.github.fail("GET", "*/downloads", 403, None)
    done = bench.run("launch", "--runs-on", "runnerkit=1/gpu=t4")
    assert done.code == 0, done.err
    assert "warning" not in done.err
    assert "age" not in done.err


def test_a_stock_image_brings_advice_and_a_checked_runner(bench: Bench) -> None:
    """What baking saves is told once for several machines, to people and not into the JSON of programs."""
    stock = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
    words = ("launch", "--runs-on", "runnerkit=1/cpu=2/image=stock", "--count", "2")
    done = bench.run(*words, RUNNERKIT_AWS__IMAGES__STOCK__SSM=stock)
    assert done.code == 0, done.err
    assert done.err.count("bake an image with `runnerkit ami bake cpu-ubuntu-24.04`") == 1
    packages = bench.world.asked("/repos/acme/widgets/actions/runners/downloads")
    offered = {(package["download_url"], package["sha256_checksum"]) for package in packages}
    for instance in bench.world.ec2.instances("pending", "running"):
        known = machine_file(instance.user_data)
        assert (known["runner_url"], known["runner_sha256"]) in offered
    again = bench.run(*words[:2], "runnerkit=2/cpu=2/image=stock", "--json", RUNNERKIT_AWS__IMAGES__STOCK__SSM=stock)
    assert "bake" not in again.out


def machine_file(user_data: bytes) -> dict[str, str]:
    """What a machine is told about itself."""
    text = gzip.decompress(user_data) if user_data.startswith(b"\x1f\x8b") else user_data
    files = json.loads(text.removeprefix(boot.HEADER))["write_files"]
    (content,) = (file["content"] for file in files if file["path"] == boot.MACHINE_FILE)
    known: dict[str, str] = json.loads(base64.b64decode(content))
    return known


def aged(bench: Bench, version: str, days: float) -> None:
    """The newest image of ours has this runner, and the next release is so many days old."""
    bench.world.github.options.runner_age = days
    tags = {"runnerkit:recipe": "0123456789ab", "runnerkit:runner-version": version}
    image = bench.world.ec2.bake("gpu-aged", tags)
    bench.environment["RUNNERKIT_AWS__IMAGE"] = image
