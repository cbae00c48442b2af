"""From a booted machine to one that is ready for its job: what the agent prepares, and what fails a boot."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import stat
from typing import TYPE_CHECKING

import pytest

from runnerkit.machine.runnerkit_agent import main as commands
from runnerkit.machine.runnerkit_agent.machine import Owner, run, say
from runnerkit.machine.runnerkit_agent.prepare import close_metadata
from runnerkit.machine.runnerkit_agent.rules import BootFailed
from tests.unit.test_machine_kit import ME, Machine

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine that is not prepared yet."""
    return Machine(tmp_path, monkeypatch)


def test_the_jit_configuration_ends_up_in_the_listeners_environment_only(machine: Machine) -> None:
    """The file it came in is gone; the new one is root's, and gone too once the listener runs."""
    machine.prepare()
    assert not machine.paths.jit.exists()
    assert machine.paths.environment.read_text() == "ACTIONS_RUNNER_INPUT_JITCONFIG=ZW5jb2RlZA==\n"
    assert stat.S_IMODE(machine.paths.environment.stat().st_mode) == 0o600
    machine.listen(os.getpid())
    assert not machine.paths.environment.exists()


@pytest.mark.parametrize("blob", ["two words", "A=1\nLD_PRELOAD=/tmp/x", "$(reboot)", "\u00e9", ""])
def test_a_jit_configuration_that_is_none_fails_the_boot(machine: Machine, blob: str) -> None:
    """Nothing but base64 reaches the environment file, and the reason does not repeat it."""
    machine.paths.jit.write_text(blob)
    with pytest.raises(BootFailed, match="JIT configuration") as failed:
        machine.prepare()
    assert not machine.paths.environment.exists()
    assert not blob or blob not in str(failed.value)


def test_the_runner_root_is_closed_to_others(machine: Machine) -> None:
    """Its credentials are readable by its owner alone; .env and the marks lie where hooks and guard expect them."""
    machine.prepare()
    assert stat.S_IMODE(machine.paths.runner.stat().st_mode) == 0o700
    assert stat.S_IMODE(machine.paths.state.stat().st_mode) == 0o700
    assert machine.paths.marks.is_dir()


def test_the_runners_env_keeps_its_lines_and_names_our_hooks(machine: Machine) -> None:
    """Preparing twice gives the same file."""
    file = machine.paths.runner / ".env"
    file.write_text("LANG=C.UTF-8\nACTIONS_RUNNER_HOOK_JOB_STARTED=/old.sh\n")
    for _ in range(2):
        machine.paths.jit.write_text("ZW5jb2RlZA==")
        machine.prepare()
        assert file.read_text().splitlines() == [
            "LANG=C.UTF-8",
            f"ACTIONS_RUNNER_HOOK_JOB_STARTED={machine.root}/opt/runnerkit/hooks/job-started.sh",
            f"ACTIONS_RUNNER_HOOK_JOB_COMPLETED={machine.root}/opt/runnerkit/hooks/job-completed.sh",
        ]


def test_the_metadata_service_is_closed_to_the_jobs_user(machine: Machine) -> None:
    """By user id, for both address families, before anything else could start."""
    machine.prepare()
    rules = (machine.root / "ruleset").read_text()
    assert f"ip daddr 169.254.169.254 meta skuid {os.getuid()} reject" in rules
    assert f"ip6 daddr fd00:ec2::254 meta skuid {os.getuid()} reject" in rules
    assert rules.count("meta skuid >= 1000 reject") == 2, "nor to the ids of its user namespaces"


def test_without_nft_iptables_builds_the_wall(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same ids and addresses; with neither, the boot fails."""
    (machine.bin / "nft").unlink()
    monkeypatch.setenv("PATH", str(machine.bin))
    with pytest.raises(BootFailed, match="iptables is not installed"):
        close_metadata(Owner(ME, 1001, 1001, "/"))
    for name in ("iptables", "ip6tables"):
        machine.command(name, "exit 0")
    close_metadata(Owner(ME, 1001, 1001, "/"))
    wanted = "iptables -w -I OUTPUT -d 169.254.169.254 -m owner --uid-owner"
    assert f"{wanted} 1001 -j REJECT" in machine.calls()
    assert f"{wanted} 1000-4294967294 -j REJECT" in machine.calls()
    assert sum(call.startswith("ip6tables") for call in machine.calls()) == 2


def test_a_profile_opens_the_metadata_service(machine: Machine) -> None:
    """The job asked for a role, which it can only get there."""
    machine.configure(imds_for_job=True)
    machine.prepare()
    assert not (machine.root / "ruleset").exists()


def test_a_wall_that_cannot_be_built_fails_the_boot(machine: Machine) -> None:
    """A job must not start beside an open metadata service."""
    machine.command("nft", "echo 'no such table' >&2; exit 1")
    with pytest.raises(BootFailed, match="no such table"):
        machine.prepare()


def test_facts_for_reports_lie_open(machine: Machine) -> None:
    """What the controller knew, and the machine's own name, which no fact can replace."""
    machine.configure(facts={"market": "spot", "price": "0.21", "name": "impostor"})
    machine.prepare()
    said = json.loads(machine.paths.facts.read_text())
    assert (said["market"], said["price"], said["name"], said["repo"]) == ("spot", "0.21", "rk-1-1", "acme/models")
    assert stat.S_IMODE(machine.paths.facts.stat().st_mode) == 0o644


def test_a_start_up_script_runs_before_the_runner(machine: Machine) -> None:
    """Its work is done when the listener starts."""
    machine.paths.startup.write_text(f"#!/bin/sh\ntouch {machine.root}/was-here\n")
    machine.paths.startup.chmod(0o700)
    machine.prepare()
    assert (machine.root / "was-here").exists()


def test_a_start_up_script_that_fails_ends_the_boot_with_its_words(machine: Machine) -> None:
    """The console tells what it said last."""
    machine.paths.startup.write_text("#!/bin/sh\necho no mirror >&2\nexit 7\n")
    machine.paths.startup.chmod(0o700)
    with pytest.raises(BootFailed, match=r"left with 7: no mirror"):
        machine.prepare()


def test_no_runner_and_none_to_download_fails_the_boot(machine: Machine) -> None:
    """An image that only claims to be baked."""
    (machine.paths.runner / "bin/Runner.Listener").unlink()
    with pytest.raises(BootFailed, match="holds no runner"):
        machine.prepare()


def test_a_runner_is_never_fetched_without_encryption(machine: Machine) -> None:
    """Nor from a file."""
    (machine.paths.runner / "bin/Runner.Listener").unlink()
    for url in ("http://127.0.0.1/runner.tar.gz", "file:///etc/passwd"):
        machine.configure(runner_url=url, runner_sha256="0" * 64)
        with pytest.raises(BootFailed, match="https"):
            machine.prepare()


@pytest.mark.parametrize("honest", [True, False])
def test_a_downloaded_runner_is_unpacked_only_when_its_sum_is_right(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, honest: bool
) -> None:
    """What was fetched is compared before it is opened."""
    made = machine.root / "made"
    (made / "bin").mkdir(parents=True)
    (made / "bin/Runner.Listener").write_text("fetched")
    archive = machine.root / "archive.tar.gz"
    run(["tar", "-czf", str(archive), "-C", str(made), "."])
    right = hashlib.sha256(archive.read_bytes()).hexdigest()
    (machine.paths.runner / "bin/Runner.Listener").unlink()
    machine.configure(runner_url="https://127.0.0.1/runner.tar.gz", runner_sha256=right.upper() if honest else "0" * 64)
    monkeypatch.setattr("urllib.request.urlopen", lambda _url, timeout: archive.open("rb"))  # noqa: ARG005 - urlopen is called so
    if honest:
        machine.prepare()
        assert (machine.paths.runner / "bin/Runner.Listener").read_text() == "fetched"
    else:
        with pytest.raises(BootFailed, match=right):
            machine.prepare()
        assert not (machine.paths.runner / "bin/Runner.Listener").exists()


def test_every_boot_failure_is_one_line_on_the_console(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """The command fails with a reason, so the unit fails, so the end unit starts."""
    machine.paths.machine.write_text("not json\n")
    assert commands.main(["prepare"], machine.environ) == 1
    said = capsys.readouterr().out
    assert said.startswith("runnerkit: prepare failed: ")
    assert said.count("\n") == 1
    assert "machine.json" in said


def test_a_message_cannot_forge_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Line ends in what others said become spaces."""
    say("a\nrunnerkit: b\r\x0bc")
    assert capsys.readouterr().out == "runnerkit: a runnerkit: b c\n"


def test_an_unknown_user_is_found_out() -> None:
    """The name may be set for machines that are only processes."""
    assert Owner.find({"RUNNERKIT_USER": ME}) == Owner(ME, os.getuid(), os.getgid(), pwd.getpwuid(os.getuid()).pw_dir)
    assert Owner.find({"RUNNERKIT_USER": "nobody-of-this-name"}) is None
