"""`runnerkit dvc run` where repositories, stages and machines are not as one would like them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import NotPushed, PipelineFailed, SpotInterrupted
from runnerkit.job.pipeline import Project
from runnerkit.job.place import Place
from runnerkit.job.reporting import Report
from tests.job.workshop import Workshop, alive, commit, git, run_file, states, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


MATRIX = """vars: [cities.yaml]
stages:
  größe und form:
    cmd: echo x >> $COUNTERS/unicode && cat raw.txt > 'mit leer.txt'
    deps: [raw.txt]
    outs: ['mit leer.txt']
  each:
    matrix: {city: '${cities}'}
    cmd: echo x >> $COUNTERS/each && echo '{"loss":' $(wc -c < 'mit leer.txt') '}' > ${item.city}.json
    deps: ['mit leer.txt']
    metrics: [{'${item.city}.json': {cache: false}}]
  always:
    cmd: echo x >> $COUNTERS/always && echo 1 > now.txt
    always_changed: true
    outs: [now.txt]
  frozen:
    frozen: true
    cmd: exit 1
    deps: [raw.txt]
    outs: [{kept.txt: {cache: false}}]
"""


class TestAProjectBelowTheTopOfItsRepository:
    """`dvc init --subdir`: git's paths begin elsewhere than DVC's."""

    def test_is_restored_compared_and_not_accused(self, workshop: Workshop) -> None:
        """Names with spaces, letters of all kinds, a matrix, templates; metrics in git count as declared."""
        files = {
            "cities.yaml": "cities: [oslo, köln]\n",
            "oslo.json": '{"loss": 99}',
            "köln.json": '{"loss": 1}',
            "kept.txt": "k\n",
            ".gitignore": "/mit leer.txt\n/now.txt\n",
        }
        whole = workshop.folder / "whole"
        workshop.origin(project=MATRIX, files=files)
        (workshop.folder / "origin/.git").rename(workshop.folder / "old.git")
        whole.mkdir()
        (workshop.folder / "origin").rename(whole / "ml")
        git(whole, "init", "-q", "-b", "main")
        base = commit(whole)
        result = workshop.pipeline(whole / "ml").run()
        assert set(states(result).items()) >= {
            ("größe und form", "run"),
            ("each@oslo", "run"),
            ("each@köln", "run"),
            ("always", "run"),
        }
        assert (result.outcome, result.changed, result.pushed) == ("success", [], True)

        report = Report.gather(Project.find(whole / "ml"), Place(), base=base)
        told = {(each.file, each.old, each.new, report.directions.verdict(each)) for each in report.metrics}
        assert told == {("oslo.json", 99, 8, "better"), ("köln.json", 1, 8, "worse")}
        assert f"base ({base[:8]})" in report.body()

        git(workshop.folder, "clone", "-q", str(whole), "again")
        second = workshop.pipeline(workshop.folder / "again/ml").run()
        assert states(second)["größe und form"] == "restored"
        assert states(second)["each@oslo"] == "run", "its metrics are not cached, so nothing restores it without a lock"
        assert workshop.executed("unicode") == 1

    def test_a_whole_clone_is_not_made_shallow_by_a_report(self, workshop: Workshop) -> None:
        """One commit is enough for a shallow checkout; of a whole one it would cut off the history."""
        origin = workshop.origin()
        clone = workshop.clone()
        git(origin, "checkout", "-q", "-b", "other")
        (origin / "params.yaml").write_text("train:\n  depth: 9\n", encoding="utf-8")
        commit(origin)
        report = Report.gather(Project.find(clone), Place(base="other", base_is_branch=True))
        assert report.base == "other"
        assert git(clone, "rev-parse", "--is-shallow-repository") == "false"


class TestAStageThatIsInterrupted:
    """By AWS, in the middle of its work."""

    def test_and_ends_well_all_the_same_is_trained_again_by_the_next_machine(self, workshop: Workshop) -> None:
        """Many trainings catch the interrupt, save what they have, and end with 0; that is no result."""
        half = (
            "trap 'echo half > model.txt; exit 0' INT; echo up > $COUNTERS/up; for i in $(seq 600); do sleep 0.1; done"
        )
        train = f'if [ -n "$SLOW" ]; then {half}; fi; cat data.txt > model.txt'
        workshop.extra["SLOW"] = "1"
        origin = workshop.origin(train=train)
        telling = threading.Thread(target=_announce_when_up, args=(workshop, 45.0))
        telling.start()
        begun = time.time()
        with pytest.raises(SpotInterrupted, match="what was finished is pushed"):
            workshop.pipeline(origin).run()
        telling.join()
        assert time.time() < _told_at(workshop) + 20 - 5, "the report would not have had its time"
        assert begun < _told_at(workshop)
        assert states(run_file(origin))["train"] == "stopped"

        workshop.extra["SLOW"] = ""
        (workshop.root / "run/runnerkit/notice.json").unlink()
        result = workshop.pipeline(clone := workshop.clone()).run()
        assert states(result) == {"prepare": "restored", "train": "run", "evaluate": "run"}
        assert "half" not in (clone / "model.txt").read_text(encoding="utf-8")

    def test_is_given_its_time_after_dvc_has_died(self, workshop: Workshop) -> None:
        """DVC dies of SIGTERM at once; a training that saves on SIGTERM needs a moment more."""
        ignores = "trap '' INT; trap 'sleep 0.6; echo saved > $COUNTERS/saved; exit 1' TERM"
        origin = workshop.origin(train=f"{ignores}; echo up > $COUNTERS/up; while :; do sleep 0.1; done")
        telling = threading.Thread(target=_announce_when_up, args=(workshop, 40.0))
        telling.start()
        with pytest.raises(SpotInterrupted):
            workshop.pipeline(origin).run()
        telling.join()
        assert (workshop.counters / "saved").exists()


def _announce_when_up(workshop: Workshop, seconds: float) -> None:
    until((workshop.counters / "up").exists, "the training stage never started")
    workshop.announce(seconds)


def _told_at(workshop: Workshop) -> float:
    return float(json.loads((workshop.root / "run/runnerkit/notice.json").read_text(encoding="utf-8"))["seen_at"])


class TestAStageThatMisbehaves:
    """What it prints and leaves behind."""

    def test_may_print_anything(self, workshop: Workshop) -> None:
        """Bytes that are no text, a line of three megabytes, no newline at the end: the facts stay right."""
        prints = "head -c 300000 /dev/urandom; head -c 3000000 /dev/zero | tr '\\0' x; printf 'no end'"
        result = workshop.pipeline(workshop.origin(train=f"{prints}; cat data.txt > model.txt")).run()
        assert states(result) == {"prepare": "run", "train": "run", "evaluate": "run"}

    def test_that_leaves_a_chatterbox_behind_does_not_keep_the_run_from_ending(self, workshop: Workshop) -> None:
        """It goes on printing for ever, and ends with the run."""
        chatter = "yes chatter & echo $! > $COUNTERS/pid; cat data.txt > model.txt"
        result = workshop.pipeline(workshop.origin(train=f"{{ {chatter}; }}")).run()
        assert result.outcome == "success"
        until(lambda: not alive(int((workshop.counters / "pid").read_text(encoding="utf-8"))), "it still chatters")

    def test_faster_than_we_read_is_told_rightly(self, workshop: Workshop) -> None:
        """When we come to DVC's words, the stage that they announce may be running or over."""
        lines = list[str]()

        def slowly(line: str) -> None:
            time.sleep(0.3)
            lines.append(line)

        pipeline = workshop.pipeline(workshop.origin())
        pipeline._say = slowly  # a reader that is slower than any real one
        told = pipeline.run()
        assert states(told) == {"prepare": "run", "train": "run", "evaluate": "run"}
        assert len(list(workshop.remote.glob("runs/*/*/*"))) == 3
        assert sum("done in" in line for line in lines) == 3


class TestPushing:
    """What else is in the repository, and what else is on the machine."""

    def test_is_no_matter_of_data_that_somebody_forgot_to_push(self, workshop: Workshop) -> None:
        """Another pipeline's data is neither here nor on the remote."""
        lost = "outs:\n- md5: 0123456789abcdef0123456789abcdef\n  size: 3\n  hash: md5\n  path: lost.csv\n"
        result = workshop.pipeline(workshop.origin(files={"other/lost.csv.dvc": lost})).run()
        assert (result.outcome, result.pushed) == ("success", True)
        assert states(workshop.pipeline(workshop.clone()).run())["evaluate"] == "restored"

    def test_that_cannot_even_start_ends_no_training(self, workshop: Workshop) -> None:
        """As on a full disk: the pipeline runs to its end, and then it is said."""
        origin = workshop.origin(files={".dvc/tmp/runnerkit-push": "in the way"})
        said = list[str]()
        with pytest.raises(NotPushed, match="could not be pushed"):
            workshop.pipeline(origin, said, push_after=0.0).run()
        assert set(states(run_file(origin)).values()) == {"run"}
        assert any("a push failed and is tried again later" in line for line in said)

    def test_takes_data_of_dvc_2_along(self, workshop: Workshop) -> None:
        """It lies beside the newer cache, not in it."""
        old = "outs:\n- md5: 5d41402abc4b2a76b9719d911017c592\n  size: 5\n  path: old.txt\n"
        origin = workshop.origin(files={"old.txt.dvc": old, ".dvc/cache/5d/41402abc4b2a76b9719d911017c592": "hello"})
        workshop.pipeline(origin).run()
        assert (workshop.remote / "5d/41402abc4b2a76b9719d911017c592").exists()

    def test_is_left_out_where_nothing_changed_since_the_last_one(self, workshop: Workshop) -> None:
        """It costs as much as all the rest; a run that sent nothing makes the next one send everything."""
        origin = workshop.origin()
        pushes = [workshop.pipeline(origin, push=push).run().pushes for push in (False, True, True)]
        assert pushes == [0, 1, 0]
        assert states(workshop.pipeline(workshop.clone()).run())["evaluate"] == "restored"

    def test_without_a_remote_is_not_needed_on_a_laptop(self, workshop: Workshop) -> None:
        """Nothing is restored, everything runs; even what nobody foresaw is in the result."""
        origin = workshop.origin(files={".dvc/config": ""})
        pipeline, heard = workshop.pipeline(origin, push=False), list[str]()
        pipeline.listeners.append(lambda moment, _: heard.append(moment))
        pipeline.leave = _stumbles
        with pytest.raises(ZeroDivisionError):
            pipeline.run()
        told = run_file(origin)
        assert set(states(told).values()) == {"run"}
        assert (told["outcome"], told["error"], heard) == (
            "failed",
            "ZeroDivisionError: by chance",
            ["start", "failure"],
        )


def _stumbles(_: object) -> None:
    raise ZeroDivisionError("by chance")


class TestAnotherDvcCommandInTheSameFolder:
    """DVC waits for it without a word, and for ever."""

    def test_is_named_and_waited_for_no_longer_than_asked(self, workshop: Workshop) -> None:
        """The job says so instead of hanging until GitHub ends it after six hours."""
        origin = workshop.origin()
        (origin / ".dvc/tmp").mkdir(exist_ok=True)
        holds = (
            "import time, zc.lockfile; lock = zc.lockfile.LockFile('.dvc/tmp/lock'); print(flush=True); time.sleep(60)"
        )
        said = list[str]()
        with subprocess.Popen([sys.executable, "-c", holds], cwd=origin, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            other.stdout.readline()
            try:
                with pytest.raises(PipelineFailed, match=f"process {other.pid}"):
                    workshop.pipeline(origin, said, wait_for_lock=6.0).run()
            finally:
                other.kill()
        assert any(f"process {other.pid}) works in this project" in line for line in said)
        assert run_file(origin)["outcome"] == "failed"
