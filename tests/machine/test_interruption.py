"""AWS takes a spot machine: what the job hears, when its listener is stopped, and who ends the machine."""

from __future__ import annotations

import json
import time

import pytest

from tests.machine.faults import JOB, QUICK, RUNNER
from tests.machine.plays import in_job
from tests.machine.test_no_way_up import TOKEN
from tests.machine.yard import Yard, eventually

HOOK = '#!/bin/sh\n{ echo "$1 $(id -un)"; cat "$2"; } >"$HOME/$1"\n'
SPOT = "Server.SpotInstanceTermination"


def test_an_interruption_from_the_notice_to_the_end(yard: Yard) -> None:
    """Hooks and files at once, the listener some seconds before the end, and AWS itself ends the machine."""
    guest = yard.launch(imds_for_job=True, agent={"interrupt_before": 9, "after_notice": 30, "poll": 0.3})
    job = yard.queue_job(guest.name, "exec sleep 1000")
    in_job(guest)
    assert guest.run(TOKEN, user="runner").stdout == "401", "with a profile the metadata service is open"
    guest.write("/run/runnerkit/notice.d/10-save", HOOK, 0o755)
    guest.write("/run/runnerkit/notice.d/20-not-a-program", "none", 0o755)

    yard.ec2.rebalance(guest.id)
    eventually(lambda: guest.exists("/home/runner/rebalance"), guest._tail, 10)
    assert guest.exists("/run/runnerkit/rebalance.json")
    assert yard.job(job).status == "in_progress", "a recommendation ends nothing"

    yard.ec2.interrupt(guest.id, notice=20)
    end = time.time() + 20
    # The shell makes the file before the hook has written a word.
    seen = "/home/runner/interruption"
    eventually(lambda: guest.exists(seen) and "terminate" in guest.read(seen), guest._tail, 8)
    told = json.loads(guest.read("/run/runnerkit/notice.json"))
    assert told["action"] == "terminate"
    assert told["at"] == pytest.approx(end, abs=2)
    assert told["at"] - told["listener_stops_at"] == pytest.approx(9)
    assert guest.read(seen).startswith("interruption runner\n")
    assert yard.job(job).status == "in_progress", "it may save itself"
    assert yard.finished(job) == "failure"
    assert end - 11 < time.time() < end, "it failed in time"
    guest.wait_for("waiting .* s for AWS to take the machine")
    guest.ended()
    assert guest.view.reason == SPOT
    assert "powering off" not in guest.console().split("waiting ")[1]


def test_a_machine_that_aws_does_not_take_powers_itself_off(yard: Yard) -> None:
    """Some time after the announced one, and not before it."""
    listener = JOB + "job('sleep 1000')"
    guest = yard.launch(
        files={**QUICK, RUNNER: (listener, 0o755)}, agent={"interrupt_before": 1, "after_notice": 3, "poll": 0.2}
    )
    in_job(guest)
    notice = "import json, time; print(json.dumps({'monotonic': time.monotonic() + 3}))"
    told = time.monotonic()
    guest.run(f'python3 -c "{notice}" >/run/runnerkit/.n && mv /run/runnerkit/.n /run/runnerkit/notice.json')
    guest.wait_for("powering off: AWS", within=30)
    assert time.monotonic() - told >= 5.5
    guest.ended()
    assert "AWS takes the machine in" in guest.console()
