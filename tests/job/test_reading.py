"""What is understood of DVC's words and of the agent's notice: all of it pure or nearly so."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from runnerkit.job.notice import Notice
from runnerkit.job.processes import ON_CANCEL, ON_NOTICE, Stopping
from runnerkit.job.progress import Progress, State, heard
from runnerkit.job.recorder import Command, Recorder
from tests.job.workshop import until

if TYPE_CHECKING:
    from pathlib import Path


class TestDvcsWords:
    """Lines of DVC 3, as it prints them."""

    @pytest.mark.parametrize(
        ("line", "news"),
        [
            ("Running stage 'train':", ("train", State.RUNNING)),
            ("Running stage 'sub/dvc.yaml:train@a-1':", ("sub/dvc.yaml:train@a-1", State.RUNNING)),
            ("Stage 'train' is cached - skipping run, checking out outputs", ("train", State.RESTORED)),
            ("Pulling data for stage: 'train'", ("train", State.RESTORED)),
            ("Stage 'train' didn't change, skipping", ("train", State.UNCHANGED)),
            ("'data/raw.csv.dvc' didn't change, skipping", ("data/raw.csv.dvc", State.UNCHANGED)),
            ("ERROR: failed to reproduce 'train': failed to run: false, exited with 1", ("train", State.FAILED)),
            ("epoch 3: loss 0.1", None),
            ("  Running stage 'train':", None),
        ],
    )
    def test_are_understood(self, line: str, news: tuple[str, State] | None) -> None:
        """Stage and state, or nothing."""
        assert heard(line) == news

    def test_become_states_with_times(self) -> None:
        """A stage ends when DVC comes to the next one."""
        progress = Progress(["a", "b", "c"])
        assert progress.line("Running stage 'a':", 10.0, own=False) is None
        ended = progress.line("Stage 'b' didn't change, skipping", 14.5, own=False)
        progress.over(15.0, [Command("a", 10.1, 14.0, 0)], failed=False, stopped=False)
        assert ended is not None
        assert (ended.name, ended.seconds) == ("a", 4.5)
        assert [stage.state for stage in progress.stages()] == [State.RUN, State.UNCHANGED, State.NOT_REACHED]

    def test_yield_to_what_was_really_executed(self) -> None:
        """A stage whose command was run is not unchanged, whatever was printed."""
        progress = Progress(["a"])
        progress.line("Stage 'a' didn't change, skipping", 1.0, own=False)
        progress.over(2.0, [Command("a", 1.0, 2.0, 0)], failed=False, stopped=False)
        assert progress.stages()[0].state is State.RUN

    def test_of_a_stage_that_was_tried_and_then_run_count_as_run(self) -> None:
        """DVC says that it pulls, cannot, and runs the stage."""
        progress = Progress(["a"])
        for at, line in enumerate(
            ["Pulling data for stage: 'a'", "Unable to pull data for stage: 'a'", "Running stage 'a':"]
        ):
            progress.line(line, float(at), own=False)
        progress.over(9.0, [Command("a", 3.0, 8.0, 0)], failed=False, stopped=False)
        assert [stage.state for stage in progress.stages()] == [State.RUN]


class TestTheRecord:
    """The shell that DVC runs a stage's commands with."""

    def test_of_a_command_under_way_has_no_end(self, tmp_path: Path) -> None:
        """And what began before the first command is not ours."""
        recorder = Recorder(tmp_path, {"SHELL": "/bin/bash"})
        (tmp_path / "commands.tsv").write_text("start\t10.5\t0\ttrain\nend\t12.25\t3\ttrain\nstart\t13\t0\teval\n")
        assert recorder.commands() == [Command("train", 10.5, 12.25, 3), Command("eval", 13.0)]
        assert recorder.began() == 10.5

    def test_survives_a_torn_line_and_its_own_removal(self, tmp_path: Path) -> None:
        """A machine may go in the middle of a word, and a stage may clean the whole checkout."""
        recorder = Recorder(tmp_path, {})
        (tmp_path / "commands.tsv").write_text("start\t10.5\t0\ttrain\nen")
        assert recorder.commands() == [Command("train", 10.5)]
        (tmp_path / "commands.tsv").unlink()
        assert (recorder.commands(), recorder.began()) == ([], 0.0)

    @pytest.mark.parametrize(("command", "line"), [("printf half", "half"), ("echo whole", "")])
    def test_stands_in_the_output_too(self, tmp_path: Path, command: str, line: str) -> None:
        """Behind a line that the command left unfinished as well; nothing else looks like it."""
        recorder = Recorder(tmp_path, {})
        done = subprocess.run([str(recorder.shell), "-c", command], capture_output=True, text=True, check=True)
        lines = done.stdout.split("\n")
        assert recorder.boundary(lines[0]) == ("", "start")
        assert recorder.boundary(lines[-2]) == (line, "end")
        assert recorder.boundary("\x1erunnerkit-0:end\x1e") == ("\x1erunnerkit-0:end\x1e", "")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_of_an_interrupted_command_never_says_that_it_is_done(self, tmp_path: Path, number: signal.Signals) -> None:
        """A training that saves what it has and ends with 0 would be kept as the stage's result, for ever."""
        recorder = Recorder(tmp_path, {})
        words = f"trap 'exit 0' INT TERM; touch {tmp_path / 'up'}; while :; do sleep 0.05; done"
        shell = subprocess.Popen([str(recorder.shell), "-c", words], stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            until((tmp_path / "up").exists, "the command never started")
            os.killpg(shell.pid, number)
            shell.wait(timeout=30)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait(timeout=30)
        assert shell.returncode == 128 + number


class TestTheNotice:
    """How what is left of the machine's time is used."""

    def test_of_two_minutes_interrupts_a_minute_before_the_end(self) -> None:
        """The agent ends GitHub's listener 25 s before the end, and the report comes between us and that."""
        notice = Notice(at=1120.0, seen=1000.0)
        assert notice.stop_at(push=3.0) == 1060.0
        assert (notice.push_until(), notice.end, notice.scale) == (1085.0, 1095.0, 1.0)

    def test_leaves_a_long_push_its_time(self) -> None:
        """After a push that took 40 s, 50 are kept for the next one, beside the ending before and the report after."""
        assert Notice(at=1120.0, seen=1000.0).stop_at(push=40.0) == 1095.0 - 12.0 - 50.0 - 10.0

    @pytest.mark.parametrize("left", [30.0, 35.0, 45.0, 59.9])
    def test_that_leaves_less_interrupts_at_once(self, left: float) -> None:
        """The agent's moment stands still, so everything else must come before it, in the same order."""
        notice = Notice(at=1000.0 + left, seen=1000.0)
        kill = ON_NOTICE[-1][0] * notice.scale
        assert notice.stop_at(push=0.0) <= 1000.0
        assert 1000.0 + kill < notice.push_until() < notice.end == 975.0 + left

    def test_that_is_too_short_for_the_agent_uses_what_there_is(self) -> None:
        """The agent ends the listener at once; until its signal arrives we push."""
        notice = Notice(at=1012.0, seen=1000.0)
        assert 1000.0 < notice.push_until() < notice.end < 1012.0

    @pytest.mark.parametrize(("before", "end"), [(25.0, 1095.0), (40.0, 1080.0), (5.0, 1115.0), (0.0, 1120.0)])
    def test_says_when_the_agent_ends_the_listener(self, tmp_path: Path, before: float, end: float) -> None:
        """It can be set for each machine, and everything of ours comes before it."""
        (tmp_path / "run/runnerkit").mkdir(parents=True)
        told = {"at": 1120.0, "listener_stops_at": 1120.0 - before}
        (tmp_path / "run/runnerkit/notice.json").write_text(json.dumps(told), encoding="utf-8")
        notice = Notice.read({"RUNNERKIT_ROOT": str(tmp_path)}, 1000.0)
        assert notice is not None
        assert notice.end == end
        assert notice.stop_at(3.0) < notice.push_until() < end

    @pytest.mark.parametrize("text", ["", "[]", '{"at": "soon"}', '{"at": true, "seen_at": null}'])
    def test_that_cannot_be_understood_counts_as_the_usual_two_minutes(self, tmp_path: Path, text: str) -> None:
        """Better a needless push than a lost stage."""
        (tmp_path / "run/runnerkit").mkdir(parents=True)
        (tmp_path / "run/runnerkit/notice.json").write_text(text, encoding="utf-8")
        assert Notice.read({"RUNNERKIT_ROOT": str(tmp_path)}, 1000.0) == Notice(1120.0, 1000.0)

    def test_is_none_on_a_machine_without_one(self, tmp_path: Path) -> None:
        """The usual case."""
        assert Notice.read({"RUNNERKIT_ROOT": str(tmp_path)}, 1000.0) is None


class TestStopping:
    """SIGINT, SIGTERM, SIGKILL."""

    def test_is_over_before_github_sends_its_sigterm(self) -> None:
        """The last step comes at 6 s, GitHub's at 7.5."""
        stopping = Stopping(ON_CANCEL, 100.0)
        sent = [(tenth / 10, number) for tenth in range(100) if (number := stopping.due(100 + tenth / 10))]
        assert sent == [(0.0, signal.SIGINT), (4.0, signal.SIGTERM), (6.0, signal.SIGKILL)]

    def test_goes_faster_when_asked_twice(self) -> None:
        """Whoever presses Ctrl-C again does not want to wait."""
        stopping = Stopping(ON_CANCEL, 100.0)
        assert stopping.due(100.0) is signal.SIGINT
        stopping.hasten(100.5)
        assert stopping.due(100.5) is signal.SIGTERM
        assert stopping.due(100.6) is None
