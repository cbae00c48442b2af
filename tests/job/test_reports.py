"""`runnerkit report`: what it says, where, and what it leaves alone."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from runnerkit.job.gating import Gate, Rule
from runnerkit.job.pictures import gathered
from runnerkit.job.pipeline import Project
from runnerkit.job.place import Place
from runnerkit.job.progress import State
from runnerkit.job.publishing import conclusion
from runnerkit.job.reporting import Drawing, Report
from runnerkit.job.result import Result, StageResult, folder_for_results
from runnerkit.job.sticky import marker
from runnerkit.job.values import Change
from runnerkit.job.versions import Base, declared
from runnerkit.sandbox.github import GitHubWorld
from tests.job.workshop import Workshop, commit, git

if TYPE_CHECKING:
    from pathlib import Path

from tests.job.drafts import REPO, STAGES, report

PROJECT = """stages:
  evaluate:
    cmd: "true"
    params: [train]
    metrics: [{metrics.json: {cache: false}}]
    plots: [{curve.csv: {x: epoch, y: loss}}]
"""


class TestWhatItSays:
    """Status, cost, tails, problems."""

    def test_status_names_stages_machine_price_and_cost(self) -> None:
        """Facts come from the agent's file, by way of the result."""
        told = report()
        assert told.result is not None
        told.result.machine = {
            "type": "g4dn.xlarge",
            "market": "spot",
            "zone": "eu-west-1a",
            "price": "0.16",
            "started_at": 1,
        }
        body = told.body()
        assert "stages: 1 run, 1 restored · 3.0 s · g4dn.xlarge spot in eu-west-1a · $0.160/h · about $" in body
        assert "[run 7](https://x/7)" in body

    def test_costs_end_with_the_pipeline_when_told_from_elsewhere(self) -> None:
        """A follow-up job knows nothing of the machine after the result was written."""
        told = report()
        assert told.result is not None
        told.result.machine, told.result.started, told.result.finished = {"price": 2, "started_at": 1000}, 1100, 2800
        told.here = False
        assert "$2.000/h · about $1.00" in told.body()

    def test_shows_the_gate_beside_the_metric_and_on_top(self) -> None:
        """What does not hold is named where nothing is cut, the rule stands in a table of its own."""
        told = report()
        told.base, told.metrics = "main", [Change("m.json", "acc", 0.9, 0.8), Change("m.json", "f1", 0.9, 0.9)]
        told.judged = Gate((Rule("acc", min=0.85), Rule("lost")), "gate.toml").judge(told.metrics, base="main")
        body = told.body()
        assert "❌ The gate does not hold, 2 of 2: acc: 0.8 is less than 0.85; lost: no metric of that name" in body
        assert "| acc | 0.8 | 0.9 | ▼ -0.1 | 🔴 worse | ❌ |" in body
        assert "| ❌ | acc | 0.8 | ≥ 0.85 | 0.8 is less than 0.85 |" in body
        assert "Rules: gate.toml." in body

    def test_of_a_run_that_goes_on_tells_where_it_is(self) -> None:
        """The running stage, and what is still to come."""
        told = report(outcome="running")
        assert told.result is not None
        told.result.stages = [StageResult("train", State.RUNNING), StageResult("evaluate", State.NOT_REACHED)]
        told.live = True
        assert "### ⏳ Running" in told.body()
        assert "stages: 1 to come · now: train" in told.body()

    @pytest.mark.parametrize(
        ("outcome", "least", "said"),
        [
            ("success", 0.1, "success"),
            ("success", 0.9, "failure"),
            ("failed", 0.1, "failure"),
            ("cancelled", 0.1, "cancelled"),
            ("interrupted", 0.1, "failure"),
            ("", 0.1, "neutral"),
        ],
    )
    def test_has_a_conclusion_for_a_check_run(self, outcome: str, least: float, said: str) -> None:
        """Success is a pipeline that is done and a gate that holds."""
        told = report(outcome=outcome)
        told.judged = Gate((Rule("acc", min=least),)).judge([Change("m", "acc", None, 0.5)], base="")
        assert conclusion(told) == said

    def test_shows_the_end_of_a_failed_stages_log(self) -> None:
        """Folded, in a fence, the last lines only."""
        told = report(outcome="failed")
        assert told.result is not None
        lines = "\n".join(f"line {number}" for number in range(100))
        told.result.stages = [StageResult("train", State.FAILED, 2.0, exit_code=3, log_tail=f"{lines}\n```")]
        told.result.error = "stage 'train' failed: its command ended with exit code 3"
        body = told.body()
        assert "<summary>The end of train's log</summary>" in body
        assert ("line 99" in body, "line 10\n" in body, "exit code 3" in body) == (True, False, True)

    def test_of_a_run_that_never_began_says_so(self) -> None:
        """For example because the set-up before it failed."""
        told = report()
        told.result = None
        assert "The pipeline did not run" in told.body()
        assert "a step before it failed" in told.body()

    def test_of_a_thousand_metrics_shows_those_that_changed(self) -> None:
        """The others are folded, and the whole still fits."""
        told = report()
        told.base = "main"
        told.metrics = [Change("m.json", f"m{number}", 1.0, 1.0 + (number % 100 == 0)) for number in range(1000)]
        body = told.body()
        assert len(body.encode()) < 65_536
        assert body.count("🟢 better") == 10
        assert "990 more are as at the base." in body
        assert "<summary>990 metrics as at the base</summary>" in body

    def test_does_not_pass_committed_metrics_for_those_of_a_failed_run(self) -> None:
        """They are in git, so the file is there, though the stage that writes it was not reached."""
        told = report(outcome="failed")
        told.metrics = [Change("m.json", "accuracy", None, 0.9)]
        assert "may be what was committed" in told.body()
        told.result = Result(outcome="success")
        assert "may be what was committed" not in told.body()

    def test_calls_a_stage_that_nobody_asked_for_so(self) -> None:
        """In a run of some targets that went well, "not reached" would sound like a failure."""
        told = report()
        assert told.result is not None
        told.result.stages = [StageResult("train", State.RUN, 2.0), StageResult("evaluate", State.NOT_REACHED)]
        assert "1 run, 1 not asked for" in told.body()
        told.result.outcome = "failed"
        assert "1 run, 1 not reached" in told.body()

    def test_keeps_its_marker_when_a_secret_is_a_part_of_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without it every run would write a new comment."""
        monkeypatch.setenv("MY_TOKEN", "runnerkit:report")
        told = report()
        told.params = [Change("p.yaml", "note", None, "runnerkit:report")]
        body = told.body()
        assert body.startswith(marker("train/gpu"))
        assert "| \\*" not in body
        assert "| *** |" in body

    def test_that_would_be_too_long_loses_sections_not_its_head(self) -> None:
        """GitHub takes 65,536 bytes and refuses one more."""
        told = report()
        told.drawings = [Drawing(f"plot {number}", "█" * 5_000) for number in range(20)]
        body = told.body()
        assert len(body.encode()) <= 65_536
        assert body.startswith(marker("train/gpu"))
        assert "Shortened to what GitHub takes" in body


class TestReadingAProject:
    """Metrics and params now and at the base, from a real git repository."""

    @pytest.fixture
    def project(self, tmp_path: Path) -> Project:
        """A shallow checkout of a branch whose metrics and params differ from main's."""
        workshop = Workshop(tmp_path)
        files = {"metrics.json": '{"accuracy": 0.9, "loss": 0.5, "gone": 1}', "curve.csv": "epoch,loss\n1,2\n2,1\n"}
        here = workshop.origin(project=PROJECT, files=files)
        git(here, "checkout", "-q", "-b", "change")
        (here / "metrics.json").write_text('{"accuracy": NaN, "loss": 0.25}', encoding="utf-8")
        (here / "params.yaml").write_text("train:\n  depth: 4\n", encoding="utf-8")
        commit(here)
        git(tmp_path, "clone", "-q", "--depth", "1", "--branch", "change", f"file://{here}", "shallow")
        return Project.find(tmp_path / "shallow")

    def test_the_base_is_fetched_into_a_shallow_checkout(self, project: Project) -> None:
        """Checkout's default depth of 1 is enough."""
        found = Report.gather(project, Place(base="main", base_is_branch=True))
        rows = {change.name: (change.old, found.directions.verdict(change)) for change in found.metrics}
        assert rows == {"accuracy": (0.9, "not a number"), "loss": (0.5, "better"), "gone": (1, "gone")}
        assert [(change.name, change.old, change.new) for change in found.params] == [("train.depth", 3, 4)]
        assert "`git" not in found.body()
        assert "| loss | 0.25 | 0.5 | ▼ -0.25 | 🟢 better |" in found.body()

    def test_params_are_those_that_the_results_belong_to(self, project: Project) -> None:
        """The run set one for itself, and the file is as before by now; a file that nobody declares is not read."""
        said = ["train.depth=9", "../../secret.yaml:a=1"]
        Result(outcome="success", overrides=said, continued=["train"]).write(folder_for_results(project.work))
        found = Report.gather(project, Place(base="main", base_is_branch=True))
        assert [(change.name, change.old, change.new) for change in found.params] == [("train.depth", 3, 9)]
        body = found.body()
        assert "params set for this run alone: train.depth=9" in body
        assert "stages that went on from a checkpoint: train" in body
        Result(outcome="success", overrides=["train.width=9"]).write(project.work)
        found = Report.gather(project, Place(base="main", base_is_branch=True))
        assert "has no param 'train.width'" in found.problems[0]

    def test_the_job_after_knows_that_the_machine_is_another(
        self, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So what it costs ends with the result, not with the report."""
        facts = {"id": "i-1", "price": "2", "started_at": 1000.0}
        result = Result(outcome="success", started=1100.0, finished=2800.0, machine=dict(facts))
        result.write(folder_for_results(project.work))
        monkeypatch.setenv("RUNNERKIT_ROOT", str(tmp_path / "hosted"))
        told = Report.gather(project, Place())
        assert (told.here, told.as_dict()["cost"]) == (False, 1.0)
        (tmp_path / "hosted/run/runnerkit").mkdir(parents=True)
        (tmp_path / "hosted/run/runnerkit/machine.json").write_text(json.dumps(facts), encoding="utf-8")
        assert Report.gather(project, Place()).here

    def test_a_base_that_cannot_be_had_is_said(self, project: Project) -> None:
        """The report comes all the same, without a comparison."""
        found = Report.gather(project, Place(base="nowhere", base_is_branch=True))
        assert found.params == []
        assert found.problems == ["the base nowhere could not be read, so nothing is compared"]

    def test_a_base_cannot_be_an_option_to_git(self, project: Project, tmp_path: Path) -> None:
        """Branch names come from a pull request."""
        bad = f"--upload-pack=touch {tmp_path / 'owned'};"
        assert Report.gather(project, Place(), base=bad).base == ""
        assert not (tmp_path / "owned").exists()

    @pytest.mark.parametrize("text", ["{", "[1, 2]", '"x"', "\x80", None])
    def test_a_metrics_file_that_is_broken_or_missing_breaks_nothing(self, project: Project, text: str | None) -> None:
        """It is named, and the rest is reported."""
        file = project.here / "metrics.json"
        file.unlink() if text is None else file.write_bytes(text.encode("latin-1"))
        found = Report.gather(project, Place(base="main", base_is_branch=True))
        assert "curve.csv" in found.body()
        assert all(change.new is None for change in found.metrics if change.name == "accuracy")

    def test_of_others_files_says_nothing(self, project: Project, tmp_path: Path) -> None:
        """A pull request names what is shown, and the job that reports may read more than its author: no secrets."""
        (tmp_path / "config.json").write_text('{"auth": "hidden-token"}', encoding="utf-8")
        (tmp_path / "auth.csv").write_text("x\nhidden-token\n", encoding="utf-8")
        (project.here / "linked.json").symlink_to(tmp_path / "config.json")
        (project.here / ".git/plain.json").write_text('{"auth": "hidden-token"}', encoding="utf-8")
        (project.here / "images").mkdir()
        (project.here / "images/a.png").symlink_to(tmp_path / "auth.csv")
        names = ["metrics.json", "../config.json", str(tmp_path / "config.json"), "linked.json", ".git/plain.json"]
        plots = ["images", {"../auth.csv": {"template": "confusion", "x": "x", "y": "x"}}]
        said = {"metrics": names, "params": ["../config.json"], "plots": plots}
        # As somebody would who wants links into the folder to look like DVC's own.
        (project.root / ".dvc/config").write_text(f"[cache]\ndir = {tmp_path}\n", encoding="utf-8")
        (project.here / "dvc.yaml").write_text(json.dumps(said), encoding="utf-8")
        found = Report.gather(project, Place())
        assert {each.file for each in found.metrics} == {"metrics.json"}
        assert "hidden-token" not in found.body()
        assert sum("is not read" in each for each in found.problems) == 5
        assert gathered(project, declared(project).plots, Base(project, ""), None).pictures == []

    def test_cached_metrics_are_found_from_the_folder_of_their_stage(self, project: Project) -> None:
        """A lock names outputs from there; here and at the base the report means the same file."""
        stage = {"cmd": "x", "wdir": "models", "metrics": [{"../scores.json": {"cache": True}}]}
        (project.here / "dvc.yaml").write_text(json.dumps({"stages": {"fit": stage}}), encoding="utf-8")
        out = "{path: ../scores.json, md5: abcdef}"
        (project.here / "dvc.lock").write_text(f"stages: {{fit: {{outs: [{out}]}}}}", encoding="utf-8")
        commit(project.here)
        cached = project.root / ".dvc/cache/files/md5/ab/cdef"
        cached.parent.mkdir(parents=True)
        cached.write_text('{"f1": 0.5}', encoding="utf-8")
        (project.here / "scores.json").write_text('{"f1": 0.75}', encoding="utf-8")
        found = Report.gather(project, Place(), base="HEAD")
        assert [(each.file, each.old, each.new) for each in found.metrics] == [("scores.json", 0.5, 0.75)]

    def test_cached_metrics_at_the_base_come_from_the_cache(self, project: Project) -> None:
        """By the hash that the base's lock names."""
        (project.here / "dvc.lock").write_text(
            "stages: {evaluate: {outs: [{path: metrics.json, md5: abcdef}]}}", encoding="utf-8"
        )
        git(project.here, "rm", "-q", "--cached", "metrics.json")
        commit_without_metrics(project)
        cached = project.root / ".dvc/cache/files/md5/ab/cdef"
        cached.parent.mkdir(parents=True)
        cached.write_text('{"loss": 0.75}', encoding="utf-8")
        found = Report.gather(project, Place(), base="HEAD")
        assert [change.old for change in found.metrics if change.name == "loss"] == [0.75]


def commit_without_metrics(project: Project) -> None:
    git(project.here, "add", "dvc.lock")
    git(project.here, "-c", "user.name=octocat", "-c", "user.email=o@example.com", "commit", "-q", "-m", "cached")


class TestWhereItGoes:
    """The command in the environment that GitHub gives a job."""

    def test_finds_the_pull_request_in_the_event(self, tmp_path: Path) -> None:
        """The report speaks of the head that was pushed, not of the merge that was checked out."""
        event = {"pull_request": {"number": 12, "head": {"sha": "cd" * 20}, "base": {"ref": "main"}}}
        (tmp_path / "event.json").write_text(json.dumps(event), encoding="utf-8")
        place = Place.of({"GITHUB_EVENT_PATH": str(tmp_path / "event.json"), "GITHUB_SHA": "ef" * 20})
        assert (place.number, place.sha, place.base, place.base_is_branch) == (12, "cd" * 20, "main", True)

    def test_finds_it_in_the_ref_when_there_is_no_event(self) -> None:
        """As in container steps that do not see the file."""
        assert Place.of({"GITHUB_REF": "refs/pull/34/merge", "GITHUB_EVENT_PATH": "/nowhere"}).number == 34

    def test_compares_a_push_with_the_commit_before(self, tmp_path: Path) -> None:
        """And a first push with the default branch."""
        file = tmp_path / "event.json"
        file.write_text(json.dumps({"before": "ab" * 20}), encoding="utf-8")
        pushed = Place.of({"GITHUB_EVENT_PATH": str(file)})
        file.write_text(json.dumps({"before": "0" * 40, "repository": {"default_branch": "main"}}), encoding="utf-8")
        first = Place.of({"GITHUB_EVENT_PATH": str(file)})
        assert [(each.base, each.base_is_branch, each.number) for each in (pushed, first)] == [
            ("ab" * 20, False, None),
            ("main", True, None),
        ]

    def test_compares_a_merge_queue_with_what_it_merges_into(self, tmp_path: Path) -> None:
        """That may be other changes in the queue, not the branch as it is now; no one pull request is meant."""
        file = tmp_path / "event.json"
        group = {"base_sha": "ab" * 20, "head_sha": "cd" * 20, "base_ref": "refs/heads/main"}
        file.write_text(json.dumps({"merge_group": group, "repository": {"default_branch": "main"}}), encoding="utf-8")
        place = Place.of({"GITHUB_EVENT_PATH": str(file), "GITHUB_REF": "refs/heads/gh-readonly-queue/main/pr-1-ab"})
        assert (place.base, place.base_is_branch, place.number) == ("ab" * 20, False, None)

    @pytest.mark.slow
    def test_writes_comment_and_step_summary_as_a_job_would(self, tmp_path: Path) -> None:
        """Through the real adapter to the sandbox's GitHub; with a read-only token it is in the summary only."""
        workshop = Workshop(tmp_path)
        here = workshop.origin(project=PROJECT, files={"metrics.json": '{"loss": 0.5}'})
        Result(outcome="success", started=1.0, finished=2.0, stages=list(STAGES)).write(
            folder_for_results(here / ".runnerkit")
        )
        with GitHubWorld() as world:
            world.add_repository(REPO)
            issue = world.add_pull_request(REPO)
            tokens = [
                world.add_token("actions", {"pull_requests": "write", "metadata": "read"}),
                world.add_token("actions", {"pull_requests": "read", "metadata": "read"}),
            ]
            told = [self._report(workshop, here, world, issue.number, token) for token in (*tokens, tokens[0])]
            violations = world.violations
        assert [code for code, _, _ in told] == [0, 0, 0], told
        assert "report created: " in told[0][1]
        assert "::notice::runnerkit: this token may not comment" in told[1][1]
        assert "report updated: " in told[2][1]
        assert all("Pipeline done" in summary for _, _, summary in told)
        assert violations == []

    def _report(
        self, workshop: Workshop, here: Path, world: GitHubWorld, number: int, token: str
    ) -> tuple[int, str, str]:
        summary = workshop.folder / "summary.md"
        summary.unlink(missing_ok=True)
        environ = {
            "GITHUB_API_URL": world.environment()["GITHUB_API_URL"],
            "GITHUB_REPOSITORY": REPO,
            "GITHUB_REF": f"refs/pull/{number}/merge",
            "GITHUB_TOKEN": token,
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_ACTIONS": "true",
        }
        command = workshop.command(here, "report", **environ)
        output, _ = command.communicate(timeout=60)
        return command.returncode, output, summary.read_text(encoding="utf-8") if summary.exists() else os.devnull
