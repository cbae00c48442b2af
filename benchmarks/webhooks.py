"""How `serve` answers a burst of webhooks, how soon the first one becomes a launch, and what it takes while idle.

Fifty webhooks are sent at once, each on a connection of its own, to a service that makes a pass because of them. Of
each burst the slowest answer counts (of fifty that is the 99th percentile), and of several bursts the median. While it
is idle the service looks four times as often as it does by default, so that a short measurement holds several passes;
what is resident counts as its memory.

From the webhook to the fleet: the job is queued, its webhook is sent, and the clock runs until EC2 has the request.
What GitHub and EC2 take to answer in between is part of it; here that is little, since they are local. The smallest
counts, since a busy machine can only make it longer.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import burst
import stamps
from figures import Figure, Spread
from processes import runnerkit
from world import World, world

if TYPE_CHECKING:
    from collections.abc import Iterator


BURST, BURSTS, LAUNCHES = 50, 5, 5
ANSWER_LIMIT, LAUNCH_LIMIT, IDLE_LIMIT, MEMORY_LIMIT = 0.1, 0.15, 1.0, 150.0
INTERVAL, IDLE_FOR = 15.0, 30.0
PATIENCE = 60.0
SECRET, REPO = "a secret of the benchmark", "acme/widgets"
CLIENT = Path(burst.__file__)


def measure() -> list[Figure]:
    """One service through all of it: launches, bursts, then half a minute of nothing."""
    with world() as there, _serving(there) as (process, address):
        # The first one imports and connects; a service does that once.
        fleets = Spread.of([_launch(there, address, number) for number in range(LAUNCHES + 1)][1:])
        slowest = Spread.of([max(_burst(address, f"burst-{number}")) for number in range(BURSTS)])
        _wait_until_quiet(there)
        before, began = _cpu(process), time.monotonic()
        time.sleep(IDLE_FOR)
        share = 100 * (_cpu(process) - before) / (time.monotonic() - began)
        memory = stamps.memory(Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="utf-8")).resident
    return [
        Figure(f"{BURST} webhooks at once, the slowest answer", slowest.middle, "s", ANSWER_LIMIT, spread=slowest),
        Figure("from a webhook to CreateFleet", fleets.least, "s", LAUNCH_LIMIT, spread=fleets),
        Figure("idle `serve`, of one processor", share, "%", IDLE_LIMIT),
        Figure("idle `serve`, resident", memory, "MB", MEMORY_LIMIT),
    ]


@contextmanager
def _serving(there: World) -> Iterator[tuple[subprocess.Popen[str], str]]:
    environment = {**there.environment, "RUNNERKIT_SERVE__WEBHOOK_SECRETS": SECRET}
    process = subprocess.Popen(
        runnerkit("serve", "--port", "0", "--interval", str(INTERVAL), "--json"),
        env=environment,
        cwd=there.sandbox.folder,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, _address(process)
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def _address(process: subprocess.Popen[str]) -> str:
    """Where it listens, told by its first event; the rest is read away, so that it never waits for us."""
    assert process.stderr is not None
    first = json.loads(process.stderr.readline())
    threading.Thread(target=lambda: [None for _ in process.stderr or ()], daemon=True).start()
    return str(first["address"])


def _launch(there: World, address: str, number: int) -> float:
    """Seconds from sending a webhook until EC2 has the request for a fleet."""
    _wait_until_quiet(there)
    there.sandbox.github.queue_job(REPO, [f"runnerkit=launch-{number}/gpu=t4"])
    known, began = _fleets(there), time.time()
    _send(address, f"launch-{number}")
    while len(asked := _fleets(there)) == len(known):
        if time.time() > began + PATIENCE:
            raise RuntimeError("nothing was launched")
        time.sleep(0.002)
    return asked[-1] - began


def _fleets(there: World) -> list[float]:
    return [call.at for call in there.sandbox.ec2.calls if call.action == "CreateFleet"]


def _send(address: str, guid: str) -> None:
    asyncio.run(burst.send(f"{address}/hooks", burst.request(f"{address}/hooks", SECRET.encode(), REPO, guid)))


def _burst(address: str, turn: str) -> list[float]:
    command = [sys.executable, str(CLIENT), f"{address}/hooks", SECRET, REPO, str(BURST), turn]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
    return [float(seconds) for seconds in json.loads(done.stdout)]


def _wait_until_quiet(there: World) -> None:
    """Until every job is over and nobody has asked GitHub anything for a second."""
    until, known, since = time.monotonic() + PATIENCE, -1, time.monotonic()
    while time.monotonic() < until:
        calls = there.sandbox.github.count()
        if calls != known:
            known, since = calls, time.monotonic()
        elif time.monotonic() - since > 1.0:
            return
        time.sleep(0.05)
    raise RuntimeError("the service does not come to rest")


def _cpu(process: subprocess.Popen[str]) -> float:
    stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8")
    # The finer count of the kernel is of one thread; ticks are of all.
    return stamps.processor_seconds(stat, "0", os.sysconf("SC_CLK_TCK"))
