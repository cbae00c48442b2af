"""What a run is asked for it alone: stages unfrozen or forced, params set. And whether there is work at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit.errors import ConfigError
from runnerkit.job import freezing
from runnerkit.job.edits import edited, heal
from runnerkit.job.pipeline import Project
from tests.job.workshop import BIN, Workshop, commit, git, run_file, states, until

if TYPE_CHECKING:
    from pathlib import Path

    from runnerkit.job.result import Result

slow = pytest.mark.slow

PROJECT = """# The yearly valuation.
stages:
  ingest:   # asks a data base, so not every day
    frozen: true
    cmd: echo x >> $COUNTERS/ingest && cp raw.txt data.txt
    deps: [raw.txt]
    outs: [data.txt]
  train:
    cmd: echo x >> $COUNTERS/train && cat data.txt params.yaml > model.txt
    deps: [data.txt]
    params: [train]
    outs: [model.txt]
  evaluate:
    cmd: echo x >> $COUNTERS/evaluate && wc -l < model.txt > score.txt
    deps: [model.txt]
    outs: [score.txt]
  notes:
    cmd: echo x >> $COUNTERS/notes && echo "a log" > log.txt
    deps: [raw.txt]
    outs: [{log.txt: {cache: false}}]
"""
PARAMS = "train:\r\n  # how many levels\r\n  depth: 3   # of the trees\r\n  rates: [0.1, 1e-3]\r\n"
# Writes down with which words dvc is called.
RECORDING = '#!/bin/sh\necho "$*" >>{record}\nexec {dvc} "$@"\n'


class Story:
    """One checkout, run four times."""

    def __init__(self, folder: Path) -> None:
        self.workshop = workshop = Workshop(folder)
        self.origin = origin = workshop.origin(
            project=PROJECT,
            files={"params.yaml": "", ".gitignore": "/data.txt\n/model.txt\n/score.txt\n/log.txt\n"},
        )
        (origin / "params.yaml").write_bytes(PARAMS.encode())
        commit(origin)
        (folder / "bin").mkdir()
        shim = folder / "bin/dvc"
        shim.write_text(RECORDING.format(record=folder / "record", dvc=BIN / "dvc"), encoding="utf-8")
        shim.chmod(0o755)
        workshop.extra["PATH"] = f"{folder / 'bin'}:{workshop.environ['PATH']}"
        self.said: list[str] = []
        self.first = workshop.pipeline(origin, self.said, unfreeze=("ingest",), targets=("evaluate", "notes")).run()
        self.counts = [self._counts()]
        commit(origin, "the lock")
        self.forced = self._run(force=("train",), targets=("evaluate",), push=False)
        self.set = self._run(params=("train.depth=7",), targets=("evaluate",))
        self.lock = (origin / "dvc.lock").read_text(encoding="utf-8")
        self.told = run_file(origin)
        self.elsewhere = workshop.clone("elsewhere")
        self.again = workshop.pipeline(self.elsewhere, params=("train.depth=7",), targets=("evaluate",)).run()
        self.counts.append(self._counts())

    def _run(self, **options: Any) -> Result:  # noqa: ANN401 - options
        result = self.workshop.pipeline(self.origin, **options).run()
        self.counts.append(self._counts())
        return result

    def _counts(self) -> list[int]:
        return [self.workshop.executed(stage) for stage in ("ingest", "train", "evaluate")]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(tmp_path_factory.mktemp("flags"))


@pytest.fixture(scope="module")
def hosted(story: Story) -> Path:
    """A checkout without data, of a pipeline all of whose outputs are cached."""
    clone = story.workshop.clone("hosted")
    (clone / "dvc.yaml").write_text(PROJECT.partition("  notes:")[0], encoding="utf-8")
    return clone


@slow
class TestForOneRun:
    """Flags do what they say, and the tree is as before."""

    def test_a_frozen_stage_runs_when_it_is_unfrozen_and_stays_frozen_afterwards(self, story: Story) -> None:
        """And only in the run that asked for it."""
        assert states(story.first)["ingest"] == "run"
        assert states(story.forced)["ingest"] == "unchanged"
        assert (story.origin / "dvc.yaml").read_text(encoding="utf-8") == PROJECT

    def test_a_forced_stage_runs_though_nothing_changed_and_others_do_not(self, story: Story) -> None:
        """What lies behind it runs only if its result is another one."""
        assert states(story.forced) == {
            "ingest": "unchanged",
            "train": "run",
            "evaluate": "unchanged",
            "notes": "not reached",
        }
        assert story.counts[:2] == [[1, 1, 1], [1, 2, 1]]

    def test_a_param_that_is_set_is_what_the_results_belong_to(self, story: Story) -> None:
        """The lock names it; the params file has not changed by a byte, comments and ends of lines included."""
        assert story.counts[2] == [1, 3, 2]
        assert "depth: 7" in story.lock
        assert (story.origin / "params.yaml").read_bytes() == PARAMS.encode()
        assert "depth: 7" in (story.origin / "model.txt").read_text(encoding="utf-8")

    def test_what_was_computed_with_other_params_is_restored_elsewhere(self, story: Story) -> None:
        """The lock in git is older than that; the run cache knows."""
        assert states(story.again)["train"] == "restored"
        assert story.counts[3] == story.counts[2]
        assert "depth: 7" in (story.elsewhere / "model.txt").read_text(encoding="utf-8")

    def test_leaves_nothing_but_the_lock_changed_in_git(self, story: Story) -> None:
        """A tree that is dirty would be committed by somebody, or refused by something."""
        assert git(story.origin, "status", "--short") == "M dvc.lock"
        assert story.set.changed == []

    def test_is_told_in_the_result(self, story: Story) -> None:
        """Whoever reads it later knows that these are no results of the commit alone."""
        assert (story.first.unfrozen, story.forced.forced) == (["ingest"], ["train"])
        assert story.told["overrides"] == ["train.depth=7"]

    def test_a_stage_that_cannot_be_restored_elsewhere_is_named_before_anything_runs(self, story: Story) -> None:
        """Its output is neither cached nor in git."""
        notices = [number for number, line in enumerate(story.said) if "::notice::" in line and "'notes'" in line]
        runs = [number for number, line in enumerate(story.said) if line.startswith("Running stage")]
        assert len(notices) == 1
        assert notices[0] < min(runs)
        assert "log.txt" in story.said[notices[0]]

    def test_never_commits_what_is_half_done(self, story: Story) -> None:
        """`dvc commit` would record whatever lies there as a stage's result."""
        words = (story.workshop.folder / "record").read_text(encoding="utf-8").splitlines()
        assert {line.replace("--wait-for-lock ", "").split()[0] for line in words} == {"repro", "push"}


class _Wire(BaseHTTPRequestHandler):
    """Stands for AWS and GitHub, and notes who calls."""

    calls: list[str]

    def _take(self) -> None:
        self.calls.append(self.path)
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PUT = _take  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@slow
class TestWhetherThereIsWork:
    """`dvc check`, and `launch --skip-if-nothing-to-do`, in the checkout of a hosted job: no data, no cache."""

    def test_nothing_to_do_costs_no_machine_and_no_call(self, story: Story, hosted: Path) -> None:
        """Neither AWS nor GitHub hears of it; the workflow's later jobs do. With work, a launch does call."""
        _Wire.calls = []
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Wire)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        outputs, wire = story.workshop.folder / "outputs", f"http://127.0.0.1:{server.server_address[1]}"
        environ = {
            **dict.fromkeys(("AWS_ENDPOINT_URL", "GITHUB_API_URL"), wire),
            **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "x"),
            "AWS_REGION": "us-east-1",
            "GITHUB_TOKEN": "github_pat_made_up_for_this_test",
            "GITHUB_REPOSITORY": "acme/widgets",
            "GITHUB_RUN_ID": "7",
            "GITHUB_OUTPUT": str(outputs),
        }
        launch = ("launch", "--gpu", "t4", "--skip-if-nothing-to-do")
        try:
            skipped = story.workshop.command(hosted, *launch, **environ)
            said, _ = skipped.communicate(timeout=60)
            quiet = list(_Wire.calls)
            (hosted / "params.yaml").write_text("train: {depth: 4}\n", encoding="utf-8")
            launched = story.workshop.command(hosted, *launch, **environ)
            until(lambda: _Wire.calls or launched.poll() is not None, "nobody was called")
            launched.kill()
            went_on, _ = launched.communicate()
        finally:
            server.shutdown()
            server.server_close()
        told = outputs.read_text(encoding="utf-8")
        assert (skipped.returncode, quiet) == (0, [])
        assert "no machine is launched: nothing to do" in said
        assert told.index("false") < told.index("true"), "first there was no work, then there was"
        assert _Wire.calls, f"with work there is a launch: {went_on}"

    def test_a_script_hears_it_by_exit_code_if_it_wants_to(self, story: Story, hosted: Path) -> None:
        """14 is work; without the option it is no failure of a step."""
        (hosted / "params.yaml").write_text("train: {depth: 4}\n", encoding="utf-8")
        check = story.workshop.command(hosted, "dvc", "check", "--exit-code", "--json")
        said, _ = check.communicate(timeout=60)
        assert check.returncode == 14
        assert json.loads(said.splitlines()[-1]) == {"work": True, "would_run": ["train"], "unknown": []}

    def test_what_cannot_be_told_is_work(self, story: Story) -> None:
        """DVC calls a stage unchanged whose output is nowhere; that is no reason to launch nothing."""
        doubtful = story.workshop.clone("doubtful")
        told = story.workshop.pipeline(doubtful, push=False).answer()
        assert (told.work, told.run, told.unknown) == (True, [], ["notes"])
        forced = story.workshop.pipeline(doubtful, push=False, force=("train",)).answer()
        assert forced.run == ["train"], "a dry run tells of what is forced, too"


class TestEdits:
    """Files that are different for the length of a run."""

    def test_are_undone_by_the_next_command_when_the_run_was_killed(self, tmp_path: Path) -> None:
        """Byte for byte, with mode and time; nothing of it is left."""
        file = tmp_path / "params.yaml"
        file.write_bytes(PARAMS.encode())
        os.utime(file, (1_700_000_000, 1_700_000_000))
        dies = (
            "import os, pathlib, sys; from runnerkit.job.edits import edited; root = pathlib.Path(sys.argv[1])\n"
            "with edited(root, {root / 'params.yaml': b'changed'}, print):\n"
            "    assert (root / 'params.yaml').read_bytes() == b'changed'; os.kill(os.getpid(), 9)"
        )
        died = subprocess.run([sys.executable, "-c", dies, str(tmp_path)], check=False)
        assert (died.returncode, file.read_bytes()) == (-signal.SIGKILL, b"changed")
        said = list[str]()
        heal(tmp_path, said.append)
        assert (file.read_bytes(), file.stat().st_mtime) == (PARAMS.encode(), 1_700_000_000)
        assert len(said) == 1
        heal(tmp_path, said.append)
        assert len(said) == 1, "there is nothing left to put back"

    def test_of_a_run_that_lives_are_left_alone(self, tmp_path: Path) -> None:
        """A second run in the same checkout would take the first one's files for its own."""
        file = tmp_path / "params.yaml"
        file.write_text("a: 1\n", encoding="utf-8")
        with edited(tmp_path, {file: b"a: 2\n"}, print):
            with pytest.raises(ConfigError, match="another `runnerkit dvc` command"):
                heal(tmp_path, print)
            assert file.read_text(encoding="utf-8") == "a: 2\n"
        assert file.read_text(encoding="utf-8") == "a: 1\n"

    def test_do_not_cost_what_somebody_wrote_meanwhile(self, tmp_path: Path) -> None:
        """Their text stays, and what was there before is kept beside."""
        file, said = tmp_path / "params.yaml", list[str]()
        file.write_text("a: 1\n", encoding="utf-8")
        with edited(tmp_path, {file: b"a: 2\n"}, said.append):
            file.write_text("a: 1\nb: mine\n", encoding="utf-8")
        assert file.read_text(encoding="utf-8") == "a: 1\nb: mine\n"
        assert "::warning::" in said[0]
        assert "a: 1\n" in [kept.read_text(encoding="utf-8") for kept in tmp_path.glob(".dvc/tmp/*/*.kept")]


class TestTexts:
    """What is changed in a file, and what is not."""

    def _changed(self, tmp_path: Path, file: str, text: str, said: str) -> str:
        (tmp_path / file).write_bytes(text.encode())
        (found,) = freezing.changes(Project(tmp_path, tmp_path), (), (said,)).values()
        return found.decode()

    @pytest.mark.parametrize(
        ("text", "said", "new"),
        [
            (PARAMS, "train.depth=7", PARAMS.replace("3 ", "7 ")),
            (PARAMS, "train.rates.1=2e-4", PARAMS.replace("1e-3", "2e-4")),
            ("a: {b: 1, c: x}\n", "a.c=y, z", 'a: {b: 1, c: "y, z"}\n'),
            ("a:\n  - 1\n  - 2\nb: 3\n", "a=[4, 5]", "a:\n  [4, 5]\nb: 3\n"),
            ("a: |\n  long\nb: 3\n", "a=short", "a: short\nb: 3\n"),
            ("a: 0x1F\nb: yes\nc: 1e3\n", "b=no", "a: 0x1F\nb: no\nc: 1e3\n"),
            ("größe: 1\n", "größe=2", "größe: 2\n"),
        ],
    )
    def test_one_value_of_yaml_and_nothing_else(self, tmp_path: Path, text: str, said: str, new: str) -> None:
        """Comments, ends of lines, and what other rules would read differently stay as they are."""
        assert self._changed(tmp_path, "params.yaml", text, said) == new

    def test_json_and_toml_too(self, tmp_path: Path) -> None:
        """Their values keep their types."""
        assert json.loads(self._changed(tmp_path, "p.json", '{"a": {"b": 1}}', "p.json:a.b=2")) == {"a": {"b": 2}}
        assert self._changed(tmp_path, "p.toml", "# why\n[a]\nb = 1\n", "p.toml:a.b=2") == "# why\n[a]\nb = 2\n"

    @pytest.mark.parametrize(
        ("text", "said", "words"),
        [
            (PARAMS, "train.dept=7", "has no param"),
            (PARAMS, "train.depth", "sets no param"),
            (PARAMS, "other.yaml:a=1", "there is no params file"),
            ("a: &x 1\nb: *x\n", "b=2", "is written in another place"),
            ("base: &x {a: 1}\nt:\n  <<: *x\n", "t.a=2", "is written in another place"),
            ("a: 1\n", "a=[", "is no YAML"),
        ],
    )
    def test_a_slip_is_named_before_anything_runs(self, tmp_path: Path, text: str, said: str, words: str) -> None:
        """It would change nothing, or something else, and nobody would notice."""
        with pytest.raises(ConfigError) as caught:
            self._changed(tmp_path, "params.yaml", text, said)
        assert words in caught.value.message

    def test_only_what_is_frozen_can_be_unfrozen(self, tmp_path: Path) -> None:
        """Of a group all are; a name that is not there has neighbours."""
        text = PROJECT + "  each:\n    foreach: [a, b]\n    do: {cmd: x, frozen: true}\n"
        (tmp_path / "dvc.yaml").write_text(text, encoding="utf-8")
        project = Project(tmp_path, tmp_path)
        (found,) = freezing.changes(project, ("each", "ingest"), ()).values()
        assert found.decode() == text.replace("frozen: true", "frozen: false")
        for name, words in {"train": "is not frozen", "ingets": "has no stage", "each@a": "one of a group"}.items():
            with pytest.raises(ConfigError) as caught:
                freezing.changes(project, (name,), ())
            assert words in caught.value.message
