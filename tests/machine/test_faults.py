"""Whatever goes wrong on a machine, it ends itself, for the reason that its console names."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.machine.faults import FAULTS, Fault
from tests.machine.yard import REPO, Guest, Yard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

AT_ONCE = 4


@pytest.fixture(scope="module")
def plays(yard: Yard, request: pytest.FixtureRequest) -> Iterator[Callable[[Fault], Future[None]]]:
    """The faults, several at once: most of their time is waiting."""
    one_by_one = threading.Lock()

    def launch(**how: object) -> Guest:
        with one_by_one:
            guest = yard.launch(**how)  # type: ignore[arg-type]
            assert guest.leader
            return guest

    wanted = {
        item.callspec.params["fault"].name
        for item in request.session.items
        if hasattr(item, "callspec") and "fault" in item.callspec.params
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


def test_half_of_the_user_data_on_a_stock_image_is_a_case_for_the_sweep(yard: Yard) -> None:
    """Nothing of ours is on such a machine: it boots, and stays until somebody else ends it."""
    guest = yard.launch(baked=False, user_data=b"\x1f\x8b\x08\x00half")
    guest.wait_for("cloud-final.service|Cloud-init v.* finished|cloud-init.target", within=60)
    assert guest.state == "running"
    assert "runnerkit-" not in guest.run("systemctl list-units --all --plain --no-legend '*.timer' '*.service'").stdout
    guest.end()
    guest.ended()
