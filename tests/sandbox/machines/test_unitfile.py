"""Unit files: exactly the directives that our units use."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from runnerkit import boot
from runnerkit.sandbox.machines.init import unitfile
from runnerkit.sandbox.machines.init.unitfile import BadUnit, Command, Statuses, Unit, UnitMissing

SYSTEM = "/etc/systemd/system/"
UNITS = [file for file in boot.agent_files(image=True) if file.path.startswith(SYSTEM)]


def read(text: str) -> Unit:
    unit = Unit("x.service")
    unit.read(text, "x.service")
    return unit


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with our own units."""
    for file in UNITS:
        place = tmp_path / file.path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file.text)
    return tmp_path


@pytest.mark.parametrize("name", [Path(file.path).name for file in UNITS])
def test_every_unit_of_ours_is_understood(root: Path, name: str) -> None:
    """A directive that we add to a unit has to be added to the table, with what it means."""
    assert unitfile.load(root, name).settings


def test_the_runners_unit_means_what_it_says(root: Path) -> None:
    """Values with their types; the drop-in of the user data has the last word."""
    folder = root / SYSTEM.lstrip("/") / "runnerkit-runner.service.d"
    folder.mkdir()
    (folder / "50-life.conf").write_text("[Service]\nRuntimeMaxSec=7200\n")
    unit = unitfile.load(root, "runnerkit-runner.service")
    assert unit.last("RuntimeMaxSec") == 7200
    assert unit.last("KillSignal") == signal.SIGINT
    assert unit.last("RestartForceExitStatus") == Statuses(frozenset({2, 3, 4}))
    assert unit.last("StartLimitIntervalSec") == 3600
    assert unit.every("Requires") == ["runnerkit-prepare.service"]
    assert dict(unit.every("Environment"))["LANG"] == "C.UTF-8"
    (before,) = unit.every("ExecStartPre")
    assert (before.privileged, before.forgiven, before.argv[-1]) == (True, False, "before-listener")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15min", 900), ("5d", 432_000), ("1h 30s", 3630), ("5", 5), ("100ms", 0.1), ("infinity", float("inf")), ("0", 0)],
)
def test_spans_of_time(text: str, seconds: float) -> None:
    """As systemd.time(7) has them."""
    assert unitfile.seconds(text) == pytest.approx(seconds)


def test_an_empty_value_forgets_the_ones_before() -> None:
    """So a drop-in can replace a list."""
    unit = read("[Service]\nExecStart=a\nExecStart=b\n\n# a comment\n; another\nExecStart=\nExecStart=+-c 'd e'\n")
    assert unit.every("ExecStart") == [Command(("c", "d e"), privileged=True, forgiven=True)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[Service]\nPrivateTmp=yes\n", "x.service:2: this machine knows no directive PrivateTmp= in [Service]"),
        ("[Unit]\nExecStart=a\n", "no directive ExecStart= in [Unit]"),
        ("[Socket]\nListenStream=80\n", "in [Socket]"),
        ("ExecStart=a\n", "in []"),
        ("[Service]\nnonsense\n", "is no directive"),
        ("[Service]\nExecStart=a \\\nb\n", "is no directive"),
        ("[Service]\nType=notify\n", "known here: simple, exec, oneshot"),
        ("[Service]\nRestartSec=soon\n", "no span of time"),
        ("[Service]\nRestartSec=5 fortnights\n", "no span of time"),
        ("[Service]\nKillSignal=INT\n", "INT is no signal"),
        ("[Service]\nRemainAfterExit=perhaps\n", "neither yes nor no"),
        ("[Service]\nExecStart=!a\n", "prefixes other than"),
        ("[Service]\nExecStart=echo %n\n", "specifiers"),
        ("[Service]\nExecStart=echo 'a\n", "No closing quotation"),
        ("[Service]\nEnvironment=A\n", "not NAME=value"),
        ("[Service]\nUMask=rwx\n", "UMask=rwx"),
    ],
)
def test_what_is_not_in_the_table_is_an_error(text: str, words: str) -> None:
    """With the file, the line, and what is known."""
    with pytest.raises(BadUnit) as caught:
        read(text)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["[Service]\n", "[Service]\nExecStart=a\nExecStart=b\n", "[Service]\nType=oneshot\n"])
def test_a_service_has_one_command(root: Path, text: str) -> None:
    """Or several, if it is a oneshot."""
    (root / SYSTEM.lstrip("/") / "odd.service").write_text(text)
    with pytest.raises(BadUnit, match="ExecStart= lines"):
        unitfile.load(root, "odd.service")


@pytest.mark.parametrize("name", ["missing.service", "../system/runnerkit-end.service"])
def test_a_unit_that_is_not_there(root: Path, name: str) -> None:
    """Nor one outside the folder."""
    with pytest.raises(UnitMissing, match="not found"):
        unitfile.load(root, name)
