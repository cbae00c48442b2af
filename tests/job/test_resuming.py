"""A notice in stage 3 of 4: what the next machine executes, with us and with plain DVC.

The stages count their executions, and `train` its epochs, outside of every checkout.
"""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ConfigError, JobCancelled, SpotInterrupted
from runnerkit.stores import remote_store
from tests.job.workshop import BIN, Workshop, run_file, states, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

# Ten epochs, each saved by writing beside and renaming; after an interrupt it just dies.
TRAIN = """import json, os, pathlib, time
folder, state = pathlib.Path("checkpoints"), {"epoch": 0, "loss": 100.0}
folder.mkdir(exist_ok=True)
counters = pathlib.Path(os.environ["COUNTERS"])
if (folder / "state.json").exists():
    state = json.loads((folder / "state.json").read_text())
while state["epoch"] < 10:
    state = {"epoch": state["epoch"] + 1, "loss": state["loss"] * 0.75}
    with (counters / "epochs").open("a") as file:
        file.write(f"{state['epoch']}\\n")
    (folder / "weights.bin").write_bytes(bytes(1000))
    (folder / "draft").write_text(json.dumps(state))
    os.replace(folder / "draft", folder / "state.json")
    if state["epoch"] == 6 and os.environ.get("SLOW"):
        time.sleep(200)
json.dump(state, open("model.json", "w"))
"""
PIPELINE = """stages:
  fetch: {cmd: echo x >> $COUNTERS/fetch && cp raw.txt raw.csv, deps: [raw.txt], outs: [raw.csv]}
  prepare: {cmd: echo x >> $COUNTERS/prepare && cp raw.csv data.txt, deps: [raw.csv], outs: [data.txt]}
  train:
    cmd: echo x >> $COUNTERS/train && python train.py
    deps: [data.txt, train.py]
    params: [train]
    outs: [model.json]
    meta: {runnerkit: {checkpoints: [checkpoints]}}
  evaluate:
    cmd: echo x >> $COUNTERS/evaluate && cp model.json metrics.json
    deps: [model.json]
    metrics: [metrics.json]
"""
IGNORED = "/raw.csv\n/data.txt\n/model.json\n/metrics.json\n/checkpoints/\n"
FILES = {".gitignore": IGNORED, "train.py": TRAIN}
STAGES = ("fetch", "prepare", "train", "evaluate")


def _executed(workshop: Workshop) -> list[int]:
    return [workshop.executed(stage) for stage in STAGES]


class Story:
    """A machine is taken in stage 3; a second one goes on; beside it, the same by `dvc pull` and `dvc repro`."""

    def __init__(self, folder: Path) -> None:
        self.workshop = workshop = Workshop(folder)
        workshop.extra["SLOW"] = "1"
        origin = workshop.origin(project=PIPELINE, files=FILES)
        self.said: list[str] = []
        telling = threading.Thread(target=self._announce)
        telling.start()
        with pytest.raises(SpotInterrupted) as caught:
            workshop.pipeline(origin, self.said, stores=remote_store, push_after=1.0, keep_every=0.5).run()
        telling.join()
        self.error = caught.value
        self.interrupted = run_file(origin)
        self.kept = sorted(path.name for path in workshop.remote.glob("runnerkit/checkpoints/*/*"))

        workshop.extra["SLOW"] = ""
        (workshop.root / "run/runnerkit/notice.json").unlink()
        self.before = _executed(workshop)
        self.second = workshop.clone("second")
        self.again: list[str] = []
        self.result = workshop.pipeline(self.second, self.again, stores=remote_store).run()
        self.after = _executed(workshop)
        self.epochs = [int(line) for line in (workshop.counters / "epochs").read_text(encoding="utf-8").split()]

    def _announce(self) -> None:
        until(lambda: any("checkpoint of 'train' kept" in line for line in self.said), "no checkpoint was kept", 120)
        until(lambda: {"fetch", "prepare"} <= self._pushed(), "what is finished was not pushed", 120)
        self.workshop.announce(24.0)

    def _pushed(self) -> set[str]:
        start = "runnerkit: pushed "
        lines = [line.removeprefix(start).partition(" in ")[0] for line in self.said if line.startswith(start)]
        return {name for line in lines for name in line.split(", ")}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(tmp_path_factory.mktemp("story"))


class TestANoticeInStageThreeOfFour:
    """With `runnerkit dvc run` on both machines."""

    def test_fails_fast_and_leaves_stages_and_checkpoint_on_the_remote(self, story: Story) -> None:
        """Exit code 11; a manifest and the pieces it names."""
        assert story.error.exit_code == 11
        assert states(story.interrupted) == {
            "fetch": "run",
            "prepare": "run",
            "train": "stopped",
            "evaluate": "not reached",
        }
        assert len(story.kept) == 3
        assert "manifest.json" in story.kept

    def test_restores_stages_one_and_two_and_executes_neither(self, story: Story) -> None:
        """Their counters stay where they were."""
        assert (story.before, story.after) == ([1, 1, 1, 0], [1, 1, 2, 1])
        assert states(story.result) == {"fetch": "restored", "prepare": "restored", "train": "run", "evaluate": "run"}

    def test_goes_on_with_stage_three_where_it_was(self, story: Story) -> None:
        """No epoch is computed twice, and the metrics are those of an undisturbed run."""
        assert story.epochs == list(range(1, 11))
        assert story.result.continued == ["train"]
        assert any("goes on from its checkpoint" in line for line in story.again)
        metrics = json.loads((story.second / "metrics.json").read_text(encoding="utf-8"))
        assert metrics == {"epoch": 10, "loss": pytest.approx(100 * 0.75**10)}

    def test_removes_the_checkpoint_once_the_stage_is_pushed(self, story: Story) -> None:
        """It cost money, and is of no more use."""
        assert not list(story.workshop.remote.glob("runnerkit/checkpoints/**/*.json"))


MATRIX = """stages:
  fit:
    matrix: {city: [rome]}
    cmd: sh fit.sh ${key}
    deps: [fit.sh]
    outs: ['${key}.txt']
    meta: {runnerkit: {checkpoints: ['state/${key}']}}
"""
# One step each time that it runs, and one more when it is interrupted.
FIT = """mkdir -p state/$1
echo step >>state/$1/.new && cat state/$1/steps >>state/$1/.new 2>/dev/null
mv state/$1/.new state/$1/steps
trap 'echo interrupted >>state/$1/steps; exit 1' INT
echo x >>$COUNTERS/fit
if [ -n "$SLOW" ]; then sleep 200; fi
cp state/$1/steps $1.txt
"""


def test_a_cancelled_stage_of_a_matrix_goes_on_from_what_it_saved_last(tmp_path: Path) -> None:
    """Within GitHub's seconds the checkpoint is sent, under the name of that one stage; the key fills in the folder."""
    workshop = Workshop(tmp_path)
    files = {"fit.sh": FIT, ".gitignore": "/rome.txt\n/state/\n"}
    first = workshop.command(workshop.origin(project=MATRIX, files=files), "dvc", "run", SLOW="1")
    until(lambda: workshop.executed("fit"), "the stage never began", 120)
    first.send_signal(signal.SIGINT)
    said, _ = first.communicate(timeout=120)
    assert first.returncode == JobCancelled.exit_code, said
    second = workshop.clone("second")
    result = workshop.pipeline(second, stores=remote_store).run()
    assert (result.continued, states(result)) == (["fit@rome"], {"fit@rome": "run"})
    assert (second / "rome.txt").read_text(encoding="utf-8").split() == ["step", "step", "interrupted"]
    assert not list(workshop.remote.glob("runnerkit/checkpoints/**/*.json"))


def test_plain_dvc_executes_stages_one_and_two_again(tmp_path: Path) -> None:
    """The same on another remote by `dvc repro`, killed in stage 3; then `dvc pull` and `dvc repro` elsewhere."""
    workshop = Workshop(tmp_path)
    workshop.extra["SLOW"] = "1"
    origin = workshop.origin(project=PIPELINE, files=FILES)
    environ, dvc = {**workshop.environ, "DVC_NO_ANALYTICS": "1"}, str(BIN / "dvc")
    with subprocess.Popen([dvc, "repro"], cwd=origin, env=environ, start_new_session=True) as first:
        epochs = workshop.counters / "epochs"
        until(lambda: epochs.exists() and "6" in epochs.read_text(encoding="utf-8"), "it never came to epoch 6", 120)
        subprocess.run(["/bin/kill", "-KILL", "--", f"-{first.pid}"], check=True)
    environ["SLOW"] = ""
    second = workshop.clone("second")
    subprocess.run([dvc, "pull"], cwd=second, env=environ, check=False)
    subprocess.run([dvc, "repro"], cwd=second, env=environ, check=True)
    assert _executed(workshop) == [2, 2, 2, 1]
    assert len(epochs.read_text(encoding="utf-8").split()) == 16


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({".gitignore": "/model.json\n"}, "which git does not ignore"),
        ({"dvc.yaml": PIPELINE.replace("[checkpoints]", "[model.json]")}, "DVC deletes that before the stage runs"),
        ({"dvc.yaml": PIPELINE.replace("[checkpoints]", "[../elsewhere]")}, "not a folder of the project"),
        ({"dvc.yaml": PIPELINE.replace("[checkpoints]", "{a: 1}")}, "must be a list of folders"),
        ({"dvc.yaml": PIPELINE.replace("[checkpoints]", "['${where}']")}, "only ${key} and ${item}"),
    ],
)
def test_a_folder_that_cannot_keep_checkpoints_is_refused_before_anything_starts(
    tmp_path: Path, files: dict[str, str], words: str
) -> None:
    """Each is a mistake that would be noticed when the machine is gone."""
    workshop = Workshop(tmp_path)
    origin = workshop.origin(files={**FILES, "dvc.yaml": PIPELINE, **files})
    with pytest.raises(ConfigError) as caught:
        workshop.pipeline(origin, stores=remote_store)
    assert words in caught.value.message
