"""``runnerkit serve`` as a process, against the whole sandbox: from a webhook to a machine, and to a good end."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit.sandbox.together import Sandbox
from tests.web.visits import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runnerkit.sandbox.ec2 import SandboxEc2

REPO, LABEL = "acme/widgets", "runnerkit=42/gpu=t4"
PATIENCE = 80.0


@pytest.fixture
def world(_ec2_server: SandboxEc2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """An empty sandbox, and no setting of this machine."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "GITHUB_", "GH_", "RUNNERKIT_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    _ec2_server.reset()
    with Sandbox(boot=0.3, machines="hollow", work=0.5, ec2=_ec2_server) as sandbox:
        yield sandbox
        if sandbox.github.violations:
            pytest.fail("; ".join(sandbox.github.violations))
    _ec2_server.reset()


@dataclass
class Serving:
    """The process, its address, and what it tells."""

    process: subprocess.Popen[str]
    told: queue.Queue[dict[str, Any]] = field(default_factory=queue.Queue)
    said: list[str] = field(default_factory=list)
    address: str = ""

    def read(self) -> None:
        """Take its events in, to the end."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if line.startswith("{"):
                self.told.put(json.loads(line))

    def wait_for(self, name: str) -> dict[str, Any]:
        """The next event of this name."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                event = self.told.get(timeout=0.2)
            except queue.Empty:
                assert self.process.poll() is None, "".join(self.said)
                continue
            if event["event"] == name:
                return event
        raise AssertionError(f"no {name}: {''.join(self.said)}")

    def get(self, path: str) -> bytes:
        """A page of it."""
        with urllib.request.urlopen(f"{self.address}{path}", timeout=30) as answer:
            return bytes(answer.read())


@contextmanager
def serving(world: Sandbox, *words: str, **environment: str) -> Iterator[Serving]:
    """The command on a free port, its first pass done."""
    settings = {"RUNNERKIT_SERVE__WEBHOOK_SECRETS": SECRET, **environment}
    process = subprocess.Popen(
        [sys.executable, "-m", "runnerkit", "serve", "--port", "0", "--json", *words],
        env={**os.environ, **world.environment(), **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    there = Serving(process)
    reader = threading.Thread(target=there.read, daemon=True)
    reader.start()
    try:
        there.address = there.wait_for("service-started")["address"]
        there.wait_for("pass-ended")
        yield there
    finally:
        process.kill()
        process.wait(10)
        reader.join(10)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Wait for something to become true, within bounds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def refused(*words: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The command, which is expected to end by itself."""
    command = [sys.executable, "-m", "runnerkit", "serve", "--port", "0", *words]
    merged = {**os.environ, **environ}
    return subprocess.run(command, env=merged, capture_output=True, text=True, timeout=30, check=False)


def test_a_webhook_wakes_the_loop_and_the_job_gets_its_machine(world: Sandbox) -> None:
    """GitHub's own delivery, signed: the machine is launched at once, though the next look is an hour away."""
    with serving(world, "--interval", "3600") as there:
        hook = {"url": f"{there.address}/hooks", "content_type": "json", "secret": SECRET}
        world.posted(f"/repos/{REPO}/hooks", {"config": hook, "events": ["workflow_job"], "active": True})
        job = world.github.queue_job(REPO, [LABEL])
        assert f"rk-{job.id}-1" == there.wait_for("instance-launched")["runner"]
        assert until(lambda: job.status == "completed")
        metrics = there.get("/metrics").decode()
        assert "runnerkit_launches_total{" in metrics
        assert 'runnerkit_webhooks_total{event="workflow_job",outcome="hint"}' in metrics
        assert [REPO] == json.loads(there.get("/status.json"))["about"]["served"]
        assert json.loads(there.get("/healthz"))["ok"]


def test_a_job_whose_webhook_was_lost_is_found(world: Sandbox) -> None:
    """Level-triggered: without any webhook the next look finds the job."""
    with serving(world, "--interval", "1", "--no-webhooks") as there:
        job = world.github.queue_job(REPO, [LABEL])
        assert f"rk-{job.id}-1" == there.wait_for("instance-launched")["runner"]


def test_an_idle_service_asks_little_and_only_whether_something_changed(world: Sandbox) -> None:
    """At most three requests for a repository and look, and GitHub answers all of them with 304."""
    with serving(world, "--interval", "2", "--no-webhooks") as there:
        there.wait_for("pass-ended")
        before = len(world.github.calls)
        there.wait_for("pass-ended")
        asked = world.github.calls[before:]
    assert len(asked) <= 3, asked
    assert {304} == {each.status for each in asked}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_well(world: Sandbox, number: signal.Signals, code: int) -> None:
    """The end is told, the port is closed, nothing is said that is no event."""
    with serving(world) as there:
        there.process.send_signal(number)
        assert code == there.process.wait(PATIENCE)
        assert number.name == there.wait_for("service-stopping")["why"]
        assert [] == [line for line in there.said if not line.startswith("{")]


def test_the_launch_under_way_is_finished_first(world: Sandbox) -> None:
    """SIGTERM in the middle of a launch: the machine that was being asked for is there, and known."""
    world.ec2.delay("CreateFleet", 2.0)
    with serving(world, "--interval", "1", "--no-webhooks") as there:
        world.github.queue_job(REPO, [LABEL])
        there.wait_for("runner-registered")
        there.process.send_signal(signal.SIGTERM)
        there.wait_for("instance-launched")
        assert 0 == there.process.wait(PATIENCE)
    assert 1 == len(world.ec2.instances())


def test_a_second_signal_ends_it_at_once(world: Sandbox) -> None:
    """Whoever insists need not wait for the pass under way."""
    world.ec2.delay("CreateFleet", 20.0)
    with serving(world, "--interval", "1", "--no-webhooks") as there:
        world.github.queue_job(REPO, [LABEL])
        there.wait_for("runner-registered")
        there.process.send_signal(signal.SIGTERM)
        there.wait_for("service-stopping")
        there.process.send_signal(signal.SIGTERM)
        assert 130 == there.process.wait(5)


def test_without_a_secret_it_does_not_start(world: Sandbox) -> None:
    """Law 11: exit code 2, naming the setting and the way without webhooks; GitHub is not asked anything."""
    done = refused(environ=world.environment())
    assert 2 == done.returncode
    assert "webhook_secrets" in done.stderr
    assert "--no-webhooks" in done.stderr
    assert 0 == world.github.count()


def test_an_address_that_no_hook_has_is_told_and_nothing_else_happens(world: Sandbox) -> None:
    """Lost webhooks cannot be asked for then; the service goes on."""
    with serving(world, RUNNERKIT_SERVE__PUBLIC_URL="https://runners.example.org/hooks") as there:
        assert until(lambda: any("redelivery-denied" in line for line in there.said))
        assert json.loads(there.get("/healthz"))["ok"]


def test_a_webhook_that_was_lost_is_sent_again(world: Sandbox) -> None:
    """At its start the service asks for what nobody took in, once it is old enough to be lost for certain."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/hooks"
    hook = {"url": url, "content_type": "json", "secret": SECRET}
    world.posted(f"/repos/{REPO}/hooks", {"config": hook, "events": ["workflow_job"], "active": True})
    world.github.queue_job(REPO, [LABEL])
    deliveries = world.github.state.deliveries
    assert until(lambda: bool(deliveries) and all(each.answer for each in deliveries.values()))
    for each in deliveries.values():
        each.at -= timedelta(minutes=2)
    with serving(world, "--port", url.split(":")[2].removesuffix("/hooks"), RUNNERKIT_SERVE__PUBLIC_URL=url) as there:
        assert until(lambda: any("deliveries-repeated" in line for line in there.said)), there.said
        wanted = 'runnerkit_webhooks_total{event="workflow_job",outcome="hint"} 1.0'
        assert until(lambda: wanted in there.get("/metrics").decode())


def test_a_bad_token_ends_the_start_with_its_own_code(world: Sandbox) -> None:
    """What no later pass can mend is told at once: exit code 5."""
    done = refused("--no-webhooks", environ={**world.environment(), "GITHUB_TOKEN": "github_pat_wrong"})
    assert 5 == done.returncode
    assert "error: " in done.stderr


@pytest.mark.parametrize("words", [["--bind", "localhost"], ["--port", "70000"], ["--interval", "0"]])
def test_bad_usage_starts_nothing(world: Sandbox, words: list[str]) -> None:
    """Exit code 2 before anything is asked."""
    assert 2 == refused("--no-webhooks", *words, environ=world.environment()).returncode
    assert 0 == world.github.count()
