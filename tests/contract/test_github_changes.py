"""Commits and pull requests for a lock: the adapter on the local GitHub, whose answers GitHub's description checks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from runnerkit.cli.commands import app
from runnerkit.errors import ConfigError, ForgeDenied, LockStale, NotFound
from runnerkit.github.changes import GitHubChanges
from runnerkit.job.locks.bundle import Bundle, LockFile
from runnerkit.job.locks.offering import Offered, Wanted, commit, propose, wanted
from runnerkit.job.place import Place
from runnerkit.sandbox.github import GitHubWorld
from runnerkit.settings import GitHubSettings
from tests.contract.github_ground import REPO, Ticking, ticking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = "schema: '2.0'\nstages:\n  train:\n    cmd: train\n"
PROJECT = "metrics: [metrics.json]\nstages: {}\n"
FILES = {"dvc.yaml": PROJECT, "params.yaml": "depth: 3\n", "dvc.lock": "schema: '2.0'\n", "README.md": "hello\n"}
TO = Wanted(REPO, "topic", "Record the results of run 77", "body")


@pytest.fixture(scope="module")
def world() -> Iterator[GitHubWorld]:
    """A GitHub with one private repository."""
    with GitHubWorld(Ticking()) as world:
        world.add_repository(REPO)
        world.push(REPO, FILES)
        yield world
        assert world.violations == []
        assert world.refused_requests == []


@pytest.fixture
def topic(world: GitHubWorld, request: pytest.FixtureRequest) -> str:
    """A branch of the test's own."""
    name = request.node.name.replace("_", "-")
    world.push(REPO, {f"{name}.txt": "x\n"}, branch=name)
    return str(name)


@pytest.fixture(scope="module")
def changes(world: GitHubWorld) -> Iterator[GitHubChanges]:
    """By the token that a workflow has."""
    adapter = _adapter(world, world.add_token("actions"))
    yield adapter
    adapter.close()


def _adapter(world: GitHubWorld, token: str) -> GitHubChanges:
    settings = GitHubSettings.model_validate({"api_url": world.url, "token": token})
    return GitHubChanges(settings, clock=ticking(world))


def _bundle(head: str, *, run: str = "77", text: str = LOCK) -> Bundle:
    files = (
        LockFile("dvc.lock", text),
        LockFile("metrics.json", '{"auc": 0.9}'),
        LockFile("big.json", "{}", commits=False),
    )
    return Bundle(files, head, head, "topic", REPO, run=run, inputs=("params.yaml", "src"))


def _to(branch: str) -> Wanted:
    return Wanted(REPO, branch, "Record the results of run 77", "body")


def test_a_lock_is_committed_once(world: GitHubWorld, changes: GitHubChanges, topic: str) -> None:
    """One commit holds lock and metrics; what git ignores stays out; a second time there is nothing to do."""
    head = changes.tip(REPO, topic)
    done = commit(_bundle(head), changes, _to(topic))
    assert Offered("committed", topic, changes.tip(REPO, topic)) == done
    assert LOCK.encode() == world.read_file(REPO, "dvc.lock", topic)
    assert b'{"auc": 0.9}' == world.read_file(REPO, "metrics.json", topic)
    assert world.read_file(REPO, "big.json", topic) is None
    assert (True, ["dvc.lock", "metrics.json"]) == (
        changes.since(REPO, head, topic).straight,
        changes.since(REPO, head, topic).files,
    )
    assert "unchanged" == commit(_bundle(head), changes, _to(topic)).what
    assert done.sha == changes.tip(REPO, topic)


def test_a_branch_that_moved_elsewhere_takes_the_lock_on_top(
    world: GitHubWorld, changes: GitHubChanges, topic: str
) -> None:
    """Somebody's new page does not make a training worthless."""
    head = changes.tip(REPO, topic)
    newer = world.push(REPO, {"README.md": "hello again\n"}, branch=topic)
    commit(_bundle(head), changes, _to(topic))
    assert b"hello again\n" == world.read_file(REPO, "README.md", topic)
    assert [newer] == world.state.git.run(REPO, "rev-parse", f"{topic}^").decode().split()


@pytest.mark.parametrize("path", ["params.yaml", "src/train.py", "dvc.lock"])
def test_a_branch_that_changed_what_the_lock_rests_on_is_left_alone(
    world: GitHubWorld, changes: GitHubChanges, path: str
) -> None:
    """The lock would claim results for params or code that nobody ran."""
    branch = f"moved-{path.replace('/', '-').replace('.', '-')}"
    head = world.push(REPO, {"x.txt": path}, branch=branch)
    tip = world.push(REPO, {path: "changed\n"}, branch=branch)
    for act in (commit, propose):
        with pytest.raises(LockStale, match=path):
            act(_bundle(head, run=branch), changes, _to(branch))
    assert tip == changes.tip(REPO, branch)


def test_a_branch_that_was_rewritten_is_left_alone(world: GitHubWorld, changes: GitHubChanges) -> None:
    """After a force push the commit of the lock is no part of the branch any more."""
    head = world.push(REPO, {"a.txt": "1"}, branch="old")
    world.push(REPO, {"b.txt": "1"}, branch="rewritten")
    with pytest.raises(LockStale, match="does not contain"):
        commit(_bundle(head), changes, _to("rewritten"))


def test_files_that_the_branch_does_not_declare_are_not_committed(changes: GitHubChanges, topic: str) -> None:
    """A name like a metric's is no proof: package.json steers a build, and a lock needs a pipeline beside it."""
    head = changes.tip(REPO, topic)
    for path, text in {"package.json": "{}", "docs/dvc.lock": LOCK}.items():
        bundle = replace(_bundle(head), files=(*_bundle(head).files, LockFile(path, text)))
        for act in (commit, propose):
            with pytest.raises(ConfigError, match=f"brings {path}, which no dvc.yaml of {topic} declares"):
                act(bundle, changes, _to(topic))
    assert head == changes.tip(REPO, topic)


class _Racing(GitHubChanges):
    """Somebody pushes between our look and our commit, a number of times."""

    def __init__(self, inner: GitHubChanges, world: GitHubWorld, branch: str, times: int) -> None:
        self._client = inner._client
        self._race = (world, branch)
        self._left = times

    def point(self, repo: str, branch: str, sha: str, *, new: bool = False, force: bool = False) -> bool:
        """Lose the race."""
        if self._left:
            self._left -= 1
            world, name = self._race
            world.push(repo, {"race.txt": f"{self._left}"}, branch=name)
        return super().point(repo, branch, sha, new=new, force=force)


def test_a_push_at_the_same_moment_is_not_lost(world: GitHubWorld, changes: GitHubChanges, topic: str) -> None:
    """GitHub refuses what is not on top; the lock is committed again on top of what came in between."""
    done = commit(_bundle(changes.tip(REPO, topic)), _Racing(changes, world, topic, 2), _to(topic))
    assert done.sha == changes.tip(REPO, topic)
    assert b"0" == world.read_file(REPO, "race.txt", topic)
    assert LOCK.encode() == world.read_file(REPO, "dvc.lock", topic)


def test_a_lock_is_proposed_once_for_each_run(world: GitHubWorld, changes: GitHubChanges, topic: str) -> None:
    """A branch and a pull request by the run's id; a second attempt with other results brings them up to date."""
    head = changes.tip(REPO, topic)
    first = propose(_bundle(head, run="5"), changes, _to(topic))
    assert ("opened", "runnerkit/lock-5") == (first.what, first.branch)
    again = propose(_bundle(head, run="5"), changes, _to(topic))
    assert ("unchanged", first.url, first.sha) == (again.what, again.url, again.sha)
    other = propose(_bundle(head, run="5", text=LOCK + "  more: {}\n"), changes, _to(topic))
    assert ("updated", first.url) == (other.what, other.url)
    assert head == changes.tip(REPO, topic)
    pulls = [each for each in world.state.issues.values() if each.pull and each.pull.head_ref == "runnerkit/lock-5"]
    assert [topic] == [each.pull.base_ref for each in pulls if each.pull]
    world.merge_pull_request(REPO, pulls[0].number)
    assert "unchanged" == propose(_bundle(head, run="5", text=LOCK + "  more: {}\n"), changes, _to(topic)).what


def test_a_token_without_the_permission_is_told_which(world: GitHubWorld, topic: str) -> None:
    """The job needs `contents: write`, and learns it."""
    weak = _adapter(world, world.add_token("actions", permissions={"contents": "read"}))
    with pytest.raises(ForgeDenied) as refused:
        commit(_bundle(weak.tip(REPO, topic)), weak, _to(topic))
    assert "contents: write" in refused.value.hint
    with pytest.raises(NotFound):
        weak.tip(REPO, "nowhere")
    weak.close()


PLACE = Place(REPO, "a" * 40, run_id="77", url="https://github.example/acme/train/actions/runs/77")

ABOUT = ("topic", REPO)


class TestWhereItGoes:
    """In a job the run itself says which branch and commit are meant: a bundle comes from code that anybody wrote."""

    def test_to_the_branch_of_the_run(self) -> None:
        """With the run in its words."""
        found = wanted(_bundle("a" * 40), PLACE, ABOUT)
        assert (REPO, "topic", "Record the results of run 77") == (found.repo, found.branch, found.message)
        assert PLACE.url in found.body

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"head": "b" * 40}, "belongs to commit bbbb"),
            ({"run": "78"}, "left by run 78"),
            ({"branch": "main"}, "says that it is of the branch main, and this run is about topic"),
            ({"branch": "main", "head": "b" * 40, "head_repo": ""}, "this run is about topic"),
            ({"head_repo": "other/train"}, "this run is about topic"),
            ({"repo": "other/train"}, "not of acme/train"),
        ],
    )
    def test_not_where_it_does_not_belong(self, change: dict[str, Any], said: str) -> None:
        """Another commit, run, branch, repository: whatever code of the run wrote, it is the run that counts."""
        with pytest.raises((ConfigError, LockStale), match=said):
            wanted(replace(_bundle("a" * 40), **change), PLACE, ABOUT)

    def test_not_to_a_fork_or_a_tag(self) -> None:
        """A workflow cannot write to the one, and a lock has no place on the other."""
        with pytest.raises(ConfigError, match="is in other/train"):
            wanted(replace(_bundle("a" * 40), head_repo="other/train"), PLACE, ("topic", "other/train"))
        with pytest.raises(ConfigError, match="which branch"):
            wanted(replace(_bundle("a" * 40), branch=""), PLACE, ("", ""))

    def test_to_the_branch_that_somebody_names(self) -> None:
        """A person's word counts more."""
        assert "main" == wanted(_bundle("b" * 40, run="1"), PLACE, ABOUT, branch="main").branch


def test_the_command_of_a_follow_up_job(
    world: GitHubWorld, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an artifact and the workflow's token alone, without a checkout: it commits, and says what follows."""
    head = world.push(REPO, {"y.txt": "y\n"}, branch=topic)
    replace(_bundle(head), branch=topic).write(tmp_path / "lock")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_HEAD_REF", raising=False)
    environ = {
        "GITHUB_API_URL": world.url, "GITHUB_TOKEN": world.add_token("actions"), "GITHUB_REPOSITORY": REPO,
        "GITHUB_RUN_ID": "77", "GITHUB_SHA": head, "GITHUB_ACTIONS": "true", "GITHUB_REF_NAME": topic,
    }  # fmt: skip
    words = ["lock", "apply", "--from", str(tmp_path / "lock"), "--as"]
    would = CliRunner().invoke(app, [*words, "commit", "--dry-run"], env=environ)
    assert (0, f"would offer dvc.lock, metrics.json to {topic} of {REPO}\n") == (would.exit_code, would.stdout)
    done = CliRunner().invoke(app, [*words, "commit"], env=environ)
    assert (0, True) == (done.exit_code, f"lock committed to {topic}" in done.stdout), done.output
    assert "starts no workflow" in done.stderr
    assert LOCK.encode() == world.read_file(REPO, "dvc.lock", topic)
    again = CliRunner().invoke(app, [*words, "pr"], env=environ)
    assert "holds this lock already" in again.stdout
    stale = CliRunner().invoke(app, [*words, "commit", "--json"], env={**environ, "GITHUB_SHA": "f" * 40})
    assert (9, "lock-stale") == (stale.exit_code, json.loads(stale.stdout)["error"]["code"])
