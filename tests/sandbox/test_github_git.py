import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runnerkit.sandbox.github import GitHubWorld, Refused
from runnerkit.sandbox.github.git import reading
from runnerkit.sandbox.github.git.store import GitFailed, git
from runnerkit.sandbox.github.records import Happening
from tests.sandbox.github_world import REPO, acme, call

BEGIN = {"train.py": "print(1)\n", "src/model.py": "a = 1\nb = 2\n", ".github/workflows/train.yml": "on: push\n"}


@dataclass
class Clone:
    """A working copy in the hands of a real git."""

    folder: Path

    def run(self, *arguments: str, ok: bool = True) -> str:
        """Give what git printed, or its errors where it has to fail."""
        identity = ("-c", "user.name=octocat", "-c", "user.email=octocat@users.noreply.example")
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_TERMINAL_PROMPT": "0"}
        environ |= {"GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"}
        command = ["git", *identity, *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == ok, done.stderr
        return done.stdout if ok else done.stderr

    def commit(self, files: Mapping[str, str], message: str = "Change") -> str:
        """Write files, commit all there is and give the SHA."""
        for name, text in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text, encoding="utf-8")
        self.run("add", "--all")
        self.run("commit", "--quiet", "-m", message)
        return self.run("rev-parse", "HEAD").strip()


@pytest.fixture
def world() -> Iterator[GitHubWorld]:
    with acme() as world:
        yield world


@pytest.fixture
def told(world: GitHubWorld) -> list[Happening]:
    """What workflows could have been triggered by, from here on, the trusted ones of pull requests left out."""
    found: list[Happening] = []
    target = "pull_request_target"
    world.state.triggers[:] = [lambda each: found.extend([each] if each.event != target else [])]
    return found


def clone(world: GitHubWorld, folder: Path, repository: str = REPO, token: str | None = None) -> Clone:
    token = token or world.add_token("fine-grained")
    Clone(folder).run("clone", "--quiet", world.clone_url(repository, token), "copy")
    return Clone(folder / "copy")


def short(happening: Happening) -> tuple[str, str | None, str]:
    return happening.event, happening.action, happening.ref


def test_a_world_without_git_has_no_folder(world: GitHubWorld) -> None:
    """Nothing is made before something is pushed or cloned."""
    world.add_pull_request(REPO)
    world.queue_job(REPO, ["gpu"])
    assert world.state.git.root is None


def test_the_folder_goes_with_the_world() -> None:
    """Closing the world leaves nothing behind."""
    with GitHubWorld() as world:
        world.add_repository(REPO)
        world.push(REPO, BEGIN)
        root = world.state.git.root
        assert root is not None
        assert root.is_dir()
    assert not root.exists()


def test_a_pushed_commit_can_be_cloned(world: GitHubWorld, tmp_path: Path) -> None:
    """A real git gets the files and the SHA that the story gave."""
    sha = world.push(REPO, BEGIN, message="Begin")
    copy = clone(world, tmp_path)
    assert copy.run("rev-parse", "HEAD").strip() == sha
    assert (copy.folder / "src/model.py").read_text(encoding="utf-8") == "a = 1\nb = 2\n"
    assert world.state.commits[REPO, sha] == "Begin"


def test_later_pushes_build_on_the_branch(world: GitHubWorld) -> None:
    """A file that is not named stays, None deletes, and a new branch begins at the default one."""
    first = world.push(REPO, BEGIN | {"run.sh": b"\x00\xff"})
    second = world.push(REPO, {"train.py": None, 'a name with ünicode "quotes".txt': "x"}, branch="longer")
    store = world.state.git
    found = {each.path for each in reading.entries(store, REPO, second, deep=True)}
    assert "train.py" not in found
    assert found >= {"src/model.py", "run.sh"}
    assert reading.read_file(store, REPO, "longer", 'a name with ünicode "quotes".txt') == b"x"
    assert reading.read_file(store, REPO, "longer", "run.sh") == b"\x00\xff"
    assert reading.commits(store, REPO, second)[1].sha == first
    assert reading.resolve(store, REPO, "main") == first


@pytest.mark.parametrize("path", ["../out", "/etc/passwd", ".git/config", "a/../../b", ""])
def test_no_path_leaves_the_repository(world: GitHubWorld, path: str) -> None:
    """A story that would write elsewhere is refused before git sees it."""
    with pytest.raises(ValueError, match="is no path of a repository"):
        world.push(REPO, {path: "x"})


def test_a_folder_becomes_the_first_commit(world: GitHubWorld, tmp_path: Path) -> None:
    """Scripts stay executable; what the folder's own .gitignore names stays out."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "big.bin").write_bytes(b"0" * 100)
    (tmp_path / "run.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / ".gitignore").write_text("/data\n", encoding="utf-8")
    sha = world.seed(REPO, tmp_path)
    listed = world.state.git.run(REPO, "ls-tree", "-r", sha).decode()
    assert [line.split()[0] for line in listed.splitlines()] == ["100644", "100755"]
    assert "big.bin" not in listed
    world.push(REPO, {"run.sh": "#!/bin/sh\ntrue\n"})
    assert "100755" in world.state.git.run(REPO, "ls-tree", "main", "run.sh").decode()


def test_a_push_tells_what_changed(world: GitHubWorld, told: list[Happening]) -> None:
    """Ref, files and GitHub's payload; a new branch is compared with where it left the default one."""
    first = world.push(REPO, BEGIN)
    second = world.push(REPO, {"train.py": "print(2)\n"}, branch="longer", message="Longer", login="hubot")
    push = told[-1]
    assert (push.event, push.ref, push.sha, push.changed) == ("push", "refs/heads/longer", second, ("train.py",))
    assert told[0].changed == tuple(sorted(BEGIN))
    payload = push.payload
    assert (payload["before"], payload["after"], payload["created"]) == ("0" * 40, second, True)
    assert [each["id"] for each in payload["commits"]] == [second]
    assert payload["head_commit"]["message"] == "Longer"
    assert payload["head_commit"]["modified"] == ["train.py"]
    assert (payload["sender"]["login"], payload["organization"]["login"]) == ("hubot", "acme")
    assert payload["repository"]["clone_url"] == world.clone_url(REPO)
    assert told[0].payload["before"] == "0" * 40
    assert told[0].payload["after"] == first
    json.dumps(payload)


def test_what_is_pushed_over_http_is_noticed(world: GitHubWorld, told: list[Happening], tmp_path: Path) -> None:
    """The pusher is the token's owner; a forced push says so; deleting a branch triggers nothing."""
    world.push(REPO, BEGIN)
    copy = clone(world, tmp_path, token=world.add_token("fine-grained", login="hubot"))
    copy.run("checkout", "--quiet", "-b", "longer")
    sha = copy.commit({"src/model.py": "c = 3\n"})
    copy.run("push", "--quiet", "origin", "longer")
    assert (told[-1].sha, told[-1].actor, told[-1].changed) == (sha, "hubot", ("src/model.py",))
    assert world.state.commits[REPO, sha] == "Change"
    copy.run("commit", "--quiet", "--amend", "-m", "Other")
    copy.run("push", "--quiet", "--force", "origin", "longer")
    assert told[-1].payload["forced"] is True
    copy.run("push", "--quiet", "origin", "--delete", "longer")
    assert told[-1].payload["deleted"] is True
    assert told[-1].sha == ""


def test_tags_are_pushed_without_files(world: GitHubWorld, told: list[Happening], tmp_path: Path) -> None:
    """GitHub compares no paths for a tag."""
    world.push(REPO, BEGIN)
    copy = clone(world, tmp_path)
    copy.run("tag", "v1")
    copy.run("tag", "-a", "v2", "-m", "Two")
    copy.run("push", "--quiet", "origin", "v1", "v2")
    assert [(each.ref, each.changed) for each in told[1:]] == [("refs/tags/v1", None), ("refs/tags/v2", None)]
    head = reading.resolve(world.state.git, REPO, "main")
    assert reading.resolve(world.state.git, REPO, "v2") == head
    assert [each.sha for each in told[1:]] == [head, head], "what runs for an annotated tag runs at its commit"


def test_tags_from_python(world: GitHubWorld, told: list[Happening]) -> None:
    """`tag` makes both kinds, tells of a push like git's, and refuses what is there or leads nowhere."""
    sha = world.push(REPO, BEGIN)
    assert world.tag(REPO, "v1") == world.tag(REPO, "v2", ref=sha, message="Two") == sha
    assert [(each.event, each.ref, each.sha) for each in told[1:]] == [
        ("push", "refs/tags/v1", sha),
        ("push", "refs/tags/v2", sha),
    ]
    kinds = [world.state.git.run(REPO, "cat-file", "-t", f"refs/tags/{each}").strip() for each in ("v1", "v2")]
    assert kinds == [b"commit", b"tag"]
    with pytest.raises(GitFailed, match="already exists"):
        world.tag(REPO, "v1")
    with pytest.raises(Refused, match="No ref found"):
        world.tag(REPO, "v3", ref="nowhere")


def test_a_large_push_comes_in_pieces(world: GitHubWorld, tmp_path: Path) -> None:
    """Git sends more than a megabyte in chunks without a length."""
    world.push(REPO, BEGIN)
    copy = clone(world, tmp_path)
    (copy.folder / "weights.bin").write_bytes(os.urandom(3_000_000))
    sha = copy.commit({})
    copy.run("push", "--quiet", "origin", "main")
    assert reading.resolve(world.state.git, REPO, "main") == sha
    assert world.refused_requests == []


def test_who_may_clone_and_push(world: GitHubWorld, tmp_path: Path) -> None:
    """A private repository asks who is there, shows itself to its readers only, and lets writers write."""
    world.push(REPO, BEGIN)
    outside = Clone(tmp_path)
    assert "could not read Username" in outside.run("clone", world.clone_url(REPO), "x", ok=False)
    assert "Authentication failed" in outside.run("clone", world.clone_url(REPO, "wrong"), "x", ok=False)
    world.add_repository("acme/other")
    elsewhere = world.add_token("fine-grained", repositories=["acme/other"])
    assert "not found" in outside.run("clone", world.clone_url(REPO, elsewhere), "x", ok=False)
    reader = world.add_token("fine-grained", {"contents": "read"})
    copy = clone(world, tmp_path, token=reader)
    copy.commit({"train.py": "print(3)\n"})
    assert "403" in copy.run("push", ok=False)


def test_a_public_repository_is_open_to_readers(world: GitHubWorld, tmp_path: Path) -> None:
    """Anybody clones; a push without credentials asks for them."""
    world.add_repository("acme/open", private=False)
    world.push("acme/open", BEGIN)
    Clone(tmp_path).run("clone", "--quiet", world.clone_url("acme/open"), "copy")
    copy = Clone(tmp_path / "copy")
    copy.commit({"train.py": "print(3)\n"})
    assert "could not read Username" in copy.run("push", ok=False)


def test_without_the_suffix_only_what_git_asks_for_is_gits(world: GitHubWorld, tmp_path: Path) -> None:
    """The address of the page clones as well; the page itself stays a page."""
    world.push(REPO, BEGIN)
    token = world.add_token("fine-grained")
    Clone(tmp_path).run("clone", "--quiet", world.clone_url(REPO, token).removesuffix(".git"), "copy")
    assert (tmp_path / "copy" / "train.py").exists()
    assert call(world, "GET", f"/{REPO}").headers["content-type"] == "text/html; charset=utf-8"


def test_an_empty_repository_takes_its_first_push(world: GitHubWorld, tmp_path: Path) -> None:
    """A repository that was only named is cloned empty and filled."""
    copy = clone(world, tmp_path)
    copy.run("checkout", "--quiet", "-b", "main")
    sha = copy.commit({"train.py": "print(1)\n"})
    copy.run("push", "--quiet", "origin", "main")
    assert reading.resolve(world.state.git, REPO, "main") == sha


def test_a_pull_request_is_told_with_its_merge_commit(world: GitHubWorld, told: list[Happening]) -> None:
    """Workflows check out the merge of head and base; files are those since the branches parted."""
    world.push(REPO, BEGIN)
    head = world.push(REPO, {"src/model.py": "a = 2\nb = 2\n"}, branch="longer")
    base = world.push(REPO, {"README.md": "Hello\n"})
    issue = world.open_pull_request(REPO, head="longer", title="Train longer", body="Please")
    opened = told[-1]
    assert short(opened) == ("pull_request", "opened", f"refs/pull/{issue.number}/merge")
    assert (opened.head_sha, opened.base_ref, opened.head_ref) == (head, "main", "longer")
    assert opened.changed == ("src/model.py",)
    merged = reading.find_commit(world.state.git, REPO, opened.sha)
    assert merged is not None
    assert merged.parents == (base, head)
    shown = opened.payload["pull_request"]
    assert (shown["body"], shown["commits"], shown["changed_files"]) == ("Please", 1, 1)
    assert (shown["additions"], shown["deletions"]) == (1, 1)
    assert (shown["base"]["sha"], shown["head"]["sha"]) == (base, head)


def test_a_push_to_the_head_synchronizes(world: GitHubWorld, told: list[Happening]) -> None:
    """First the push, then the pull request, with both SHAs; the base's move changes only the merge."""
    world.push(REPO, BEGIN)
    before = world.push(REPO, {"train.py": "print(2)\n"}, branch="longer")
    issue = world.open_pull_request(REPO, head="longer", title="Train longer")
    after = world.push(REPO, {"train.py": "print(3)\n"}, branch="longer")
    assert [short(each)[:2] for each in told[-2:]] == [("push", None), ("pull_request", "synchronize")]
    assert (told[-1].payload["before"], told[-1].payload["after"]) == (before, after)
    assert issue.pull is not None
    assert issue.pull.head_sha == after
    merge = issue.pull.merge_sha
    world.push(REPO, {"README.md": "Hello\n"})
    assert told[-1].event == "push"
    assert issue.pull.merge_sha != merge


def test_a_conflict_starts_nothing(world: GitHubWorld, told: list[Happening]) -> None:
    """GitHub runs no workflow for a pull request it cannot merge; the push that mends it does."""
    world.push(REPO, BEGIN)
    world.push(REPO, {"train.py": "print(2)\n"}, branch="longer")
    world.push(REPO, {"train.py": "print(3)\n"})
    issue = world.open_pull_request(REPO, head="longer", title="Train longer")
    assert issue.pull is not None
    assert (issue.pull.mergeable, told[-1].sha) == (False, "")
    with pytest.raises(Refused, match="not mergeable"):
        world.merge_pull_request(REPO, issue.number)
    world.push(REPO, {"train.py": "print(1)\n", "more.py": ""}, branch="longer")
    assert (issue.pull.mergeable, told[-1].action) == (True, "synchronize")


@pytest.mark.parametrize(("method", "parents"), [("merge", 2), ("squash", 1)])
def test_merging_moves_the_base(world: GitHubWorld, told: list[Happening], method: str, parents: int) -> None:
    """The base gets the files, the pull request is closed as merged, and a push is told."""
    base = world.push(REPO, BEGIN)
    world.push(REPO, {"train.py": "print(2)\n"}, branch="longer")
    issue = world.open_pull_request(REPO, head="longer", title="Train longer")
    sha = world.merge_pull_request(REPO, issue.number, method=method)
    assert reading.resolve(world.state.git, REPO, "main") == sha
    assert world.read_file(REPO, "train.py") == b"print(2)\n"
    made = reading.find_commit(world.state.git, REPO, sha)
    assert made is not None
    assert len(made.parents) == parents
    assert [short(each) for each in told[-2:]] == [
        ("pull_request", "closed", "refs/heads/main"),
        ("push", None, "refs/heads/main"),
    ]
    assert told[-2].payload["pull_request"]["merged"] is True
    assert (told[-1].payload["before"], issue.state) == (base, "closed")


def test_merging_by_hand_is_merging_too(world: GitHubWorld, tmp_path: Path) -> None:
    """A base that contains the head closes the pull request as merged."""
    world.push(REPO, BEGIN)
    world.push(REPO, {"train.py": "print(2)\n"}, branch="longer")
    issue = world.open_pull_request(REPO, head="longer", title="Train longer")
    copy = clone(world, tmp_path)
    copy.run("merge", "--quiet", "origin/longer")
    copy.run("push", "--quiet")
    assert issue.pull is not None
    assert (issue.state, issue.pull.merged) == ("closed", True)


def test_closing_reopening_and_deleting_the_branch(world: GitHubWorld, told: list[Happening], tmp_path: Path) -> None:
    """Each is told once; without its branch a pull request is closed."""
    world.push(REPO, BEGIN)
    world.push(REPO, {"train.py": "print(2)\n"}, branch="longer")
    issue = world.open_pull_request(REPO, head="longer", title="Train longer")
    world.close_pull_request(REPO, issue.number)
    world.close_pull_request(REPO, issue.number)
    assert [each.action for each in told if each.event == "pull_request"] == ["opened", "closed"]
    path, token = f"/repos/{REPO}/pulls/{issue.number}", world.add_token("fine-grained")
    sha = world.push(REPO, {"train.py": "print(3)\n"}, branch="longer")
    reopened = call(world, "PATCH", path, {"state": "open"}, token).body
    assert (reopened["state"], reopened["head"]["sha"]) == ("open", sha)
    clone(world, tmp_path).run("push", "--quiet", "origin", "--delete", "longer")
    assert [each.action for each in told if each.event == "pull_request"] == ["opened", "closed", "reopened", "closed"]
    assert call(world, "PATCH", path, {"state": "open"}, token).status == 422


def test_a_fork_begins_as_its_parent(world: GitHubWorld, told: list[Happening], tmp_path: Path) -> None:
    """Its pull request brings the commits into the base, where they can be fetched."""
    begin = world.push(REPO, BEGIN)
    world.add_repository("octocat/train", parent=REPO)
    head = world.push("octocat/train", {"train.py": "print(2)\n"}, branch="longer")
    assert reading.resolve(world.state.git, "octocat/train", "main") == begin
    issue = world.open_pull_request(REPO, head="longer", title="Longer", head_repository="octocat/train")
    assert (told[-1].repository, told[-1].head_sha, told[-1].changed) == (REPO, head, ("train.py",))
    copy = clone(world, tmp_path)
    copy.run("fetch", "--quiet", "origin", f"refs/pull/{issue.number}/head")
    assert copy.run("rev-parse", "FETCH_HEAD").strip() == head
    copy.run("fetch", "--quiet", "origin", told[-1].sha)


def test_pull_requests_that_make_no_sense(world: GitHubWorld) -> None:
    """No branch, nothing to merge, the same again: refused with GitHub's words."""
    world.push(REPO, BEGIN)
    with pytest.raises(Refused, match="head is invalid"):
        world.open_pull_request(REPO, head="nowhere", title="x")
    with pytest.raises(Refused, match="No commits between main and main"):
        world.open_pull_request(REPO, head="main", title="x")
    world.push(REPO, {"train.py": "print(2)\n"}, branch="longer")
    with pytest.raises(Refused, match="base is invalid; there is no branch nowhere"):
        world.open_pull_request(REPO, head="longer", title="x", base="nowhere")
    first = world.open_pull_request(REPO, head="longer", title="x")
    with pytest.raises(Refused, match="already exists for acme:longer"):
        world.open_pull_request(REPO, head="longer", title="x")
    assert first.number == 1


def test_what_a_workflow_pushes_triggers_nothing(world: GitHubWorld, told: list[Happening], tmp_path: Path) -> None:
    """A push with a GITHUB_TOKEN is noticed and starts no workflow."""
    world.push(REPO, BEGIN)
    copy = clone(world, tmp_path, token=world.add_token("actions"))
    sha = copy.commit({"metrics.json": "{}\n"})
    count = len(told)
    copy.run("push", "--quiet")
    assert reading.resolve(world.state.git, REPO, "main") == sha
    assert world.state.git.seen[REPO]["refs/heads/main"] == sha
    assert len(told) == count


def test_the_workflow_files_of_a_commit(world: GitHubWorld) -> None:
    """By path, at any commit; none without the folder and none without git."""
    assert reading.workflow_files(world.state.git, REPO, "main") == {}
    old = world.push(REPO, {"train.py": ""})
    new = world.push(REPO, BEGIN | {".github/workflows/notes.md": "no workflow"})
    assert reading.workflow_files(world.state.git, REPO, old) == {}
    assert reading.workflow_files(world.state.git, REPO, new) == {".github/workflows/train.yml": "on: push\n"}


def test_some_refs_are_not_for_pushing(world: GitHubWorld, tmp_path: Path) -> None:
    """A pull request's refs and the default branch stand; nothing of it is told."""
    sha = world.push(REPO, BEGIN)
    world.push(REPO, {"train.py": "print(2)\n"}, branch="longer")
    issue = world.open_pull_request(REPO, head="longer", title="Train longer")
    copy = clone(world, tmp_path)
    assert "hidden ref" in copy.run("push", "origin", f"HEAD:refs/pull/{issue.number}/head", ok=False)
    assert "refusing to delete" in copy.run("push", "origin", "--delete", "main", ok=False)
    assert world.state.git.refs(REPO)["refs/heads/main"] == sha
    assert "refs/runnerkit" not in copy.run("ls-remote")


def test_git_errors_name_the_command(world: GitHubWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed and what git said; without git, that it is missing."""
    with pytest.raises(GitFailed, match=r"git rev-parse nowhere failed: .*unknown revision"):
        world.state.git.run(REPO, "rev-parse", "nowhere")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(GitFailed, match="git is not installed"):
        git("version")


def test_the_users_git_settings_do_not_matter(
    world: GitHubWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither configuration nor GIT_ variables of the environment reach the world's repositories."""
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = wrong\n[core]\n\tautocrlf = true\n", encoding="utf-8")
    settings: dict[str, Any] = {"HOME": str(tmp_path), "GIT_DIR": str(tmp_path / "x"), "GIT_AUTHOR_NAME": "wrong"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "seed").mkdir()
    (tmp_path / "seed" / "a.txt").write_bytes(b"one\r\ntwo\n")
    sha = world.seed(REPO, tmp_path / "seed")
    made = reading.find_commit(world.state.git, REPO, sha)
    assert made is not None
    assert (made.author, made.committer) == ("octocat", "octocat")
    assert world.read_file(REPO, "a.txt") == b"one\r\ntwo\n"


def test_git_suffers_scripted_trouble_too(world: GitHubWorld, tmp_path: Path) -> None:
    """A failing or silent service is one for git as well; the next attempt goes through."""
    world.push(REPO, BEGIN)
    copy = clone(world, tmp_path)
    world.fail("*", f"/{REPO}.git/*", 502)
    assert "502" in copy.run("fetch", ok=False)
    sha = copy.commit({"train.py": "print(2)\n"})
    world.lose_answer("POST", f"/{REPO}.git/git-receive-pack")
    copy.run("push", ok=False)
    assert reading.resolve(world.state.git, REPO, "main") == sha
    copy.run("push", "--quiet")
