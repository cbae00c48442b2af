"""`examples/train-and-serve`: trained on the pull request, deployed when merged, taken back by one ``git revert``."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from runnerkit.sandbox.github import GitHubWorld
from tests.examples.conftest import EXAMPLES
from tests.examples.targets import Keeper, ended, environ, runs_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.examples.conftest import Play
    from tests.theatre import Theatre

pytestmark = [pytest.mark.slow]

EXAMPLE = EXAMPLES / "train-and-serve"
REPO = "acme/train-and-serve"
MODEL, NEEDS = "models/digits.joblib", "serving/requirements.txt"
NUMBERS = '["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]\n'


# --- the story --------------------------------------------------------------------------------------------------------


def test_trained_merged_deployed_and_reverted(play: Play, tmp_path: Path) -> None:
    """A merge puts its model into service; its revert brings back the code and, by its hash, the model before it."""
    with Keeper(tmp_path / "serving") as keeper:
        variables = {"RUNNERKIT": "runnerkit", "AWS_REGION": "us-east-1", "COMMIT_LOCK": "true", **keeper.target}
        # Before there is a target nothing is deployed.
        theatre = play("train-and-serve", variables={**variables, "DEPLOY_TO": ""})
        first = trained_before(theatre, tmp_path / "before")
        trained = hashes(theatre, first)
        assert ended(theatre, "deploy", 2) == {"deploy": "skipped"}, theatre.describe()
        theatre.controller()

        theatre.world.github.set_variable(theatre.repo, "DEPLOY_TO", str(keeper.to))
        second = merged(theatre, "second", {"params.yaml": params(hidden=24), "serving/labels.json": NUMBERS})
        assert ended(theatre, "deploy", 3) == {"deploy": "success"}, theatre.describe()
        assert in_service(keeper) == hashes(theatre, second)
        assert hashes(theatre, second)[MODEL] != trained[MODEL]
        assert keeper.asked("/predict", {"pixels": [0] * 64})["label"].isdigit()
        log = theatre.jobs(runs_of(theatre, "train")[-1])[0].log
        assert ("Running stage 'prepare'" in log, "Running stage 'train'" in log) == (False, True), "restored, and run"

        reverted = revert(theatre, second, tmp_path)
        assert ended(theatre, "deploy", 4) == {"deploy": "success"}, theatre.describe()
        assert hashes(theatre, reverted) == in_service(keeper) == trained
        said = keeper.asked("/health")
        assert (said["model"], said["release"].split("-")[0]) == (trained[MODEL], reverted[:12])
        assert keeper.asked("/predict", {"pixels": [0] * 64})["label"].isalpha()
        assert [run.workflow for run in theatre.runs[2:]] == ["service", "train", "lock", "deploy", "deploy"]
        theatre.ends("success", machines=1)


def trained_before(theatre: Theatre, folder: Path) -> str:
    """Put a lock on the main branch and its model on the remote, where an earlier merge would have left them."""
    shutil.copytree(EXAMPLE, folder)
    stages = yaml.safe_load((folder / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    lock: dict[str, Any] = {"schema": "2.0", "stages": {}}
    names = ("prepare", "train")
    # One process for both, as each takes seconds to load what it learns with.
    both = "import runpy, sys\nfor script in sys.argv[1:]:\n    runpy.run_path(script, run_name='__main__')"
    command = [sys.executable, "-c", both, *(stages[name]["cmd"].split()[1] for name in names)]
    subprocess.run(command, cwd=folder, env=environ(), check=True, capture_output=True)
    for name in names:
        cmd, deps, keys = (stages[name][key] for key in ("cmd", "deps", "params"))
        outs = [*stages[name]["outs"], *(next(iter(each)) for each in stages[name].get("plots", []))]
        chosen = {"params.yaml": {key: params[key] for key in keys}}
        lock["stages"][name] = {"cmd": cmd, "deps": named(folder, deps), "params": chosen, "outs": named(folder, outs)}
        for out in lock["stages"][name]["outs"]:
            key = f"train-and-serve/files/md5/{out['md5'][:2]}/{out['md5'][2:]}"
            theatre.world.aws("s3").put_object(Bucket="acme-models", Key=key, Body=(folder / out["path"]).read_bytes())
    return theatre.world.github.push(theatre.repo, {"dvc.lock": yaml.safe_dump(lock, sort_keys=False)})


def named(folder: Path, paths: list[str]) -> list[dict[str, Any]]:
    """Files as ``dvc.lock`` names them."""
    sizes = {path: (folder / path).stat().st_size for path in paths}
    return [{"path": path, "hash": "md5", "md5": md5(folder / path), "size": size} for path, size in sizes.items()]


def params(**train: int) -> str:
    """The params file with other values for the training."""
    found = yaml.safe_load((EXAMPLE / "params.yaml").read_text(encoding="utf-8"))
    found["train"] |= train
    return str(yaml.safe_dump(found, sort_keys=False))


def merged(theatre: Theatre, branch: str, files: dict[str, str]) -> str:
    """Open a pull request, wait for what automation does, merge it, and give the merge's commit."""
    github, repo = theatre.world.github, theatre.repo
    count = len(runs_of(theatre, "lock"))
    head = github.push(repo, files, branch=branch, message=f"Train the {branch} one")
    pull = github.open_pull_request(repo, head=branch, title=f"The {branch} model")
    assert ended(theatre, "lock", count + 1) == {"commit": "success"}, theatre.describe()
    assert ended(theatre, "train", count + 1) == {"train": "success"}, theatre.describe()
    # The lock and the metrics are on the branch, in a commit on top; that started nothing.
    listed = theatre.world.asked(f"/repos/{repo}/compare/{head}...{branch}")
    assert sorted(file["filename"] for file in listed["files"]) == ["dvc.lock", "metrics.json"]
    return github.merge_pull_request(repo, pull.number)


def hashes(theatre: Theatre, commit: str) -> dict[str, str]:
    """The MD5 of what the lock of a commit names as the training's results for the service."""
    lock = yaml.safe_load(theatre.world.github.read_file(theatre.repo, "dvc.lock", commit) or b"")
    return {out["path"]: out["md5"] for out in lock["stages"]["train"]["outs"] if out["path"] in {MODEL, NEEDS}}


def in_service(keeper: Keeper) -> dict[str, str]:
    """The same of what was deployed; the running process says the same of its model."""
    found = {name: md5(keeper.to / "current" / name) for name in (MODEL, NEEDS)}
    assert keeper.asked("/health")["model"] == found[MODEL]
    return found


def md5(file: Path) -> str:
    """As ``dvc.lock`` has it."""
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()


def revert(theatre: Theatre, commit: str, folder: Path) -> str:
    """What a person does in a bad hour: one ``git revert`` of the merge, pushed."""
    github, repo, copy = theatre.world.github, theatre.repo, folder / "copy"
    who = ["-c", "user.name=octocat", "-c", "user.email=octocat@users.noreply.example"]
    url = github.clone_url(repo, github.add_token("fine-grained", {"contents": "write"}))

    def git(*words: str) -> str:
        command, own = ["git", *words], os.environ | {"HOME": str(folder)}
        return subprocess.run(command, check=True, capture_output=True, text=True, env=own).stdout.strip()

    git("clone", "--quiet", url, str(copy))
    git("-C", str(copy), *who, "revert", "--no-edit", "--mainline", "1", commit)
    git("-C", str(copy), "push", "--quiet")
    return git("-C", str(copy), "rev-parse", "HEAD")


# --- what starts what -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def github() -> Iterator[GitHubWorld]:
    """The repository, and nobody who runs its jobs."""
    with GitHubWorld() as world:
        world.add_repository(REPO)
        world.seed(REPO, EXAMPLE)
        yield world


@pytest.mark.parametrize(
    ("files", "started"),
    [
        ({"README.md": "Other words.\n", "notes/idea.md": "An idea.\n"}, []),
        ({"src/train.py": "print()\n"}, ["train"]),
        ({"params.yaml": "train: {}\n", "serving/labels.json": NUMBERS}, ["service", "train"]),
        ({"serving/serve.py": "print()\n"}, ["service"]),
    ],
)
def test_a_pull_request_starts_what_its_files_concern(
    github: GitHubWorld, files: dict[str, str], started: list[str]
) -> None:
    """Machines are for changes of the training; the service's own tests for those of the service."""
    before = {run.id for run in github.runs(REPO)}
    branch = "-".join(["change", *started, str(len(files))])
    github.push(REPO, files, branch=branch)
    github.open_pull_request(REPO, head=branch, title="Change something")
    assert sorted(run.workflow for run in github.runs(REPO) if run.id not in before) == started


@pytest.mark.parametrize(("file", "started"), [("src/train.py", ["deploy"]), ("README.md", [])])
def test_another_training_without_its_lock_is_not_merged_unnoticed(
    github: GitHubWorld, file: str, started: list[str]
) -> None:
    """The deployment begins, and fails, since the committed model is not of this code."""
    before = {run.id for run in github.runs(REPO)}
    github.push(REPO, {file: "print('other')\n"})
    assert [run.workflow for run in github.runs(REPO) if run.id not in before] == started


def test_forks_get_no_machine_and_cancel_nothing() -> None:
    """What runs on a pull request is for our own branches; a fork's branch of the same name is in another group."""
    for name in ("train", "service"):
        text = (EXAMPLE / f".github/workflows/{name}.yml").read_text(encoding="utf-8")
        assert "head_ref" not in text
        (job,) = yaml.safe_load(text)["jobs"].values()
        assert job["if"] == "github.event.pull_request.head.repo.full_name == github.repository"
