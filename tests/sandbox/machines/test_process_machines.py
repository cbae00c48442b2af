"""Machines that are processes: they boot from their user data, serve one job, and end themselves."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.machines.yard import BOOT, Booted, Yard, eventually, open_yard

if TYPE_CHECKING:
    from collections.abc import Callable

LONG_JOB = {"job": "sleep 600"}
RUNNER_D = "/etc/systemd/system/runnerkit-runner.service.d"


# --- the ordinary life ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("baked", [True, False], ids=["baked", "stock"])
def test_a_machine_boots_serves_one_job_and_powers_off(yard: Yard, baked: bool) -> None:
    """From a baked image, or from a stock one with the whole agent in compressed user data."""
    began = time.monotonic()
    machine = yard.launch(baked=baked, facts={"job": "sleep 0.5"})
    runner = machine.online()
    assert time.monotonic() - began >= BOOT
    job = machine.job()
    known = json.loads((yard.machines.root(machine.id) / "run/runnerkit/machine.json").read_text())
    assert (known["instance_id"], known["type"], known["zone"]) == (machine.id, "g5.xlarge", machine.view.zone)
    assert known["market"] == "spot"
    console = machine.gone()
    assert "runnerkit: powering off: the job is over" in console
    assert (job.conclusion, job.runner_name) == ("success", runner.name)
    assert machine.view.reason == "Client.InstanceInitiatedShutdown"
    assert machine.processes() == []
    eventually(lambda: not yard.machines.root(machine.id).exists(), "its folder is removed")


def test_the_secret_never_reaches_the_console(yard: Yard) -> None:
    """Not even from a listener that prints it; the file it came in and the one it was handed over in are gone."""
    machine = yard.launch(facts={"listener": "shout"})
    machine.online()
    eventually(lambda: not (yard.machines.root(machine.id) / "run/runnerkit/runner.env").exists(), "it is taken away")
    assert not (yard.machines.root(machine.id) / "run/runnerkit/jit").exists()
    assert "my secret is ***" in machine.console
    assert machine.blob not in machine.console
    told = yard.stage.ec2.get_console_output(InstanceId=machine.id)["Output"]
    assert "my secret is ***" in told
    assert machine.blob not in told
    yard.end(machine)


def test_the_wall_around_the_metadata_is_noted(yard: Yard) -> None:
    """The rule set is what nft was given; the marks of the hooks and the agent's folders lie below the root."""
    machine = yard.launch(facts=LONG_JOB)
    machine.job()
    root = yard.machines.root(machine.id)
    assert "ip daddr 169.254.169.254" in (root / "run/nft.rules").read_text()
    eventually((root / "run/runnerkit/job/started").exists, "the started hook's mark")
    assert (root / "opt/runnerkit/runner").stat().st_mode & 0o777 == 0o700
    yard.end(machine)


# --- leases -----------------------------------------------------------------------------------------------------------


def test_a_machine_without_a_listener_in_time_powers_off(yard: Yard) -> None:
    """A timer of systemd's own, armed before anything else, ends a machine whose start-up script hangs."""
    machine = yard.launch(baked=False, startup="sleep 600", online_within=2)
    assert "runnerkit: powering off: no listener in time" in machine.gone()


def test_a_machine_without_a_job_powers_off(yard: Yard) -> None:
    """The guard stops the listener when its idle time is over; the registration stays for the sweep."""
    machine = yard.launch(idle=0.5)
    assert "powering off: no job came within 0.5 s" in machine.gone()


def test_a_machine_ends_its_job_at_the_end_of_its_life(yard: Yard) -> None:
    """The job fails with the listener's own words before the machine goes."""
    machine = yard.launch(life=3, facts=LONG_JOB)
    job = machine.job()
    assert "powering off: the machine reached its lifetime of 3 s" in machine.gone()
    assert (job.conclusion, job.annotations) == ("failure", ["The runner has received a shutdown signal."])


# --- listeners that fail ----------------------------------------------------------------------------------------------

ENDS = {
    "0": "the listener left before a job came: GitHub no longer knows this runner",
    "1": "the listener refused its configuration, or GitHub refused the runner",
    "7": "GitHub no longer accepts this version of the runner: bake a new image",
    "2": "the listener failed again and again; is GitHub reachable from here?",
}


@pytest.fixture(scope="module")
def ended(yard: Yard) -> dict[str, str]:
    """The consoles of machines whose listeners leave with a code at each start, by that code."""
    machines = {code: yard.launch(facts={"listener": code}) for code in ENDS}
    return {code: machine.gone() for code, machine in machines.items()}


@pytest.mark.parametrize("code", ENDS)
def test_a_listener_that_leaves_ends_the_machine(ended: dict[str, str], code: str) -> None:
    """Each exit code has its reason on the console; only 2 is started again, and not for ever."""
    assert f"runnerkit: powering off: {ENDS[code]}" in ended[code]
    assert ended[code].count("listener: start") == (5 if code == "2" else 1)


def test_a_start_again_is_not_taken_for_the_end(yard: Yard) -> None:
    """The end unit, which systemd starts in passing, sees that the listener comes back."""
    machine = yard.launch(facts={"listener": "2 serve", **LONG_JOB})
    machine.job()
    eventually(lambda: "runnerkit: the listener comes back" in machine.console, "the end unit sees it")
    yard.end(machine)


def test_a_registration_that_vanished_ends_the_machine(yard: Yard) -> None:
    """GitHub drops idle registrations; the listener hears of it and leaves with 0."""
    machine = yard.launch()
    yard.github.vanish_runner(machine.online().id)
    assert ENDS["0"] in machine.gone()


def test_a_listener_that_does_not_stop_is_made_to(yard: Yard) -> None:
    """It ignores SIGINT: the guard gives up waiting, and the shutdown kills it when its time is over."""
    machine = yard.launch(idle=0.5, stop_grace=0.5, facts={"listener": "deaf"})
    console = machine.gone()
    assert "listener: not now" in console
    assert "powering off: the listener did not stop when told to" in console
    assert "runnerkit-runner.service: took too long to stop" in console


def test_a_machine_that_cannot_be_prepared_powers_off(yard: Yard) -> None:
    """The reason is on the console; the listener is never started."""
    machine = yard.launch(startup="echo no driver for this kernel >&2; exit 3")
    console = machine.gone()
    assert "runnerkit: prepare failed" in console
    assert "left with 3: no driver for this kernel" in console
    assert "runnerkit-runner.service is not started" in console
    assert "listener: start" not in console


# --- user data --------------------------------------------------------------------------------------------------------


def test_cut_user_data_leaves_a_stock_machine_up(yard: Yard) -> None:
    """Nothing on it could end it; terminating it from outside does."""
    machine = yard.launch(baked=False, cut=3000)
    machine.says("the user data cannot be used")
    assert machine.view.state == "running"
    assert len(machine.processes()) == 2, "its supervisor, and the one that watches over that"
    yard.end(machine)
    machine.gone()
    eventually(lambda: not machine.processes(), "its supervisor ends")


def test_cut_user_data_on_a_baked_image_ends_by_the_images_own_timer() -> None:
    """The deadline that is enabled in the image needs no user data."""
    with open_yard(drop_ins={"runnerkit-boot.timer": "[Timer]\nOnBootSec=\nOnBootSec=1s\n"}) as yard:
        console = yard.launch(cut=1000).gone()
    assert "the user data cannot be used" in console
    assert "powering off: no listener within 15 minutes of the boot" in console


def _with(**more: Any) -> Callable[[dict[str, Any]], object]:  # noqa: ANN401 - of the document
    return lambda document: document.update(more)


def _file(path: str, text: str) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["write_files"].append({"path": path, "content": text})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_file(f"{RUNNER_D}/60-more.conf", "[Service]\nPrivateTmp=yes\n"), "no directive PrivateTmp= in [Service]"),
        (_file(f"{RUNNER_D}/60-more.conf", "[Service]\nRestart=maybe\n"), "60-more.conf:2: Restart=maybe: known here"),
        (_file(f"{RUNNER_D}/60-more.conf", "[Service]\nUser=ubuntu\n"), "this machine has only runner"),
        (_file("/etc/../../x", ""), "cannot be written"),
        (_with(packages=["nginx"]), "the user data asks for packages"),
        (_with(bootcmd=["echo hello"]), "is no list of words"),
        (_with(runcmd=[["useradd", "me"]]), "no command 'useradd me'"),
        (_with(runcmd=[["systemctl", "mask", "ssh"]]), "no command 'systemctl mask ssh'"),
        (_with(write_files=["/etc/hosts"]), "powering off: cloud-init"),
    ],
)
def test_what_it_does_not_know_ends_the_machine(
    yard: Yard, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    """Rather than a machine that behaves otherwise than a real one; the console says what it was."""
    console = yard.launch(change=change).gone()
    assert words in console
    assert "init: powering off" in console


# --- ends from outside ------------------------------------------------------------------------------------------------


def test_a_notice_fails_the_job_at_once_and_aws_takes_the_machine(yard: Yard) -> None:
    """The notice comes by the metadata service; the job is failed long before its lease, and nobody powers off."""
    machine = yard.launch(facts=LONG_JOB)
    job = machine.job()
    began = time.monotonic()
    yard.ec2.rebalance(machine.id)
    machine.says("AWS recommends to move this work elsewhere")
    yard.ec2.interrupt(machine.id, notice=2)
    machine.says("runnerkit: AWS takes the machine (terminate) in")
    eventually(lambda: job.conclusion == "failure", "the job fails")
    assert time.monotonic() - began < 30
    console = machine.gone()
    assert "s for AWS to take the machine" in console
    assert "powering off" not in console
    assert machine.view.reason == "Server.SpotInstanceTermination"


def test_nothing_of_a_terminated_machine_runs_on(yard: Yard) -> None:
    """Not even what the job has detached from itself."""
    machine = yard.launch(facts={"job": "setsid nohup sleep 601 >/dev/null 2>&1 & exec sleep 602"})
    job = machine.job()
    eventually(lambda: len(machine.processes()) >= 5, "supervisor, guard, listener, and two of the job")
    yard.end(machine)
    eventually(lambda: not machine.processes(), "all of them end", within=30)
    assert job.status == "in_progress", "nobody told GitHub: its lease runs out"


def test_a_machine_without_metadata_works_on(yard: Yard) -> None:
    """The service can be switched off for one instance; its agent says so and goes on."""
    machine = yard.launch(startup="sleep 0.5")
    yard.machines.imds.switch(machine.id, on=False)
    assert "the metadata service does not answer" in machine.says("Listening for Jobs")
    yard.end(machine)


def test_somebody_elses_instance_is_left_alone(yard: Yard) -> None:
    """No user data: it runs, and that is all."""
    instance = yard.stage.run()
    machine = Booted(yard, instance, "", "")
    machine.says("this machine does not know what to do")
    assert machine.view.state == "running"
    yard.end(machine)
    machine.gone()
