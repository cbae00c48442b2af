"""What is understood of DVC's words, the agent's notice, and the project's files: all of it pure or nearly so."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ConfigError
from runnerkit.job.checks import hint_for, pipeline_failed
from runnerkit.job.notice import Notice
from runnerkit.job.pipeline import Project
from runnerkit.job.processes import ON_CANCEL, Stopping
from runnerkit.job.progress import Progress, State, heard
from runnerkit.job.recorder import Command, Recorder
from runnerkit.job.result import Result, duration, redacted

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
        """Then the stage speaks, not DVC."""
        recorder = Recorder(tmp_path, {"SHELL": "/bin/bash"})
        (tmp_path / "commands.tsv").write_text("start\t10.5\t0\ttrain\nend\t12.25\t3\ttrain\nstart\t13\t0\teval\n")
        assert recorder.commands() == [Command("train", 10.5, 12.25, 3), Command("eval", 13.0)]
        assert recorder.running() == "eval"

    def test_survives_a_torn_line(self, tmp_path: Path) -> None:
        """A machine may go in the middle of a word."""
        recorder = Recorder(tmp_path, {})
        (tmp_path / "commands.tsv").write_text("start\t10.5\t0\ttrain\nen")
        assert recorder.running() == "train"


class TestTheNotice:
    """How what is left of the machine's time is used."""

    def test_of_two_minutes_interrupts_a_minute_before_the_end(self) -> None:
        """As long as a push fits between that and the end of the runner."""
        notice = Notice(at=1120.0, seen=1000.0)
        assert notice.stop_at(push=3.0) == 1060.0
        assert notice.push_until() == 1095.0

    def test_leaves_a_long_push_its_time(self) -> None:
        """A push that took 40 s gets 50 before the runner is ended, at 25 before the end."""
        assert Notice(at=1120.0, seen=1000.0).stop_at(push=40.0) == 1120.0 - 25.0 - 50.0

    def test_that_leaves_less_shrinks_every_part_alike(self) -> None:
        """Twelve seconds are a tenth of the usual time."""
        notice = Notice(at=1012.0, seen=1000.0)
        assert (notice.stop_at(push=0.5), notice.push_until()) == (1006.0, 1009.5)

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


class TestTheProject:
    """What DVC's files tell without DVC."""

    def test_configuration_is_read_as_dvc_does(self, tmp_path: Path) -> None:
        """Later files win, and a relative path is relative to its file."""
        folder = tmp_path / "repo/.dvc"
        folder.mkdir(parents=True)
        (folder / "config").write_text(
            "[core]\n    remote = a\n['remote \"a\"']\n    url = ../../store\n    jobs = 4\n"
        )
        (folder / "config.local").write_text("[cache]\n    dir = ../../cache\n['remote \"a\"']\n    jobs = 8\n")
        settings = Project.find(tmp_path / "repo").settings({"HOME": str(tmp_path)})
        assert (settings.remote, settings.remote_url) == ("a", str(tmp_path / "store"))
        assert settings.remote_options["jobs"] == "8"
        assert settings.cache == tmp_path / "cache"

    def test_outputs_come_from_the_locks_of_stages_that_still_exist(self, tmp_path: Path) -> None:
        """With their working directories, in sub-projects too; a stage that was removed promises nothing."""
        (tmp_path / ".dvc").mkdir()
        (tmp_path / ".dvc/config").write_text("")
        (tmp_path / "sub").mkdir()
        (tmp_path / "dvc.yaml").write_text("stages: {a: {cmd: x, wdir: w}, m: {matrix: {k: [1]}, cmd: y}}")
        (tmp_path / "dvc.lock").write_text(
            "stages: {a: {outs: [{path: o.txt}]}, m@1: {outs: [{path: m1}]}, gone: {outs: [{path: g}]}}"
        )
        (tmp_path / "sub/dvc.yaml").write_text("stages: {b: {cmd: x}}")
        (tmp_path / "sub/dvc.lock").write_text("stages: {b: {outs: [{path: p.txt}, {path: s3://x/y}]}}")
        (tmp_path / "raw.csv.dvc").write_text("outs: [{path: raw.csv}]")
        outputs = Project.find(tmp_path).outputs()
        assert outputs == {
            "a": [tmp_path / "w/o.txt"],
            "m@1": [tmp_path / "m1"],
            "raw.csv.dvc": [tmp_path / "raw.csv"],
            "sub/dvc.yaml:b": [tmp_path / "sub/p.txt"],
        }

    @pytest.mark.parametrize("text", ["stages: [", "stages: []", "just words", "\tx"])
    def test_a_broken_dvc_yaml_is_named(self, tmp_path: Path, text: str) -> None:
        """File and reason, not a traceback."""
        (tmp_path / ".dvc").mkdir()
        (tmp_path / ".dvc/config").write_text("")
        (tmp_path / "dvc.yaml").write_text(text)
        with pytest.raises(ConfigError, match=r"dvc\.yaml"):
            Project.find(tmp_path).declared()


class TestTelling:
    """Errors, times and secrets in words."""

    def test_dvcs_errors_come_with_what_to_do(self) -> None:
        """DVC's own closing line is the same for most of them."""
        assert "id-token: write" in hint_for("ERROR: configuration error - Unable to locate credentials")
        assert "bucket" in hint_for("NoSuchBucket: The specified bucket does not exist")
        assert hint_for("ERROR: something new") == ""
        assert pipeline_failed("", None, "x\nERROR: boom\nHaving any troubles?").message == "dvc failed: boom"

    def test_secrets_of_the_environment_do_not_reach_reports(self) -> None:
        """GitHub masks its own log; a comment is not masked."""
        environ = {"AWS_SECRET_ACCESS_KEY": "abcdefgh", "HOME": "/home/me", "X_TOKEN": "short"}
        assert redacted("key abcdefgh in /home/me, short", environ) == "key *** in /home/me, short"

    @pytest.mark.parametrize(
        ("seconds", "words"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (61, "1 min 01 s"), (7300, "2 h 01 min")]
    )
    def test_times_read_well(self, seconds: float, words: str) -> None:
        """Short ones in tenths, long ones without seconds."""
        assert duration(seconds) == words

    @pytest.mark.parametrize("text", ["", "[]", "{", '{"stages": [{"name": "a"}]}', '{"stages": 3}'])
    def test_an_unreadable_result_is_none(self, tmp_path: Path, text: str) -> None:
        """A machine may go while it is written."""
        (tmp_path / "run.json").write_text(text)
        assert Result.read(tmp_path) is None

    def test_a_result_of_a_later_version_is_read_as_far_as_it_is_known(self, tmp_path: Path) -> None:
        """Fields may be added without breaking the report."""
        Result(outcome="success", started=1.0, finished=3.0).write(tmp_path)
        said = json.loads((tmp_path / "run.json").read_text())
        (tmp_path / "run.json").write_text(json.dumps({**said, "later": 1}))
        found = Result.read(tmp_path)
        assert found is not None
        assert (found.outcome, found.seconds) == ("success", 2.0)
