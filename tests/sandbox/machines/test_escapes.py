"""What a job does to outlive its machine, to lock its folder, or to drown it: none of it works."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ConfigError
from runnerkit.sandbox.ec2 import SandboxEc2
from runnerkit.sandbox.machines import ProcessMachines, roots
from runnerkit.sandbox.machines.init import folders
from runnerkit.sandbox.machines.supervised import LONGEST_LINE, Supervised, end
from runnerkit.sandbox.machines.watching import scratch
from tests.sandbox.github_world import acme
from tests.sandbox.machines.yard import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox.machines.yard import Booted, Yard

# A daemon with no environment that holds a lock for as long as any generation of it lives.
DAEMON = """
import fcntl, os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
fcntl.flock(os.open(sys.argv[1], os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)
until = time.time() + 600
while time.time() < until:
    if sys.argv[2] == "rest":
        time.sleep(0.1)
    elif os.fork():
        os._exit(0)
"""


def _lives(lock: Path) -> bool:
    if not lock.exists():
        return False
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _with_daemon(yard: Yard, folder: Path, how: str) -> tuple[Booted, Path]:
    (folder / "daemon.py").write_text(DAEMON)
    lock = folder / "lock"
    start = f"env -i {sys.executable} {folder}/daemon.py {lock} {how}"
    machine = yard.launch(facts={"job": f"{start}; exec sleep 602"})
    machine.job()
    eventually(lambda: _lives(lock), "the daemon runs")
    return machine, lock


@pytest.mark.parametrize("how", ["rest", "run"])
def test_a_daemon_without_environment_ends_with_its_machine(yard: Yard, tmp_path: Path, how: str) -> None:
    """It has left its session, its parents and its marker; the second one also forks all the time."""
    machine, lock = _with_daemon(yard, tmp_path, how)
    yard.end(machine)
    machine.gone()
    eventually(lambda: not _lives(lock), "it ends", within=30)


@pytest.mark.parametrize("which", [0, 1], ids=["watcher", "supervisor"])
def test_a_daemon_does_not_outlive_a_supervisor_that_is_killed(yard: Yard, tmp_path: Path, which: int) -> None:
    """Nor the one that watches over the supervisor; the sandbox's own folder stays."""
    machine, lock = _with_daemon(yard, tmp_path, "rest")
    os.kill(machine.supervisors()[which], signal.SIGKILL)
    machine.gone()
    eventually(lambda: not _lives(lock), "it ends", within=30)
    assert yard.machines.root(machine.id).parents[1].exists()


def test_a_supervisor_that_hangs_is_ended_with_all_below_it(yard: Yard, tmp_path: Path) -> None:
    """It does not answer any more when the instance is terminated."""
    machine, lock = _with_daemon(yard, tmp_path, "rest")
    for pid in machine.supervisors():
        os.kill(pid, signal.SIGSTOP)
    yard.end(machine)
    machine.gone()
    eventually(lambda: not machine.processes() and not _lives(lock), "all of it ends", within=30)


def test_a_folder_that_was_closed_is_removed_all_the_same(tmp_path: Path) -> None:
    """As Go leaves its cache: folders without the right to write; what a link names is left alone."""
    (tmp_path / "other").mkdir(mode=0o500)
    mine = tmp_path / "mine"
    (mine / "closed/below").mkdir(parents=True)
    (mine / "closed/below/file").touch()
    (mine / "closed/link").symlink_to(tmp_path / "other")
    for folder in (mine / "closed/below", mine / "closed", mine):
        folder.chmod(0o500 if folder != mine else 0o000)
    folders.remove(mine)
    assert not mine.exists()
    assert (tmp_path / "other").stat().st_mode & 0o777 == 0o500


def test_folders_are_open_to_the_jobs_user_whatever_the_mask(tmp_path: Path) -> None:
    """The sandbox may have been started with umask 077."""
    before = os.umask(0o077)
    try:
        made = folders.make(tmp_path / "a/b", 0o711)
    finally:
        os.umask(before)
    assert (made.stat().st_mode & 0o777, made.parent.stat().st_mode & 0o777) == (0o711, 0o755)


def test_where_no_machine_can_live_is_told(tmp_path: Path) -> None:
    """Before anything is started, with what to do."""
    with pytest.raises(ConfigError, match="no folder for machines can be made") as caught:
        scratch("rk-", tmp_path / "missing")
    assert "TMPDIR" in str(caught.value.hint)


def test_a_line_without_end_costs_no_memory_and_hides_no_secret() -> None:
    """It is passed on in parts, with the secret hidden also where two parts meet."""
    said: list[bytes] = []
    secret = "s" * 99
    supervised = Supervised("main", "i-test", {"parent": 1}, secret, said.append)
    for at in range(0, 5 * LONGEST_LINE, 1000):
        supervised._hear(b"x" * 1000 + secret.encode()[: at % 2 * 99])
        supervised._hear(b"y" + secret.encode()[:50])
        supervised._hear(secret.encode()[50:])
        assert len(supervised._line) <= 2 * LONGEST_LINE
    end([supervised])
    text = b"".join(said)
    assert len(said) > 2
    assert b"ss" not in text
    assert text.count(b"y***") == 5 * LONGEST_LINE // 1000 + 1


GPUS = {"g4dn.xlarge": "1 x NVIDIA T4, 16384 MiB", "g6f.large": "a part of 1 x NVIDIA L4, "}


@pytest.mark.parametrize("kind", ["g4dn.xlarge", "g6f.large", "c6i.large"])
def test_workflows_may_ask_for_the_gpu(yard: Yard, kind: str) -> None:
    """A machine whose type has a GPU has an nvidia-smi that says that nothing is behind it; others have none."""
    machine = yard.launch(kind=kind, facts={"job": "nvidia-smi -q; echo left with $?; echo $TMPDIR; umask"})
    machine.job()
    console = machine.gone()
    if kind in GPUS:
        assert "the sandbox has no GPU behind it" in console
        assert GPUS[kind] in console
        assert "left with 0" in console
    else:
        assert "left with 127" in console
    assert f"{yard.machines.root(machine.id) / roots.TEMPORARY}\n0022" in console


def test_what_fails_at_the_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder, no port, no thread: here of a user without a name."""
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    with acme() as github:
        machines = ProcessMachines(SandboxEc2(), github, folder=tmp_path)
        with pytest.raises(ConfigError, match="has no name"), machines:
            pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError, match="not running"):
        machines.imds.url("i-1")
