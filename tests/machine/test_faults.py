"""Whatever goes wrong on a machine, it ends itself, for the reason that its console names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from runnerkit import boot
from runnerkit.names import Birth
from runnerkit.ports import Machine
from runnerkit.tags import launch_tags
from tests.machine.faults import FAULTS, Fault, half
from tests.machine.yard import END, REPO, Guest, Yard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

AT_ONCE = 4
RUNNER = "rk-404-1"


@pytest.fixture(scope="module")
def plays(yard: Yard, request: pytest.FixtureRequest) -> Iterator[Callable[[Fault], Future[None]]]:
    """The faults, several at once: most of their time is waiting."""
    one_by_one = threading.Lock()

    def launch(**how: object) -> Guest:
        with one_by_one:
            guest = yard.launch(**how)  # type: ignore[arg-type]  # the fault's own words
            assert guest.leader
            return guest

    wanted = {
        item.callspec.params["fault"].name
        for item in request.session.items
        if hasattr(item, "callspec") and isinstance(item.callspec.params.get("fault"), Fault)
    }
    alone = "PYTEST_XDIST_WORKER" in os.environ
    with ThreadPoolExecutor(AT_ONCE) as pool:
        started = {} if alone else {each.name: pool.submit(each.run, launch) for each in FAULTS if each.name in wanted}
        yield lambda fault: started.get(fault.name) or pool.submit(partial(fault.run, launch))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault(plays: Callable[[Fault], Future[None]], fault: Fault) -> None:
    """The machine ends, in time and not before, and its last words are the right ones."""
    plays(fault).result(timeout=300)


def test_a_download_that_is_not_what_was_pinned(yard: Yard) -> None:
    """Its checksum is compared before it is opened."""
    downloads = yard.world.asked(f"/repos/{REPO}/actions/runners/downloads")
    package = next(each for each in downloads if (each["os"], each["architecture"]) == ("linux", "x64"))
    guest = yard.launch(baked=False, runner_url=package["download_url"], runner_sha256="0" * 64)
    guest.ended(within=60)
    assert f"has SHA-256 {package['sha256_checksum']}, not 0000" in guest.reason() + guest.console()


def test_a_parameter_that_never_comes(yard: Yard) -> None:
    """A machine of a burst whose controller died says what it waited for, before the deadline of the boot ends it.

    However long the boot took until it could begin to wait.
    """
    machine = Machine("", "", (), online_within=60, idle=60, life=600, baked=True)
    document = boot.document(machine, None)
    document["bootcmd"].append(["sleep", "31"])
    data = boot.HEADER + json.dumps(document).encode()
    instance = yard.stage.run(UserData=data, ImageId=yard.baked, **END)
    guest = Guest(yard, instance, RUNNER, "", time.monotonic())
    guest.ended(within=180)
    assert f"/runnerkit/{instance} did not come within" in guest.console()
    assert "this instance has no role" in guest.console()
    assert guest.reason() == "the machine could not start the listener"


def test_half_of_the_user_data_on_a_stock_image_is_a_case_for_the_sweep(yard: Yard, tmp_path: Path) -> None:
    """Nothing of ours is on such a machine: it boots, and stays until the sweep finds that it never came online."""
    guest = yard.launch(baked=False, user_data=half(baked=False))
    yard.world.posted(
        f"/repos/{REPO}/actions/runners/generate-jitconfig",
        {"name": RUNNER, "runner_group_id": 1, "labels": ["half", Birth(datetime.now(UTC)).label]},
    )
    guest.wait_for("cloud-final.service|Cloud-init v.* finished|cloud-init.target", within=60)
    assert guest.state == "running"
    assert "runnerkit-" not in guest.run("systemctl list-units --all --plain --no-legend '*.timer' '*.service'").stdout
    assert _sweep(yard, guest, tmp_path, online_in=3600) == []
    assert guest.state == "running"
    assert "it never came online" in _sweep(yard, guest, tmp_path, online_in=-1)
    guest.ended()


def _sweep(yard: Yard, guest: Guest, folder: Path, *, online_in: int) -> list[str]:
    """What a sweep does to this machine, launched some while ago to be online in so many seconds."""
    now = datetime.now(UTC)
    online_by, launched_at = now + timedelta(seconds=online_in), now - timedelta(hours=1)
    written = launch_tags(
        owner="runnerkit",
        name=RUNNER,
        repo=REPO,
        digest="0",
        launched_at=launched_at,
        online_by=online_by,
        idle_until=online_by,
        expires_at=now + timedelta(hours=9),
    )
    yard.stage.ec2.create_tags(Resources=[guest.id], Tags=[{"Key": key, "Value": written[key]} for key in written])
    folders = {"RUNNERKIT_STATE_DIR": str(folder / "state"), "RUNNERKIT_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "runnerkit", "sweep", "--repo", REPO, "--json"],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **yard.world.environment(), **folders},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout, done.stderr
    return [each.get("reason", each) for each in json.loads(done.stdout)["actions"] if each["runner"] == RUNNER]
