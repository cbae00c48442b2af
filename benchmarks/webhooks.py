"""How `serve` answers a burst of webhooks, how soon the first one becomes a launch, and what it takes while idle.

Fifty webhooks are sent at once, each on a connection of its own, to a service that makes a pass because of them, ten
times over. The 99th percentile of all answers counts. While it is idle the service looks four times as often as it does
by default, so that a short measurement holds several passes; what is resident counts as its memory.

From the webhook to the fleet: the job is queued, its webhook is sent, and the clock runs until EC2 has the request for
a fleet. The limit is for what runnerkit itself takes. So the time in which EC2 or GitHub worked on an answer, measured
inside the sandbox, is taken off; what overlaps is taken off once, and the way there and back over the loopback is not
taken off at all. The median of several launches counts. With and without those answers, both are shown.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import burst
import stamps
from figures import Figure, Spread, covered, percentile
from processes import runnerkit
from world import World, world

from runnerkit.sandbox.ec2.layer import Layer
from runnerkit.sandbox.github.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BURST, BURSTS, LAUNCHES = 50, 10, 9
SHARE = 0.99
ANSWER_LIMIT, LAUNCH_LIMIT, IDLE_LIMIT, MEMORY_LIMIT = 0.1, 0.15, 1.0, 150.0
INTERVAL, IDLE_FOR = 15.0, 30.0
PATIENCE = 60.0
SECRET, REPO = "a secret of the benchmark", "acme/widgets"
CLIENT = Path(burst.__file__)


def measure() -> list[Figure]:
    """One service through all of it: launches, bursts, then half a minute of nothing."""
    with _answering() as answers, world() as there, serving(there) as (process, address):
        # The first one imports and connects; a service does that once.
        fleets = [launch(there, address, number) for number in range(LAUNCHES + 1)][1:]
        bursts = [_burst(address, f"burst-{number}") for number in range(BURSTS)]
        share, memory = _idle(there, process)
    slowest, whole = Spread.of([max(burst) for burst in bursts]), Spread.of([until - since for since, until in fleets])
    most = percentile([each for burst in bursts for each in burst], SHARE)
    own = Spread.of([until - since - covered(answers, since, until) for since, until in fleets])
    return [
        Figure(f"{BURST} webhooks at once, 99 % answered within", most, "s", ANSWER_LIMIT, spread=slowest),
        Figure("from a webhook to CreateFleet, without answers of APIs", own.middle, "s", LAUNCH_LIMIT, spread=own),
        Figure("from a webhook to CreateFleet, with the sandbox's answers", whole.middle, "s", spread=whole),
        Figure("idle `serve`, of one processor", share, "%", IDLE_LIMIT),
        Figure("idle `serve`, resident", memory, "MB", MEMORY_LIMIT),
    ]


def _idle(there: World, process: subprocess.Popen[str]) -> tuple[float, float]:
    """What it takes while nothing happens: per cent of a processor, and MB."""
    wait_until_quiet(there)
    before, began = _cpu(process), time.monotonic()
    time.sleep(IDLE_FOR)
    share = 100 * (_cpu(process) - before) / (time.monotonic() - began)
    return share, stamps.memory(Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="utf-8")).resident


@contextmanager
def _answering() -> Iterator[list[tuple[float, float]]]:
    """When EC2 and GitHub began and ended to work on an answer, as long as this is open."""
    spans: list[tuple[float, float]] = []
    with ExitStack() as stack:
        for where, name in ((Layer, "__call__"), (Service, "respond")):
            stack.enter_context(patch.object(where, name, _timed(getattr(where, name), spans)))
        yield spans


def _timed(work: Callable[..., Any], spans: list[tuple[float, float]]) -> Callable[..., Any]:
    def timed(*given: Any) -> Any:  # noqa: ANN401 - whatever the work takes and gives
        began = time.time()
        try:
            return work(*given)
        finally:
            spans.append((began, time.time()))

    return timed


@contextmanager
def serving(there: World) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``serve`` as a process of its own, and where it listens."""
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
    threading.Thread(target=_read_away, args=(process.stderr,), daemon=True).start()
    return str(first["address"])


def _read_away(stream: Iterable[str]) -> None:
    with suppress(ValueError):  # closed at the end
        for _ in stream:
            pass


def launch(there: World, address: str, number: int) -> tuple[float, float]:
    """When a webhook was sent, and when EC2 had the request for a fleet."""
    wait_until_quiet(there)
    there.sandbox.github.queue_job(REPO, [f"runnerkit=launch-{number}/gpu=t4"])
    known, began = ordered(there), time.time()
    send(address, f"launch-{number}")
    while len(asked := ordered(there)) == len(known):
        if time.time() > began + PATIENCE:
            raise RuntimeError("nothing was launched")
        time.sleep(0.002)
    return began, asked[len(known)]


def ordered(there: World) -> list[float]:
    """When EC2 had each request for a fleet."""
    return [call.at for call in there.sandbox.ec2.calls if call.action == "CreateFleet"]


def send(address: str, guid: str) -> None:
    """Send one webhook that wakes the service."""
    asyncio.run(burst.send(f"{address}/hooks", burst.request(f"{address}/hooks", SECRET.encode(), REPO, guid)))


def _burst(address: str, turn: str) -> list[float]:
    command = [sys.executable, str(CLIENT), f"{address}/hooks", SECRET, REPO, str(BURST), turn]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
    return [float(seconds) for seconds in json.loads(done.stdout)]


def wait_until_quiet(there: World) -> None:
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
