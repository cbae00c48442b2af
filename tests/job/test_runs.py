"""`runnerkit dvc run` on real DVC: what runs, what is restored, what is pushed, what is told."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import NotPushed, OutputsMissing, PipelineFailed, SpotInterrupted
from tests.job.workshop import PROJECT, Workshop, commit, git, run_file, states, until

if TYPE_CHECKING:
    from pathlib import Path

    from runnerkit.job.result import Result

pytestmark = pytest.mark.slow


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


class Story:
    """One machine computes, a second one restores, a third has changed a param: on fresh checkouts without a lock."""

    def __init__(self, folder: Path) -> None:
        self.workshop = Workshop(folder)
        self.origin = self.workshop.origin()
        self.first = self.workshop.pipeline(self.origin).run()
        self.clone = self.workshop.clone()
        self.said: list[str] = []
        self.told: list[tuple[str, str]] = []
        listeners = (_fails, lambda moment, result: self.told.append((moment, result.outcome)))
        self.second = self.workshop.pipeline(self.clone, self.said, listeners=listeners).run()
        self.executed = [self.workshop.executed(stage) for stage in ("prepare", "train", "evaluate")]
        changed = self.workshop.clone("changed")
        (changed / "params.yaml").write_text("train:\n  depth: 4\n", encoding="utf-8")
        self.third = self.workshop.pipeline(changed).run()


def _fails(_moment: str, _result: Result) -> None:
    raise OSError("no network")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(tmp_path_factory.mktemp("story"))


class TestAFreshCheckoutWithoutALock:
    """Nobody committed dvc.lock; what another machine computed is on the remote."""

    def test_whoever_listens_hears_beginning_and_end(self, story: Story) -> None:
        """With the result; a listener that fails is a warning, and costs nobody else the news."""
        assert story.told == [("start", "running"), ("success", "success")]
        assert any("::warning::runnerkit: success could not be told: no network" in line for line in story.said)

    def test_is_restored_and_nothing_is_executed_again(self, story: Story) -> None:
        """Every stage comes from the run cache; counters outside of the checkouts stay where they were."""
        assert states(story.first) == {"prepare": "run", "train": "run", "evaluate": "run"}
        assert states(story.second) == {"prepare": "restored", "train": "restored", "evaluate": "restored"}
        assert story.executed == [1, 1, 1]
        assert (story.clone / "score.txt").read_text(encoding="utf-8").startswith("one\ntwo\n")

    def test_pushes_nothing_when_nothing_was_executed(self, story: Story) -> None:
        """What came from the remote is not sent back: a push costs more than all the rest."""
        assert (story.first.pushes, story.second.pushes) == (1, 0)
        assert story.second.pushed

    def test_runs_again_what_a_changed_param_concerns(self, story: Story) -> None:
        """Only stages below the change are executed, and the run cache gets only their entries."""
        assert states(story.third) == {"prepare": "restored", "train": "run", "evaluate": "run"}
        assert len(list(story.workshop.remote.glob("runs/*/*/*"))) == 5

    def test_leaves_nothing_of_ours_in_git_and_no_room_behind(self, story: Story) -> None:
        """Git sees DVC's lock and nothing else; the room of the pushes is gone."""
        assert not (story.origin / ".dvc/tmp/runnerkit-push").exists()
        assert git(story.origin, "status", "--short") == "?? dvc.lock"

    def test_has_its_times_and_its_versions_in_the_result_file(self, story: Story) -> None:
        """Programs read the same that people see."""
        told = run_file(story.origin)
        assert (told["outcome"], told["exit_code"], told["interrupted"]) == ("success", 0, False)
        assert told["sha"] == git(story.origin, "rev-parse", "HEAD")
        assert told["dvc"].startswith("3.")
        assert all(0 < stage["seconds"] <= told["seconds"] for stage in told["stages"])


class TestASpotNotice:
    """AWS announces to take the machine while a stage runs."""

    def test_pushes_what_is_finished_and_the_next_machine_goes_on_from_there(self, workshop: Workshop) -> None:
        """The stage under way is interrupted in time; on a new checkout only that one starts again."""
        slow = 'echo up > $COUNTERS/up && if [ -n "$SLOW" ]; then sleep 60; fi && cat data.txt > model.txt'
        workshop.extra["SLOW"] = "1"
        origin, said = workshop.origin(train=slow), list[str]()
        telling = threading.Thread(target=_announce_when_up, args=(workshop, 24.0))
        telling.start()
        with pytest.raises(SpotInterrupted, match="what was finished is pushed") as caught:
            workshop.pipeline(origin, said).run()
        telling.join()
        assert caught.value.exit_code == 11
        assert states(run_file(origin)) == {"prepare": "run", "train": "stopped", "evaluate": "not reached"}
        assert (run_file(origin)["outcome"], run_file(origin)["interrupted"]) == ("interrupted", True)
        assert sum("::warning::runnerkit: spot interruption" in line for line in said) == 1

        workshop.extra["SLOW"] = ""
        workshop.announce(300)
        result = workshop.pipeline(workshop.clone()).run()
        assert states(result) == {"prepare": "restored", "train": "run", "evaluate": "run"}
        assert (workshop.executed("prepare"), workshop.executed("train")) == (1, 2)
        # A notice that leaves enough time interrupts nothing; the result tells that it was a narrow one.
        assert (result.outcome, result.interrupted, result.pushed) == ("success", True, True)


def _announce_when_up(workshop: Workshop, seconds: float) -> None:
    until((workshop.counters / "up").exists, "the training stage never started")
    workshop.announce(seconds)


class TestWhilePushing:
    """Finished stages go to the remote while the next one computes."""

    def test_a_finished_stage_is_on_the_remote_before_the_next_one_ends(self, workshop: Workshop) -> None:
        """The training stage itself waits until it sees what prepare wrote on the remote."""
        sees = "for i in $(seq 200); do ls $REMOTE/runs/*/*/* && break; sleep 0.1; done; ls $REMOTE/runs/*/*/*"
        workshop.extra["REMOTE"] = str(workshop.remote)
        result = workshop.pipeline(workshop.origin(train=f"({sees}) && cat data.txt > model.txt"), push_after=0.0).run()
        assert result.outcome == "success"
        assert result.pushes >= 2

    def test_another_dvc_command_does_not_cost_the_stage_that_ends_meanwhile(self, workshop: Workshop) -> None:
        """DVC gives up after three seconds without its lock; ours waits for it."""
        holds = (
            "python -c 'import time, zc.lockfile; lock = zc.lockfile.LockFile(\".dvc/tmp/lock\"); time.sleep(4.5)' "
            ">/dev/null 2>&1 & sleep 1"
        )
        origin = workshop.origin(train=f"({holds}) && cat data.txt > model.txt")
        result = workshop.pipeline(origin, targets=("train",), push=False).run()
        assert states(result)["train"] == "run"

    def test_a_remote_that_refuses_makes_the_run_fail_though_the_pipeline_is_done(self, workshop: Workshop) -> None:
        """Results that are on a machine about to vanish are no results."""
        workshop.extra["REMOTE"] = str(workshop.remote)
        origin = workshop.origin(train="rm -r $REMOTE && touch $REMOTE && cat data.txt > model.txt")
        with pytest.raises(NotPushed) as caught:
            workshop.pipeline(origin).run()
        assert caught.value.exit_code == 9
        assert run_file(origin)["outcome"] == "failed"


class TestAPipelineThatFails:
    """A stage ends badly, or promises what it does not keep."""

    def test_shows_the_stage_and_its_own_exit_code_and_keeps_what_was_finished(self, workshop: Workshop) -> None:
        """DVC itself always ends with 255; what the stage printed last is kept, without secrets and what it masks."""
        workshop.extra["API_TOKEN"] = "correct-horse"
        heard = list[str]()
        masks = "echo ::add-mask::made-up-just-now && echo got made-up-just-now"
        origin = workshop.origin(train=f"{masks} && echo no gradient for $API_TOKEN && exit 3")
        with pytest.raises(PipelineFailed, match="'train' failed: its command ended with exit code 3") as caught:
            workshop.pipeline(origin, listeners=(lambda moment, _: heard.append(moment),)).run()
        assert heard == ["start", "failure"]
        assert (caught.value.exit_code, caught.value.stage, caught.value.stage_exit) == (10, "train", 3)
        told = run_file(origin)
        train = next(stage for stage in told["stages"] if stage["name"] == "train")
        assert states(told) == {"prepare": "run", "train": "failed", "evaluate": "not reached"}
        assert "no gradient for ***" in train["log_tail"]
        assert "got ***" in train["log_tail"]
        assert not [word for word in ("correct-horse", "got made-up") if word in str(told)]
        assert list(workshop.remote.glob("runs/*/*/*"))

    def test_is_recognised_when_dvc_says_that_all_is_well_but_outputs_do_not_exist(self, workshop: Workshop) -> None:
        """An uncached, git-ignored output of an unchanged stage is never made on a fresh checkout, says DVC with 0."""
        project = PROJECT.replace("outs: [score.txt]", "outs: [{score.txt: {cache: false}}]")
        origin = workshop.origin(project=project)
        workshop.pipeline(origin).run()
        commit(origin, "the lock")
        with pytest.raises(OutputsMissing, match=r"score\.txt") as caught:
            workshop.pipeline(clone := workshop.clone()).run()
        assert caught.value.exit_code == 10
        assert run_file(clone)["missing"] == ["score.txt"]

    def test_is_recognised_when_a_stage_does_not_write_its_output(self, workshop: Workshop) -> None:
        """The command ended well, so the reason is DVC's own."""
        with pytest.raises(PipelineFailed, match=r"'train' failed: .*model\.txt") as caught:
            workshop.pipeline(workshop.origin(train="true")).run()
        assert caught.value.stage_exit is None


class TestWhatIsTold:
    """The result names what happened, whatever the stages print."""

    def test_a_stage_cannot_pass_for_another_by_its_output(self, workshop: Workshop) -> None:
        """Words that look like DVC's, printed by a stage, count no stage."""
        prints = "echo \"Running stage 'evaluate':\" && echo \"Stage 'other' didn't change, skipping\""
        result = workshop.pipeline(
            workshop.origin(train=f"{prints} && cat data.txt > model.txt"), targets=("train",)
        ).run()
        assert states(result) == {"prepare": "run", "train": "run", "evaluate": "not reached"}

    def test_a_tracked_file_that_a_stage_changes_without_declaring_it_is_named(self, workshop: Workshop) -> None:
        """It would be lost with the machine, and differ on the next one."""
        said = list[str]()
        origin = workshop.origin(train="echo more >> notes.md && cat data.txt > model.txt", files={"notes.md": "a\n"})
        result = workshop.pipeline(origin, said).run()
        assert result.changed == ["notes.md"]
        assert any("::warning::" in line and "notes.md" in line for line in said)

    def test_a_preview_names_what_would_run_and_runs_nothing(self, workshop: Workshop) -> None:
        """Nothing is executed, nothing written; what depends on outputs that are not there cannot be told."""
        origin = workshop.origin()
        result = workshop.pipeline(origin).preview()
        assert states(result) == {"prepare": "run", "train": "not reached", "evaluate": "not reached"}
        assert workshop.executed("prepare") == 0
        assert not (origin / ".runnerkit").exists()
