"""Commands on a day on which something around them is wrong: no room, no right, no reader, a label with a slip."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.commands.test_sandbox import UP_WITHIN, Up, ask, listens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.commands.conftest import Bench

LITTLE = 64 * 1024


def test_two_sandboxes_side_by_side(tmp_path: Path) -> None:
    """Ports are always free ones, so none is ever taken: each state folder has a sandbox of its own."""
    with ExitStack() as stack:
        both = [Up(tmp_path / name) for name in ("one", "two")]
        for each in both:
            stack.enter_context(each.process)
            stack.callback(each.process.kill)
        addresses = {each.told[name] for each in both for name in ("github", "aws")}
        assert len(addresses) == 4
        assert all(map(listens, addresses))
        assert both[0].end() == 0
        assert listens(both[1].told["github"])
        assert both[1].end() == 0
        assert not any(map(listens, addresses))


@pytest.mark.parametrize("label", ["runnerkt=42/gpu=t4", "runnerkit=42/gppu=t4"])
def test_a_label_with_a_slip(bench: Bench, label: str) -> None:
    """It is refused with the right spelling, and nothing is launched."""
    refused = bench.run("launch", "--runs-on", label, "--json")
    assert refused.code == 2
    error = refused.json["error"]
    assert "runnerkit" in error["hint"] or "gpu" in error["hint"], error
    assert bench.world.ec2.instances() == []


@pytest.mark.parametrize("command", [("status",), ("once",), ("plan",)])
def test_github_is_out_of_order(bench: Bench, command: tuple[str, ...]) -> None:
    """Every command says whose fault it is, in the form that was asked for, and never with a traceback."""
    bench.world.github.fail("GET", "*", 503, None)
    told = bench.run(*command, "--json")
    assert told.code in {8, 9}
    assert "Traceback" not in told.err + told.out


@pytest.fixture
def no_room() -> Iterator[Path]:
    """A disk on which nothing can be written any more."""
    folder = Path(tempfile.mkdtemp(prefix="rk-small-"))
    mount = ["/usr/bin/mount", "-t", "tmpfs", "-o", f"size={LITTLE},mode=1777", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"only root may mount a small disk: {mounted.stderr.strip()}")
    try:
        (folder / "ballast").write_bytes(bytes(LITTLE))
        yield folder
    finally:
        subprocess.run(["/usr/bin/umount", "-l", str(folder)], check=True, stdin=subprocess.DEVNULL)
        folder.rmdir()


def test_no_room_for_the_state(no_room: Path) -> None:
    """The state folder is what is named then."""
    refused = ask("sandbox", "up", "--machines", "hollow", "--state", str(no_room / "state"), "--json")
    assert refused.returncode == 2
    assert "state" in json.loads(refused.stdout)["error"]["message"]


ELSEWHERE = "import tempfile\ntempfile.tempdir = {folder!r}\n"


@pytest.mark.parametrize("command", [("demo",), ("sandbox", "up")])
def test_no_folder_for_temporary_files(tmp_path: Path, command: tuple[str, ...]) -> None:
    """It is named, without a traceback. Python looks in several places, so the test decides for it."""
    (tmp_path / "sitecustomize.py").write_text(ELSEWHERE.format(folder="/nowhere"), encoding="utf-8")
    refused = ask(*command, "--json", PYTHONPATH=str(tmp_path), XDG_STATE_HOME=str(tmp_path))
    assert refused.returncode == 2, refused.stderr
    error = json.loads(refused.stdout.splitlines()[-1])["error"]
    assert "/nowhere" in error["message"]
    assert "TMPDIR" in error["hint"]
    assert "Traceback" not in refused.stderr


def test_no_room_for_a_demo(no_room: Path, tmp_path: Path) -> None:
    """It is told what is full, without a traceback, and nothing is left lying there."""
    (tmp_path / "sitecustomize.py").write_text(ELSEWHERE.format(folder=str(no_room)), encoding="utf-8")
    refused = ask("demo", "--json", PYTHONPATH=str(tmp_path))
    assert refused.returncode == 2, refused.stdout
    assert "No space left" in json.loads(refused.stdout.splitlines()[-1])["error"]["message"]
    assert "Traceback" not in refused.stderr
    assert [path.name for path in no_room.iterdir()] == ["ballast"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_terminal_that_is_closed_ends_the_sandbox_well(tmp_path: Path, number: signal.Signals) -> None:
    """Its folders go with it, as after Ctrl-C."""
    # Whoever started the tests may have told them to outlive the terminal, and a program inherits that.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        up = Up(tmp_path / "state")
    finally:
        signal.signal(number, before)
    with up.process:
        folder = Path(up.told["environment"]["RUNNERKIT_CACHE_DIR"]).parent
        assert folder.is_dir()
        up.end(number)
        assert not folder.exists()


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    """Nobody reads the variables: the sandbox ends without a traceback instead of staying up unseen."""
    here, there = os.pipe()
    os.close(here)
    words = ["sandbox", "up", "--machines", "hollow", "--state", str(tmp_path / "state")]
    done = subprocess.run(
        [sys.executable, "-m", "runnerkit", *words],
        stdin=subprocess.DEVNULL,
        stdout=there,
        stderr=subprocess.PIPE,
        text=True,
        timeout=UP_WITHIN,
        check=False,
    )
    os.close(there)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
