"""`runnerkit demo`, as a newcomer runs it: what it shows and says, and that nothing of it stays."""

from __future__ import annotations

import json
import re
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.commands.demo_play import Play, adopting

if TYPE_CHECKING:
    from collections.abc import Iterator

# A demo fills two cores by itself.
pytestmark = [pytest.mark.slow]

NOTHING = {"instances": 0, "runners": 0, "volumes": 0, "launch_templates": 0}
ORDER = [
    *("pull-request-opened", "job-queued", "offering-chosen", "instance-launched", "instance-booting"),
    *("runner-online", "job-started", "report-written", "job-completed", "instance-terminated", "nothing-left"),
]
BOOTING = "instance booting"
WORKING = "> python src/prepare.py"
# Ending must not take longer than a person waits before pressing Ctrl-C again.
SOON = 15.0


class Plays(Protocol):
    """Starts a demo."""

    def __call__(self, *words: str, terminal: bool = False, **environ: str) -> Play:
        """Start it."""


@pytest.fixture
def plays() -> Iterator[Plays]:
    """Starts demos, and ends what is left of them."""
    # Of its own, because pytest's folders are closed to the user that runs the job.
    scratch = Path(tempfile.mkdtemp(prefix="test-demo-"))
    scratch.chmod(0o755)
    started: list[Play] = []

    def play(*words: str, terminal: bool = False, **environ: str) -> Play:
        folder = scratch / str(len(started))
        folder.mkdir()
        started.append(Play(folder, *words, terminal=terminal, **environ))
        return started[-1]

    with adopting():
        try:
            yield play
        finally:
            for each in started:
                each.close()
            shutil.rmtree(scratch, ignore_errors=True)


# --- what it says -----------------------------------------------------------------------------------------------------


def test_the_main_job(plays: Plays) -> None:
    """One JSON object as the last line of output, every word of it true, and nothing left; permissions suffice."""
    play = plays("--json", "--enforce-permissions")
    play.until_said(WORKING)
    sockets = play.sockets()
    assert len(sockets) >= 2, "the local EC2 and GitHub listen"
    assert play.ended() == 0, play.said
    play.leaves_nothing(sockets)
    assert "\x1b" not in play.raw + play.out
    told = play.told
    assert play.out.count("\n") == 1
    assert (told["ok"], told["trouble"]) == (True, "")
    assert (told["job"]["conclusion"], told["job"]["attempts"]) == ("success", 1)
    assert told["job"]["runner"] in next(each["text"] for each in told["timeline"] if each["what"] == "job-started")
    assert {key: bool(value) for key, value in told["instance"].items()} == dict.fromkeys(
        ("id", "type", "zone", "market"), True
    )
    assert told["instance"]["market"] == "spot"
    assert told["left"] == NOTHING
    assert [each["what"] for each in told["timeline"]] == ORDER
    assert sorted(each["at"] for each in told["timeline"]) == [each["at"] for each in told["timeline"]]
    assert told["metrics"] == measured(play)
    assert_reported(told)
    assert told["cost_usd"] == pytest.approx(cost(told), rel=0.01)


def measured(play: Play) -> dict[str, Any]:
    """What the pipeline's last stage printed when it had measured."""
    found = re.search(r'│ (\{"test".*\})', play.said)
    assert found, play.said
    said = json.loads(found[1])
    assert isinstance(said, dict)
    return said


def assert_reported(told: dict[str, Any]) -> None:
    """The report shows every measured number in its table."""
    for name, value in told["metrics"]["test"].items():
        row = next(line for line in told["report"].splitlines() if line.replace("\\", "").startswith(f"| test.{name}"))
        assert f"{value:.4f}".rstrip("0") in row, row


def cost(told: dict[str, Any]) -> float:
    """Price times seconds, of what the timeline says; EC2 bills a minute at least."""
    words = {each["what"]: each["text"] for each in told["timeline"]}
    price = re.search(r"\$([\d.]+) an hour", words["instance-launched"])
    seconds = re.search(r"after ([\d.]+) s", words["instance-terminated"])
    assert price
    assert seconds
    return float(price[1]) * max(60.0, float(seconds[1])) / 3600


def test_an_interruption(plays: Plays) -> None:
    """AWS takes the machine back in the middle, the run is repeated on a new one, and both are paid for."""
    play = plays("--interrupt", "--json", FORCE_COLOR="1")
    assert play.ended() == 0, play.said
    play.leaves_nothing(set())
    told = play.told
    assert (told["job"]["conclusion"], told["job"]["attempts"], told["left"]) == ("success", 2, NOTHING)
    first, second = told["instances"]
    assert first["id"] != second["id"]
    assert (first["reason"], second["reason"]) == (
        "Server.SpotInstanceTermination",
        "Client.InstanceInitiatedShutdown",
    )
    assert told["cost_usd"] == pytest.approx(first["cost_usd"] + second["cost_usd"], abs=1e-5)
    words = [each["what"] for each in told["timeline"]]
    notice, again = words.index("spot-notice"), words.index("run-repeated")
    assert words.index("job-started") < notice < words.index("job-completed") < again
    assert words[again:].count("instance-launched") == words[again:].count("job-completed") == 1
    assert "\x1b[" in play.raw, "colours were asked for"
    assert "\x1b" not in play.out, "but not for JSON"


def test_no_capacity_on_a_terminal(plays: Plays) -> None:
    """The refusal is shown, an on-demand machine does the work, `--keep` waits for Ctrl-C, the terminal is restored."""
    play = plays("--no-capacity", "--keep", "--json", terminal=True)
    play.until_said("Ctrl-C ends it")
    told = play.told
    assert (told["job"]["conclusion"], told["instance"]["market"], told["left"]) == ("success", "on-demand", NOTHING)
    assert "offering-refused" in [each["what"] for each in told["timeline"]]
    assert told["cost_usd"] == pytest.approx(cost(told), rel=0.01)
    sockets = play.sockets()
    assert len(sockets) >= 2
    play.press_ctrl_c()
    assert play.ended(SOON) == 0, play.said
    play.leaves_nothing(sockets)
    assert "\x1b[?25l" in play.raw, "it moves while it lasts"
    assert play.terminal_is_as_before()
    assert [line for line in play.lines if len(line) > play.WIDTH and not line.startswith("export ")] == []


# --- its end before the end -------------------------------------------------------------------------------------------


def assert_interrupted(play: Play, sockets: set[str]) -> None:
    """It ended soon, as documented, without a traceback, and nothing is left."""
    assert play.ended(SOON) == 130, play.said
    play.leaves_nothing(sockets)
    assert "Traceback" not in play.said
    error = play.told["error"]
    assert (error["code"], "sandbox has ended" in error["message"]) == ("interrupted", True)


@pytest.mark.parametrize(
    ("number", "after"), [(signal.SIGINT, 0.0), (signal.SIGTERM, 0.2), (signal.SIGINT, 0.5), (signal.SIGTERM, 1.0)]
)
def test_a_signal_while_the_sandbox_starts(plays: Plays, number: signal.Signals, after: float) -> None:
    """As soon as there is anything to take back, it is taken back."""
    play = plays("--json")
    play.until("its first folder", play.folders)
    time.sleep(after)
    sockets = play.sockets()
    play.process.send_signal(number)
    assert_interrupted(play, sockets)


def test_ctrl_c_while_the_machine_boots(plays: Plays) -> None:
    """Pressed on a terminal, and again and again, it reaches everything in the foreground; the terminal is restored."""
    play = plays("--json", terminal=True)
    play.until_said(BOOTING)
    sockets = play.sockets()
    for pause in (0.05, 0.2, 0.0):
        play.press_ctrl_c()
        time.sleep(pause)
    assert_interrupted(play, sockets)
    assert play.terminal_is_as_before()


def test_sigterm_while_the_job_runs(plays: Plays) -> None:
    """The job, its machine and the controller are ended with it."""
    play = plays("--json")
    play.until_said(WORKING)
    sockets = play.sockets()
    play.process.send_signal(signal.SIGTERM)
    assert_interrupted(play, sockets)


def test_sigkill_while_the_job_runs(plays: Plays) -> None:
    """Nothing can be tidied up then, but no process and no port outlives it."""
    play = plays("--json")
    play.until_said(WORKING)
    sockets = play.sockets()
    assert len(play.started()) > 3, "controller, supervisor and the job run"
    play.process.kill()
    play.leaves_nothing(sockets, folders=False)


# --- where it cannot be played ----------------------------------------------------------------------------------------

WITHOUT = """
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {name!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Without())
"""


@pytest.mark.parametrize("name", ["moto", "openapi_core", "jinja2", "nh3", "werkzeug", "dvc", "sklearn"])
def test_without_its_packages(plays: Plays, tmp_path: Path, name: str) -> None:
    """It says which package is missing and how to get it, before anything is started."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT.format(name=name), encoding="utf-8")
    play = plays("--json", PYTHONPATH=str(tmp_path))
    assert play.ended() == 2, play.said
    play.leaves_nothing(set())
    error = play.told["error"]
    assert name in error["message"]
    assert "runnerkit[demo]" in error["hint"]
