"""Locks and the registry of runs: what `dvc run` leaves behind, and who takes it up."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from typer.testing import CliRunner

from runnerkit.cli.commands import app
from runnerkit.errors import ConfigError, LockStale, NothingKnown
from runnerkit.job.locks import bundle as bundles
from runnerkit.job.locks import leaving, objects
from runnerkit.job.locks.bundle import Bundle, LockFile
from runnerkit.job.locks.gathering import gathered
from runnerkit.job.locks.worktree import taken
from runnerkit.job.pipeline import Project
from runnerkit.job.place import Place
from runnerkit.job.registry.record import Record
from runnerkit.job.registry.shelf import Shelf
from runnerkit.stores import opened
from tests.job.workshop import Workshop, commit, git

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).parents[2] / "examples"
LOCK = "schema: '2.0'\nstages:\n  train:\n    cmd: train\n"
SHA = "ab" * 20
PROJECT = """stages:
  train:
    cmd: cat raw.txt > model.txt && echo '{"auc":0.9}' > metrics.json
    deps: [raw.txt]
    params: [train]
    outs: [model.txt]
    metrics: [metrics.json: {cache: false}]
"""
RUN = {"GITHUB_RUN_ID": "77", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_REPOSITORY": "acme/train", "GITHUB_REF_NAME": "main",
       "GITHUB_REF_TYPE": "branch", "GITHUB_SERVER_URL": "https://github.example",
       "GITHUB_ACTOR": "octocat"}  # fmt: skip


class Desk:
    """A project whose pipeline was run, and commands in it."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.here = workshop.origin(project=PROJECT)
        self.sha = git(self.here, "rev-parse", "HEAD")
        self.environ = {**RUN, "GITHUB_SHA": self.sha}

    def say(self, *words: str, code: int = 0, here: Path | None = None, environ: dict[str, str] | None = None) -> str:
        """Run `runnerkit` to its end, in this process: what it printed, and what it said besides if it failed."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(here or self.here)
            for name in [name for name in os.environ if name.startswith(("GITHUB_", "GH_", "RUNNERKIT_", "AWS_"))]:
                patch.delenv(name)
            done = CliRunner().invoke(app, words, env={**self.workshop.environ, **self.environ, **(environ or {})})
        assert done.exit_code == code, done.output
        return done.stdout if code == 0 else done.output

    def tell(self, *words: str, code: int = 0, environ: dict[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON is anything
        """The same, as a program would read it."""
        return json.loads(self.say(*words, "--json", code=code, environ=environ).splitlines()[-1])

    @property
    def store(self) -> Path:
        """What is kept beside the remote."""
        return self.workshop.remote / "runnerkit"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """One run, left in the store, of type candidate."""
    found = Desk(Workshop(tmp_path_factory.mktemp("locks")))
    machine = {"type": "g5.xlarge", "market": "spot", "zone": "eu-west-1a", "price": "0.4", "started_at": 1.0}
    (found.workshop.root / "run/runnerkit/machine.json").write_text(json.dumps(machine), encoding="utf-8")
    said = found.tell("dvc", "run", "--lock", "s3", "--type", "candidate", "--note", "wider", "-S", "train.depth=4")
    assert said["lock"] == "locks/77/2.lock"
    return found


@pytest.mark.slow
class TestStory:
    """One run of a pipeline, and everything that is done with what it left."""

    def test_a_run_leaves_its_lock_under_its_own_key(self, desk: Desk) -> None:
        """With commit, branch, inputs and what git does not hold left out; `lock show` tells it."""
        shown = desk.tell("lock", "show", "--from", "77")
        assert (desk.sha, desk.sha, "main", "77", 2) == (
            shown["sha"], shown["head"], shown["branch"], shown["run"], shown["attempt"],
        )  # fmt: skip
        assert ["dvc.lock", "metrics.json"] == [file["path"] for file in shown["files"] if file["commits"]]
        assert {"dvc.yaml", "params.yaml", "raw.txt"} <= set(shown["inputs"])
        assert (["train.depth=4"], 1) == (shown["overrides"], shown["objects"])
        assert shown == desk.tell("lock", "show")
        assert "1 objects, all on the remote" in desk.say("lock", "show", "--from", "77-2")

    def test_the_registry_knows_the_run(self, desk: Desk) -> None:
        """What ran where, at what cost, with which inputs and results."""
        record = desk.tell("runs", "show", "77")
        expected = {
            "id": "77-2", "type": "candidate", "note": "wider", "outcome": "success", "sha": desk.sha, "ref": "main",
            "inputs": {"train.depth": "4"}, "metrics": {"metrics.json: auc": 0.9}, "instance": "g5.xlarge",
            "market": "spot", "price": 0.4, "stages": {"train": "run"}, "lock": "locks/77/2.lock", "actor": "octocat",
            "params": {"params.yaml: train.depth": 4}, "link": "https://github.example/acme/train/actions/runs/77",
        }  # fmt: skip
        assert expected == {name: record[name] for name in expected}
        assert record["cost"] > 0
        assert "77-2" in desk.say("runs", "list", "--metric", "auc", "--since", "1d", "--type", "candidate")
        before = desk.here / ".runnerkit/run.json"
        said = json.loads(before.read_text(encoding="utf-8"))
        before.unlink()
        assert "77-2 (success)" in desk.say("runs", "fetch")
        assert said == json.loads(before.read_text(encoding="utf-8"))
        assert {"runs": [], "unreadable": 0} == desk.tell("runs", "list", "--outcome", "failed")

    def test_a_lock_with_params_that_no_commit_has_is_not_committed(self, desk: Desk) -> None:
        """It would claim results for params that nobody can see."""
        said = desk.tell("lock", "apply", "--as", "commit", code=2, environ={"GITHUB_TOKEN": "x"})
        assert "params that no commit has" in said["error"]["message"]
        assert "no commit has" in desk.say(
            "dvc", "run", "--lock", "pr", "-S", "a=1", code=2, environ={"GITHUB_TOKEN": "x"}
        )

    def test_a_second_run_is_compared_tagged_and_deleted(self, desk: Desk) -> None:
        """The default leaves a folder for upload-artifact; a commit guarded by its type stays until forced."""
        said = desk.tell("dvc", "run", environ={"GITHUB_RUN_ID": "78", "GITHUB_RUN_ATTEMPT": "1"})
        assert str(desk.here / ".runnerkit/lock") == said["lock"]
        found = bundles.read(desk.here / ".runnerkit/lock")
        assert (desk.here / "dvc.lock").read_text(encoding="utf-8") == found.committed["dvc.lock"]
        compared = desk.tell("runs", "compare", "77-2", "78-1")
        assert [("train.depth", 4, 3)] == [(row["name"], row["old"], row["new"]) for row in compared["params"]]
        assert ["candidate", ""] == compared["facts"]["type"]
        assert "train.depth" in desk.say("runs", "compare", "77", "78")
        assert "77-2 is tagged candidate" in desk.say("runs", "delete", "77-2", "--older-than", "0d", code=3)
        assert "78-1 is 0.0 days old" in desk.say("runs", "delete", "78", code=3)
        assert "junk" == desk.tell("runs", "tag", "77", "junk", "--note", "no")["type"]
        would = desk.tell("runs", "delete", "--type", "junk", "--older-than", "0d", "--dry-run")
        assert {"77-2": ["runs/77-2.json", "results/77-2.json", "locks/77/2.lock"]} == would["runs"]
        assert (desk.store / "locks/77/2.lock").is_file()
        assert "deleted 1 runs, 3 files" in desk.say("runs", "delete", "77", "--older-than", "0d")
        assert ["78-1"] == [run["id"] for run in desk.tell("runs", "list")["runs"]]
        assert not (desk.store / "locks").exists()

    def test_a_lock_comes_into_a_checkout(self, desk: Desk) -> None:
        """From the downloaded artifact, and only where it fits."""
        artifact = str(desk.here / ".runnerkit/lock")
        clone = desk.workshop.clone("taker")
        assert "written: dvc.lock, metrics.json" in desk.say("lock", "apply", "--from", artifact, here=clone)
        assert "holds the lock already" in desk.say("lock", "apply", "--from", artifact, here=clone)
        (clone / "params.yaml").write_text("train:\n  depth: 9\n", encoding="utf-8")
        commit(clone, "deeper")
        assert "params.yaml changed here" in desk.say("lock", "apply", "--from", artifact, here=clone, code=9)

    def test_a_lock_whose_data_is_gone_is_refused(self, desk: Desk) -> None:
        """Somebody cleared the remote: the lock would lead to nothing."""
        objects_ = desk.workshop.remote / "files"
        objects_.rename(desk.workshop.remote / "gone")
        try:
            said = desk.tell("lock", "show", "--from", str(desk.here / ".runnerkit/lock"), code=9)
        finally:
            (desk.workshop.remote / "gone").rename(objects_)
        assert ("not-pushed", True) == (said["error"]["code"], "model.txt" in said["error"]["message"])

    def test_the_job_after_days_does_what_the_example_says(self, desk: Desk) -> None:
        """Each command of its second job, in a fresh checkout elsewhere; the last would open a pull request."""
        run = {"GITHUB_RUN_ID": "79", "GITHUB_RUN_ATTEMPT": "1"}
        assert "locks/79/1.lock" == desk.tell("dvc", "run", "--lock", "s3", environ=run)["lock"]
        steps = yaml.safe_load((EXAMPLES / "days-long.yml").read_text(encoding="utf-8"))["jobs"]["tell"]["steps"]
        commands = [step["run"] for step in steps if step.get("run", "").startswith("runnerkit ")]
        summary = desk.workshop.folder / "summary.md"
        hosted = {**run, "RUNNERKIT_ROOT": str(desk.workshop.folder / "hosted"), "GITHUB_STEP_SUMMARY": str(summary)}
        clone = desk.workshop.clone("hosted-checkout")
        *first, last = [shlex.split(each)[1:] for each in commands]
        fetched, applied, reported = [desk.say(*words, here=clone, environ=hosted) for words in first]
        assert "79-1 (success) written" in fetched
        assert "written: dvc.lock, metrics.json" in applied
        assert "the report is in the step summary" in reported
        assert "auc" in summary.read_text(encoding="utf-8")
        assert "to main of acme/train" in desk.say(*last, "--dry-run", here=clone, environ=hosted)


@pytest.mark.slow
def test_a_push_that_fails_leaves_no_lock(tmp_path: Path) -> None:
    """Neither its own, nor one that an earlier run left in the folder; the registry cannot be written either."""
    desk = Desk(Workshop(tmp_path))
    old = desk.here / ".runnerkit/lock"
    old.mkdir(parents=True)
    (old / "manifest.json").write_text("{}", encoding="utf-8")
    desk.workshop.remote.rmdir()
    desk.workshop.remote.write_text("a file where the remote should be", encoding="utf-8")
    said = desk.say("dvc", "run", "--lock", "s3", code=9)
    assert "could not be pushed" in said
    assert "this run is not in the registry" in said
    assert not old.exists()
    assert "" == json.loads((desk.here / ".runnerkit/run.json").read_text(encoding="utf-8"))["lock"]


def test_a_lock_without_a_push_is_refused_before_anything_runs(tmp_path: Path) -> None:
    """Data before lock, always."""
    desk = Desk(Workshop(tmp_path))
    assert "--no-push forbids" in desk.say("dvc", "run", "--no-push", "--lock", "artifact", code=2)
    assert "--lock latest is not known" in desk.say("dvc", "run", "--lock", "latest", code=2)
    assert "no token" in desk.say("dvc", "run", "--lock", "commit", code=2)
    assert not (desk.here / "model.txt").exists()


def _bundle(**more: Any) -> Bundle:  # noqa: ANN401 - a bundle's fields
    files = (LockFile("dvc.lock", LOCK), LockFile("reports/metrics.json", "{}"))
    return Bundle(**{"files": files, "sha": SHA, "head": SHA, "branch": "topic", "run": "7", **more})


def _changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    said = _bundle().as_dict(texts=True)
    change(said)
    return json.dumps(said).encode()


def _path(path: str) -> Callable[[dict[str, Any]], object]:
    return lambda said: said["files"][1].update(path=path)


class TestWhatIsTaken:
    """A bundle comes from a job that ran anybody's code: it is refused unless all of it is in order."""

    def test_it_comes_back_as_it_was(self, tmp_path: Path) -> None:
        """From a store and from a folder."""
        made = _bundle(inputs=("params.yaml",), overrides=("a=1",), attempt=3, repo="acme/train", job="train")
        assert made == bundles.unpacked(made.packed(), "here")
        made.write(tmp_path)
        assert made == bundles.read(tmp_path)

    @pytest.mark.parametrize(
        "path",
        [
            "../metrics.json", "/etc/metrics.json", "a/../../metrics.json", ".github/workflows/train.yml",
            ".dvc/metrics.json", "src/.git/metrics.json", "train.py", "dvc.yaml", "params.yaml", "a//metrics.json",
            "a\\metrics.json", "", "./metrics.json", "metrics.json\n", "gate.toml", "ml/RunnerKit.toml", "DVC.yaml",
        ],
    )  # fmt: skip
    def test_no_path_leads_out_or_steers_anything(self, path: str) -> None:
        """Neither out of the repository, nor to workflows, git, DVC, code or params."""
        with pytest.raises(ConfigError, match="is refused"):
            bundles.unpacked(_changed(_path(path)), "here")

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda said: said["files"][0].update(text=LOCK + "x"), "is not what the manifest says"),
            (lambda said: said.update(version=2), "version"),
            (lambda said: said.update(sha="main"), "no commit"),
            (lambda said: said.update(files=[]), "between 1 and"),
            (lambda said: said.update(files=said["files"][1:]), "holds no dvc.lock"),
            (lambda said: said.update(files="x"), "needs between 1"),
            (lambda said: said.update(run="7\n\nFixes #1"), "its run cannot be"),
            (lambda said: said.update(branch="a\x1b[2J"), "its branch cannot be"),
        ],
    )
    def test_nothing_that_was_changed(self, change: Callable[[dict[str, Any]], object], said: str) -> None:
        """Cut, altered, of another version, without a lock."""
        with pytest.raises(ConfigError, match=said):
            bundles.unpacked(_changed(change), "here")

    def test_no_lock_that_is_none(self) -> None:
        """Its digest may be right, but DVC could not read it."""
        for text in ("just words", "schema: '2.0'\nstages: [1]\n", "a: [", "stages: {}\n"):
            with pytest.raises(ConfigError):
                bundles.unpacked(_bundle(files=(LockFile("dvc.lock", text),)).packed(), "here")

    def test_nothing_that_fills_the_memory(self, tmp_path: Path) -> None:
        """Merges of merges, a thousand aliases, and just too many bytes, in a folder as in a store."""
        merges = "a: &a {x: 1}\n" + "".join(f"{n}: &{n} {{<<: [{', '.join(['*a'] * 9)}]}}\n" for n in "bcd")
        aliases = "stages: {}\na: &a [1]\nb: [" + "*a, " * 1001 + "]\n"
        for text in (merges, aliases):
            bomb = _bundle(files=(LockFile("dvc.lock", f"schema: '2.0'\n{text}"),))
            with pytest.raises(ConfigError, match="far more than it says"):
                bundles.unpacked(bomb.packed(), "here")
        big = _bundle(files=(*_bundle().files, *(LockFile(f"{n}.json", " " * bundles.LARGEST) for n in range(4))))
        big.write(tmp_path / "folder")
        with pytest.raises(ConfigError, match="are the most"):
            bundles.read(tmp_path / "folder")
        store = opened(str(tmp_path / "store"))
        leaving.in_store(big, store, "")
        with pytest.raises(ConfigError, match="are the most"):
            leaving.newest(store, "7")

    def test_lists_that_are_none_are_empty(self) -> None:
        """A number where names should be is no reason to fall over."""
        found = bundles.unpacked(_changed(lambda said: said.update(inputs=5, overrides="a=1")), "here")
        assert ((), ()) == (found.inputs, found.overrides)

    def test_no_link_that_leads_out_of_the_artifact(self, tmp_path: Path) -> None:
        """A zip may hold links."""
        secret = tmp_path / "secret.json"
        secret.write_text("{}", encoding="utf-8")
        _bundle().write(tmp_path / "artifact")
        file = tmp_path / "artifact/files/reports/metrics.json"
        file.unlink()
        file.symlink_to(secret)
        with pytest.raises(ConfigError, match="leads out of it"):
            bundles.read(tmp_path / "artifact")
        with pytest.raises(ConfigError, match="cannot be read"):
            bundles.read(tmp_path / "nothing")

    def test_no_link_in_the_checkout_is_followed(self, tmp_path: Path) -> None:
        """A repository can hold a link where its metrics should be."""
        here = tmp_path / "checkout"
        here.mkdir()
        git(here, "init", "-q", "-b", "main")
        (here / "reports").symlink_to(tmp_path)
        (here / "dvc.yaml").write_text("metrics: [reports/metrics.json]\nstages: {}\n", encoding="utf-8")
        head = commit(here)
        stranger = _bundle(sha=head, head=head, files=(*_bundle().files, LockFile("package.json", "{}")))
        with pytest.raises(ConfigError, match=r"brings package\.json"):
            taken(stranger, here)
        with pytest.raises(ConfigError, match="is a link"):
            taken(_bundle(sha=head, head=head), here)
        with pytest.raises(LockStale, match="has not"):
            taken(_bundle(), here)
        assert not (tmp_path / "metrics.json").exists()

    def test_an_attempt_that_left_nothing_gives_that_of_the_one_before(self, tmp_path: Path) -> None:
        """The follow-up job alone may be repeated; jobs of a matrix do not take each other's."""
        store = opened(str(tmp_path))
        for attempt in (1, 2, 10):
            leaving.in_store(_bundle(attempt=attempt), store, "")
        leaving.in_store(_bundle(attempt=11), store, "", "fold-2")
        assert 10 == leaving.newest(store, "7").attempt
        assert 11 == leaving.newest(store, "7", "fold-2").attempt
        assert 2 == leaving.newest(store, "7", attempt=2).attempt
        for run, name in (("70", ""), ("7", "fold")):
            with pytest.raises(NothingKnown):
                leaving.newest(store, run, name)
        with pytest.raises(ConfigError):
            leaving.newest(store, "../7")


@pytest.mark.parametrize(
    "change",
    [{"finished": "x"}, {"type": ["junk"]}, {"price": True}, {"metrics": []}, {"id": "../7"}, {"started": None}],
)
def test_a_record_that_is_none_hides_no_other(tmp_path: Path, change: dict[str, Any]) -> None:
    """One file that anybody wrote would otherwise end `runs list` and `runs delete` for all."""
    store = opened(str(tmp_path))
    for name, more in {"7-1": {}, "8-1": change}.items():
        body = json.dumps({**Record(name, started=1.0, finished=2.0, price=0.5).as_dict(), **more}).encode()
        store.put(f"runs/{name}.json", body)
    found, unread = Shelf(store).every()
    assert (["7-1"], 1) == ([record.id for record in found], unread)


def test_the_branch_of_a_pull_request_is_told_from_a_fork(tmp_path: Path) -> None:
    """The lock stands for the head, though GitHub's merge was checked out; a fork's branch is not ours to write."""
    workshop = Workshop(tmp_path)
    here = workshop.origin(project=PROJECT, files={"dvc.lock": LOCK})
    head = {"sha": SHA, "ref": "topic", "repo": {"full_name": "someone/train"}}
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"head": head, "number": 3}}), encoding="utf-8")
    merge = git(here, "rev-parse", "HEAD")
    environ = {**RUN, "GITHUB_EVENT_PATH": str(event), "GITHUB_SHA": merge, "GITHUB_HEAD_REF": "topic"}
    found = gathered(Project.find(here), Place.of(environ), environ, merge)
    assert (merge, SHA, "topic", "someone/train") == (found.sha, found.head, found.branch, found.head_repo)
    newer = gathered(Project.find(here), Place.of(environ), environ, "c" * 40)
    assert "c" * 40 == newer.head
    tag = {**RUN, "GITHUB_REF_TYPE": "tag"}
    assert "" == gathered(Project.find(here), Place.of(tag), tag, merge).branch
    with pytest.raises(ConfigError, match="not in git"):
        gathered(Project.find(here), Place.of(RUN), RUN, "")


def test_objects_that_are_meant_to_be_elsewhere_are_not_missed(tmp_path: Path) -> None:
    """What is not pushed, or on another remote; a folder's list stands for its files; DVC 2's places count."""
    md5 = {name: f"{number:032x}" for number, name in enumerate(("new", "old", "folder", "kept", "other", "gone"))}
    outs = "".join(f"    - {{path: {name}, md5: '{md5[name]}{'.dir' if name == 'folder' else ''}'}}\n" for name in md5)
    lock = f"schema: '2.0'\nstages:\n  train@3:\n    outs:\n{outs}    - {{path: bare}}\n"
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  train:\n    foreach: [3]\n    do: {outs: [new, 'ke${item}': {push: false}, other: {remote: b}]}\n",
        encoding="utf-8",
    )
    remote = tmp_path / "remote"
    for place in (f"files/md5/00/{md5['new'][2:]}", f"00/{md5['old'][2:]}", f"files/md5/00/{md5['folder'][2:]}.dir"):
        (remote / place).parent.mkdir(parents=True, exist_ok=True)
        (remote / place).touch()
    found = objects.named(_bundle(files=(LockFile("dvc.lock", lock),)), objects.Elsewhere(tmp_path))
    assert {"new", "old", "folder", "gone"} == set(found.values())
    assert ["gone"] == objects.missing(found, opened(str(remote)))
    assert os.sep not in "".join(found.values())
