"""Nothing of a machine outlives the sandbox, whatever ends it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ConfigError
from runnerkit.sandbox.machines.init import kernel, lifeline
from runnerkit.sandbox.machines.watching import need_linux
from tests.sandbox.machines.yard import eventually, open_yard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.sandbox.machines.yard import Yard

ENDS = (signal.SIGKILL, signal.SIGINT)
SANDBOX = """
import sys, time
from tests.sandbox.machines.yard import open_yard
from functools import partial
from pathlib import Path

with open_yard(folder=Path(sys.argv[1])) as yard:
    machine = yard.launch(facts={"job": "setsid sleep 601 & exec sleep 602"})
    machine.job()
    print(machine.id, flush=True)
    # Short waits: one that is long does not end when another thread is chosen to take the signal.
    for _ in range(6000):
        time.sleep(0.1)
"""


def test_no_process_and_no_folder_outlives_the_sandbox(tmp_path: Path) -> None:
    """Killed without a word, or by Ctrl-C: supervisor, listener and the job's own processes end."""
    with ExitStack() as stack:
        started = {number: stack.enter_context(_sandbox(tmp_path / number.name)) for number in ENDS}
        for number, sandbox in started.items():
            assert sandbox.stdout is not None
            marker = f"RUNNERKIT_MACHINE={sandbox.stdout.readline().strip()}/"
            eventually(partial(_five_of, marker), "there are supervisor, guard, listener, and two of the job")
            sandbox.send_signal(number)
            eventually(partial(_none_of, marker), f"all of them end after {number.name}", within=30)
            sandbox.wait(20)
            assert list((tmp_path / number.name).iterdir()) == []


def _five_of(marker: str) -> bool:
    return len(kernel.marked(marker)) >= 5


def _none_of(marker: str) -> bool:
    return not kernel.marked(marker)


@contextmanager
def _sandbox(folder: Path) -> Iterator[subprocess.Popen[str]]:
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", SANDBOX, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(("seconds", "left"), [("0.4", False), ("600", True)], ids=["dies", "lives"])
def test_the_folder_of_a_sandbox_that_is_dying_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: str, left: bool
) -> None:
    """Its last thread may end after the one whose end was heard of; the folder of one that lives on is its own."""
    monkeypatch.setattr(lifeline, "DYING", 1.0 if left else 45.0)
    folder = tmp_path / "machine"
    folder.mkdir()
    with subprocess.Popen(["sleep", seconds]) as sandbox:  # noqa: S607 - as found
        lifeline.tidy_up(folder, sandbox.pid)
        sandbox.kill()
    assert folder.exists() == left


def test_everything_ends_with_the_context() -> None:
    """Processes, the metadata service's port and the folders are gone when the block is left."""
    with open_yard() as yard:
        machine = yard.launch(facts={"job": "sleep 600"})
        machine.job()
        root, marker = yard.machines.root(machine.id), f"RUNNERKIT_MACHINE={machine.id}/"
    assert not kernel.marked(marker)
    assert not root.parent.parent.exists()
    with pytest.raises(RuntimeError, match="not running"):
        yard.machines.imds.url(machine.id)


def test_a_machine_whose_supervisor_is_killed_powers_off(yard: Yard) -> None:
    """As a kernel that panics; what it had started ends too."""
    machine = yard.launch(facts={"job": "setsid sleep 601 & exec sleep 602"})
    machine.job()
    supervisor = machine.supervisors()[0]
    os.kill(supervisor, signal.SIGKILL)
    assert "the machine's supervisor ended with -9" in machine.gone()
    eventually(lambda: not machine.processes(), "nothing is left")


def test_a_full_disk_ends_the_machine() -> None:
    """There is no room for its folder: the console says so, the instance ends, and the next one boots."""
    room = iter([False, True])

    def install(folder: Path, environ: Mapping[str, str]) -> None:
        from tests.sandbox.machines.yard import install

        if not next(room):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        install(folder, environ)

    with open_yard(runner=install) as yard:
        assert "powering off: the machine cannot be made: [Errno 28] No space left" in yard.launch().gone()
        yard.launch().online()


def test_a_disk_that_is_full_when_files_are_written_ends_the_machine(yard: Yard) -> None:
    """The console does not need the disk."""
    folder = "/etc/runnerkit/machine.json/below-a-file"
    machine = yard.launch(change=lambda document: document["write_files"].append({"path": folder, "content": "x"}))
    assert "powering off: cloud-init: [Errno" in machine.gone()


def test_a_system_without_proc_is_told_what_to_use_instead(tmp_path: Path) -> None:
    """Before anything is started."""
    with pytest.raises(ConfigError, match="need Linux's /proc") as caught:
        need_linux("process machines", "use HollowMachines", proc=tmp_path)
    assert "HollowMachines" in str(caught.value.hint)
