"""Checkpoints in a store: what is sent, what comes back, and to which stage it belongs."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import CloudUnavailable, ConfigError
from runnerkit.job.checkpoints.declared import declared
from runnerkit.job.checkpoints.inputs import digest
from runnerkit.job.checkpoints.keeper import Keeper
from runnerkit.job.checkpoints.vault import Abandoned, Unsteady, Vault
from runnerkit.job.pipeline import Project
from runnerkit.stores.folder import FolderStore
from runnerkit.testing.stores import MemoryStore
from tests.job.workshop import until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runnerkit.job.stores import Store

FOLDER = "checkpoints"
STAGES = """stages:
  train:
    cmd: python train.py
    wdir: ml
    deps: [train.py, ../data]
    params: [train.depth, other.yaml: [seed]]
    outs: [model]
    meta: {runnerkit: {checkpoints: [state]}}
  each:
    foreach: [oslo, rome]
    do: {cmd: 'python ${item}.py', outs: ['${item}.bin'], meta: {runnerkit: {checkpoints: ['state/${item}']}}}
"""


class Spy(FolderStore):
    """A store in a folder that notes what is put, and fails when told to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.put_keys: list[str] = []
        self.broken = ""

    def put(self, key: str, content: bytes | Path, content_type: str = "") -> None:
        """Put, or fail."""
        if key == self.broken:
            raise CloudUnavailable("the network is away")
        super().put(key, content, content_type)
        self.put_keys.append(key)

    def below(self, prefix: str) -> Spy:
        """What is put below is noted here."""
        inner = Spy(self._folder / prefix)
        inner.put_keys = self.put_keys
        return inner


class Away(MemoryStore):
    """A store that cannot be reached."""

    def get(self, key: str) -> bytes | None:
        """Fail."""
        raise CloudUnavailable(f"no answer about {key}")

    def put(self, key: str, content: bytes | Path, content_type: str = "") -> None:
        """Fail."""
        del content, content_type
        raise CloudUnavailable(f"no answer about {key}")

    def below(self, prefix: str) -> Away:
        """No better."""
        del prefix
        return self


class Bench:
    """Two machines and one store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Spy(folder / "store")
        self.going = True

    def vault(self, machine: str = "first", folders: Sequence[str] = (FOLDER,)) -> Vault:
        """As a machine's run has it."""
        root = self.folder / machine
        root.mkdir(exist_ok=True)
        return Vault(self.store, root, [root / each for each in folders], lambda: self.going)

    def write(self, name: str, content: bytes, *, age: float = 10.0) -> None:
        """As the training writes, so many seconds ago."""
        path = self.folder / "first" / FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (time.time() - age,) * 2)

    def restored(self, machine: str = "second") -> dict[str, bytes] | None:
        """What another machine gets."""
        vault, root = self.vault(machine), self.folder / machine
        if vault.restore(root / "draft") is None:
            return None
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "first").mkdir()
    return Bench(tmp_path)


class TestSending:
    """From the machine that may vanish at any moment."""

    def test_what_did_not_change_is_not_sent_again(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of a file that grew only its end; nothing at all when nothing changed."""
        monkeypatch.setattr("runnerkit.job.checkpoints.vault.PIECE", 4)
        vault = bench.vault()
        bench.write("log", b"aaaabbbb")
        bench.write("best/w.bin", b"wwww")
        assert vault.save() == 12
        assert vault.save() == 0
        bench.write("log", b"aaaabbbbcccc")
        assert vault.save() == 4
        assert bench.restored() == {f"{FOLDER}/best/w.bin": b"wwww", f"{FOLDER}/log": b"aaaabbbbcccc"}

    def test_a_half_sent_checkpoint_is_never_restored(self, bench: Bench) -> None:
        """The manifest comes last: before it is there, the one before counts, or none."""
        vault = bench.vault()
        bench.write("w", b"one")
        bench.store.broken = "manifest.json"
        with pytest.raises(CloudUnavailable):
            vault.save()
        assert bench.restored() is None
        bench.store.broken = ""
        vault.save()
        bench.write("w", b"two")
        bench.going = False
        with pytest.raises(Abandoned):
            vault.save()
        bench.going = True
        assert bench.restored("third") == {f"{FOLDER}/w": b"one"}

    def test_a_file_that_is_being_written_is_waited_for_and_left_out_at_last(self, bench: Bench) -> None:
        """Waiting is for a model half written; a log never rests, and must not cost the model."""
        vault = bench.vault()
        bench.write("w", b"weights")
        bench.write("log", b"line", age=0)
        with pytest.raises(Unsteady):
            vault.save()
        assert vault.save(patient=False)
        assert bench.restored() == {f"{FOLDER}/w": b"weights"}
        assert vault.save(quiet=False), "when the command has ended nothing is being written"
        assert bench.restored("third") == {f"{FOLDER}/w": b"weights", f"{FOLDER}/log": b"line"}

    def test_old_pieces_go_with_the_checkpoint_they_belonged_to(self, bench: Bench) -> None:
        """A training of days would otherwise fill the bucket; in the end nothing is left."""
        vault = bench.vault()
        for content in (b"one", b"two", b"three"):
            bench.write("w", content)
            vault.save()
        assert len(list((bench.folder / "store").rglob("*"))) == 2
        vault.remove()
        assert not [path for path in (bench.folder / "store").rglob("*") if path.is_file()]


class TestBringingBack:
    """To a machine that has nothing."""

    def test_times_and_links_come_too(self, bench: Bench) -> None:
        """Trainings take the newest file, or the one that `last` points to; links to elsewhere are left behind."""
        bench.write("step_5", b"5", age=500)
        (bench.folder / "first" / FOLDER / "last").symlink_to("step_5")
        (bench.folder / "first" / FOLDER / "away").symlink_to("/etc/passwd")
        bench.vault().save()
        bench.restored()
        second = bench.folder / "second" / FOLDER
        assert {path.name for path in second.iterdir()} == {"step_5", "last"}
        assert (second / "last").readlink().name == "step_5"
        assert time.time() - (second / "step_5").stat().st_mtime == pytest.approx(500, abs=60)

    def test_what_a_killed_run_left_on_its_way_does_not_come_along(self, bench: Bench) -> None:
        """It may be of another checkpoint."""
        bench.write("w", b"one")
        bench.vault().save()
        left = bench.folder / "second/draft" / FOLDER / "old"
        left.parent.mkdir(parents=True)
        left.write_bytes(b"half")
        assert bench.restored() == {f"{FOLDER}/w": b"one"}

    @pytest.mark.parametrize("spoilt", ["piece", "missing", "name", "link", "bend", "way", "format", "text"])
    def test_what_is_not_as_it_was_sent_is_refused_and_nothing_is_touched(self, bench: Bench, spoilt: str) -> None:
        """Whoever can write to the bucket must not write elsewhere on a machine."""
        bench.write("w", b"one")
        bench.vault().save()
        store = bench.folder / "store"
        (piece,) = (path for path in store.iterdir() if path.name != "manifest.json")
        told = json.loads((store / "manifest.json").read_text(encoding="utf-8"))
        if spoilt == "piece":
            piece.write_bytes(b"other")
        elif spoilt == "missing":
            piece.unlink()
        elif spoilt == "format":
            told["format"] = 99
        elif spoilt == "link":
            told["files"].append({"name": f"{FOLDER}/x", "link": "../../../etc", "pieces": []})
        elif spoilt == "bend":  # leads out only by way of the other link
            told["files"][0]["name"] = f"{FOLDER}/a/b/w"
            told["files"].append({"name": f"{FOLDER}/a/b/up", "link": "../..", "pieces": []})
            told["files"].append({"name": f"{FOLDER}/a/b/out", "link": "up/../../evil", "pieces": []})
        elif spoilt == "way":  # what would be written goes through a link
            told["files"].insert(0, {"name": f"{FOLDER}/here", "link": ".", "pieces": []})
            told["files"][1]["name"] = f"{FOLDER}/here/w"
        else:
            told["files"][0]["name"] = f"{FOLDER}/../../evil"
        (store / "manifest.json").write_text("{" if spoilt == "text" else json.dumps(told), encoding="utf-8")
        with pytest.raises(ConfigError):
            bench.restored()
        assert not list((bench.folder / "second").iterdir())
        assert not (bench.folder / "evil").exists()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    files = {
        ".dvc/config": "",
        "dvc.yaml": STAGES,
        "params.yaml": "x: 1\n",
        "ml/params.yaml": "train: {depth: 3, unused: 1}\n",
        "ml/other.yaml": "seed: 1\n",
        "ml/train.py": "print()\n",
        "data/a.csv": "1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return Project(tmp_path, tmp_path)


class TestToWhichStageItBelongs:
    """The digest of command, dependencies and params."""

    @pytest.mark.parametrize(
        ("file", "text", "same"),
        [
            ("ml/params.yaml", "train: {depth: 4, unused: 1}\n", False),
            ("ml/params.yaml", "train: {depth: 3, unused: 2}\n", True),
            ("ml/other.yaml", "seed: 2\n", False),
            ("ml/train.py", "print(1)\n", False),
            ("data/a.csv", "2\n", False),
            ("data/b.csv", "1\n", False),
            ("dvc.yaml", STAGES.replace("python train.py", "python -O train.py"), False),
            ("dvc.yaml", STAGES.replace("    wdir", "    frozen: true\n    wdir"), True),
            ("dvc.lock", "stages: {prepare: {outs: [{path: data, md5: abc.dir}]}}", False),
            ("README.md", "x", True),
        ],
    )
    def test_other_inputs_are_another_checkpoint(self, project: Project, file: str, text: str, same: bool) -> None:
        """What does not concern the stage leaves it where it is."""
        before = digest(project, declared(project)["train"], "train")
        (project.root / file).write_text(text, encoding="utf-8")
        assert (digest(project, declared(project)["train"], "train") == before) is same

    def test_each_of_a_group_has_its_own(self, project: Project) -> None:
        """Folder and digest follow the name behind the @."""
        stage = declared(project)["each"]
        assert stage.places("each@rome") == [project.root / "state/rome"]
        digests = {digest(project, stage, name) for name in ("each@rome", "each@oslo")}
        assert len(digests) == 2
        (project.root / "params.yaml").write_text("x: 2\n", encoding="utf-8")
        assert digest(project, stage, "each@rome") not in digests, "templates are filled in from there"


class TestTheKeeper:
    """Talks with the run's loop, and with the shell in which a stage waits."""

    def _keeper(self, project: Project, store: Store, said: list[str]) -> Keeper:
        folder = project.root / ".runnerkit"
        folder.mkdir(exist_ok=True)
        return Keeper(project, declared(project), store, folder, said.append, 0.1)

    def _begun(self, keeper: Keeper) -> None:
        (keeper.folder / "ask").write_text("train\n", encoding="utf-8")

        def answered() -> bool:
            keeper.attend(time.time())
            return not (keeper.folder / "ask").exists()

        until(answered, "the stage waits for ever")

    def _saved(self, project: Project, keeper: Keeper) -> None:
        path = project.root / "ml/state/w"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"weights")
        os.utime(path, (1_700_000_000, 1_700_000_000))

        def kept() -> bool:
            keeper.attend(time.time())
            return bool(list(project.root.glob("store/*/manifest.json")))

        until(kept, "nothing was kept")

    def test_a_stage_that_fails_from_its_checkpoint_does_not_meet_it_again(self, project: Project) -> None:
        """Otherwise every machine would stumble over the same file."""
        store, said = Spy(project.root / "store"), list[str]()
        first = self._keeper(project, store, said)
        self._begun(first)
        self._saved(project, first)
        first.last(130, failed=False)
        assert first.wait(time.time() + 10)

        for path in (project.root / "ml/state").iterdir():
            path.unlink()
        second = self._keeper(project, store, said)
        self._begun(second)
        assert (second.continued, (project.root / "ml/state/w").read_bytes()) == (["train"], b"weights")
        second.last(1, failed=True)
        assert second.wait(time.time() + 10)
        assert not list(project.root.glob("store/*/manifest.json"))
        assert any("failed from its checkpoint" in line for line in said)

    def test_what_a_killed_command_left_is_not_kept(self, project: Project) -> None:
        """It may have been in the middle of a file."""
        store, said = Spy(project.root / "store"), list[str]()
        keeper = self._keeper(project, store, said)
        self._begun(keeper)
        self._saved(project, keeper)
        before = len(store.put_keys)
        (project.root / "ml/state/w").write_bytes(b"wei")
        keeper.last(137, failed=True)
        assert keeper.wait(time.time() + 10)
        assert len(store.put_keys) == before

    def test_a_store_that_cannot_be_reached_costs_no_training(self, project: Project) -> None:
        """The stage starts afresh, and its log says why."""
        said, name = list[str](), f"checkpoints of {project.root}"
        keeper = self._keeper(project, Away(), said)
        assert name in {each.name for each in threading.enumerate()}
        self._begun(keeper)
        (project.root / "ml/state").mkdir()
        (project.root / "ml/state/w").write_bytes(b"weights")
        keeper.last(130, failed=False)
        assert keeper.wait(time.time() + 10)
        assert ["starts afresh" in line for line in said] == [True, False]
        assert "could not be kept" in said[1]
        keeper.give_up()
        until(lambda: all(each.name != name for each in threading.enumerate()), "its thread lives on")
