"""What the project's files tell without DVC, and how errors, times and secrets are told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ConfigError
from runnerkit.job.checks import check_version, hint_for, pipeline_failed
from runnerkit.job.pipeline import Project
from runnerkit.job.progress import Stage, State, told_tail
from runnerkit.job.result import Result, duration, redacted

if TYPE_CHECKING:
    from pathlib import Path


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

    def test_tracked_data_is_not_walked_through(self, tmp_path: Path) -> None:
        """It may be millions of files; only what DVC's own files name as data is left out."""
        for folder in (".dvc", "images/cats", "out/deep", "src/sub"):
            (tmp_path / folder).mkdir(parents=True)
        (tmp_path / ".dvc/config").write_text("")
        (tmp_path / "images.dvc").write_text("outs: [{path: images}]")
        (tmp_path / "dvc.yaml").write_text("stages: {a: {cmd: x}}")
        (tmp_path / "dvc.lock").write_text("stages: {a: {outs: [{path: out}]}}")
        found = [str(path.relative_to(tmp_path)) for path in Project.find(tmp_path).folders()]
        assert found == [".", "src", "src/sub"]

    def test_a_broken_file_elsewhere_in_the_repository_is_no_matter(self, tmp_path: Path) -> None:
        """What a stage wrote is known all the same."""
        (tmp_path / ".dvc").mkdir()
        (tmp_path / "other").mkdir()
        (tmp_path / ".dvc/config").write_text("")
        (tmp_path / "dvc.yaml").write_text("stages: {a: {cmd: x}}")
        (tmp_path / "dvc.lock").write_text("stages: {a: {outs: [{path: o}]}}")
        for name, text in {"dvc.lock": "<<<<<<< x", "dvc.yaml": "stages: 3", "x.dvc": "[", "y.dvc": "outs: 3"}.items():
            (tmp_path / "other" / name).write_text(text)
        assert Project.find(tmp_path).outputs(frozenset({"a"})) == {"a": [tmp_path / "o"]}

    def test_a_lock_with_the_conflicts_of_a_merge_is_named(self, tmp_path: Path) -> None:
        """DVC would speak of YAML; what helps is to delete it."""
        (tmp_path / ".dvc").mkdir()
        (tmp_path / ".dvc/config").write_text("")
        (tmp_path / "dvc.yaml").write_text("stages: {a: {cmd: x}}")
        (tmp_path / "dvc.lock").write_text("schema: '2.0'\n<<<<<<< HEAD\nstages: {}\n")
        with pytest.raises(ConfigError, match=r"dvc\.lock holds the conflicts of a merge"):
            Project.find(tmp_path).declared()

    def test_none_is_needed_here_when_every_target_names_its_own(self, tmp_path: Path) -> None:
        """As in a repository of several pipelines, run from the top."""
        (tmp_path / ".dvc").mkdir()
        (tmp_path / ".dvc/config").write_text("")
        assert Project.find(tmp_path).declared(["sub/dvc.yaml:train"]) == {}
        with pytest.raises(ConfigError, match="there is no"):
            Project.find(tmp_path).declared(["sub/dvc.yaml:train", "evaluate"])

    def test_an_old_dvc_is_refused_before_it_misunderstands(self) -> None:
        """What cannot be found out is left to DVC."""
        with pytest.raises(ConfigError, match=r"dvc 2\.58\.2 is too old"):
            check_version("2.58.2")
        check_version("3.67.1")
        check_version("")

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
        ("text", "told"),
        [
            ("see postgres://me:hunter2hunter2@db/x", "see postgres://me:***@db/x"),
            ("token ghs_" + "a" * 36, "token ***"),
            ("AKIA" + "A" * 16, "***"),
            (
                "https://b.s3.amazonaws.com/k?a=1&X-Amz-Signature=abc&z=2",
                "https://b.s3.amazonaws.com/k?a=1&X-Amz-Signature=***&z=2",
            ),
            ("line two of it: secondline", "line two of it: ***"),
            (r"as Markdown: under\_score\_d", "as Markdown: ***"),
            ("in /home/me/work", "in /home/me/work"),
        ],
    )
    def test_secrets_are_known_by_name_and_by_shape(self, text: str, told: str) -> None:
        """Tokens, passwords in addresses, signatures, each line of a key, and what was escaped; no working folders."""
        environ = {"DEPLOY_KEY": "first-line\nsecondline", "DB_PWD": "under_score_d", "PWD": "/home/me/work"}
        assert redacted(text, environ) == told

    def test_the_end_of_a_log_has_no_colours_and_no_controls(self) -> None:
        """Neither GitHub nor JSON readers want them; tabs and letters of all kinds stay."""
        stage = Stage("train", State.FAILED)
        stage.tail.extend(
            ["\x1b[1;31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07", "nul\x00bell\x07\tgrün", "\ud800"]
        )
        assert told_tail(stage) == "red link\nnulbell\tgrün\n?"

    @pytest.mark.parametrize(("code", "word"), [(137, "memory"), (127, "not found"), (139, "crashed")])
    def test_exit_codes_that_have_a_meaning_are_explained(self, code: int, word: str) -> None:
        """The kernel's own verdict is in the number only."""
        assert word in pipeline_failed("train", code, "").hint

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
