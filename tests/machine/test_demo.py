"""The main job on real machines: what `runnerkit demo --machines nspawn` shows a newcomer."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from runnerkit.sandbox.machines.nspawn import missing

pytestmark = pytest.mark.slow


def test_the_demo_runs_on_nspawn_machines() -> None:
    """Queued, launched, booted, run, reported, gone; and nothing is left."""
    if lacking := missing():
        pytest.skip(f"not installed for us: {lacking}")
    done = subprocess.run(
        [sys.executable, "-m", "runnerkit", "demo", "--machines", "nspawn", "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["job"]["conclusion"] == "success"
    assert told["instances"][0]["reason"] == "Client.InstanceInitiatedShutdown"
    assert set(told["left"].values()) == {0}


def test_other_kinds_of_machines_are_refused() -> None:
    """Hollow machines run no job, so the demo has no use for them."""
    command = [sys.executable, "-m", "runnerkit", "demo", "--machines", "hollow"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "process or nspawn" in done.stderr
