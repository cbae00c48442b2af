import base64
from collections.abc import Iterator

import pytest
from github import GithubException

from runnerkit.sandbox.github import GitHubWorld
from tests.sandbox.github_world import REPO, acme, call, client

FILES = {"train.py": "print(1)\n", "src/model.py": "a = 1\n", "src/deep/more.py": ""}
HOME = f"/repos/{REPO}"


@pytest.fixture
def world() -> Iterator[GitHubWorld]:
    """A repository with one pushed commit; at the end no answer may have broken the description."""
    with acme() as world:
        world.push(REPO, FILES, message="Begin")
        yield world


def test_a_file_comes_in_base64_or_as_it_is(world: GitHubWorld, token: str) -> None:
    """Both media types, by branch and by SHA."""
    sha = world.push(REPO, {"train.py": "print(2)\n" * 20}, branch="feature/longer")
    found = call(world, "GET", f"{HOME}/contents/train.py", token=token).body
    assert base64.b64decode(found["content"]) == b"print(1)\n"
    assert (found["type"], found["size"], found["path"]) == ("file", 9, "train.py")
    for ref in ("feature/longer", sha, "refs/heads/feature/longer"):
        path = f"{HOME}/contents/train.py?ref={ref}"
        raw = call(world, "GET", path, token=token, Accept="application/vnd.github.raw+json")
        assert raw.body == "print(2)\n" * 20


def test_a_folder_is_listed(world: GitHubWorld, token: str) -> None:
    """Files and folders of one level; the root too."""
    listed = call(world, "GET", f"{HOME}/contents/src", token=token).body
    assert [(each["type"], each["path"]) for each in listed] == [("dir", "src/deep"), ("file", "src/model.py")]
    with client(world, token) as caller:
        root = caller.get_repo(REPO).get_contents("")
    assert isinstance(root, list)
    assert [each.path for each in root] == ["src", "train.py"]


def test_what_is_not_there_is_not_found(world: GitHubWorld, token: str) -> None:
    """Path, ref, commit, branch and comparison; a repository that git does not know has no contents."""
    for path in ("contents/nothing", "contents/train.py?ref=nowhere", "commits/nowhere", "branches/nowhere"):
        assert call(world, "GET", f"{HOME}/{path}", token=token).status == 404
    assert call(world, "GET", f"{HOME}/compare/main...nowhere", token=token).status == 404
    assert call(world, "GET", f"{HOME}/git/ref/heads/nowhere", token=token).status == 404
    world.add_repository("acme/other")
    assert call(world, "GET", "/repos/acme/other/contents/train.py", token=token).status == 404


def test_a_file_is_written_by_commit(world: GitHubWorld, token: str) -> None:
    """New ones as they are, old ones only over the blob the caller knows; bad content is refused."""
    with client(world, token) as caller:
        repo = caller.get_repo(REPO)
        made = repo.create_file("notes.md", "Note", "Hello", branch="main")
        known = made["content"].sha
        repo.update_file("notes.md", "Note more", "Hello again", known)
        with pytest.raises(GithubException) as stale:
            repo.update_file("notes.md", "Note more", "Other", known)
    assert stale.value.status == 409
    assert world.read_file(REPO, "notes.md") == b"Hello again"
    body = {"message": "x", "content": base64.b64encode(b"y").decode()}
    assert call(world, "PUT", f"{HOME}/contents/notes.md", body, token).status == 422
    assert call(world, "PUT", f"{HOME}/contents/a/.git/b", body, token).status == 422
    reader = world.add_token("fine-grained", {"contents": "read"})
    assert call(world, "PUT", f"{HOME}/contents/new.md", body, reader).status == 403


def test_commits_of_a_branch_and_of_a_path(world: GitHubWorld, token: str) -> None:
    """Newest first, with parents, message and account; pages as everywhere."""
    first = world.push(REPO, {"src/model.py": "a = 2\n"}, message="Model")
    second = world.push(REPO, {"train.py": "print(2)\n"}, message="Train\n\nLonger", login="hubot")
    listed = call(world, "GET", f"{HOME}/commits?per_page=2", token=token)
    assert [each["sha"] for each in listed.body] == [second, first]
    assert listed.body[0]["parents"][0]["sha"] == first
    assert listed.body[0]["commit"]["message"] == "Train\n\nLonger"
    assert listed.body[0]["author"]["login"] == "hubot"
    assert 'rel="next"' in listed.headers["link"]
    of_path = call(world, "GET", f"{HOME}/commits?path=src/model.py", token=token).body
    assert [each["commit"]["message"] for each in of_path] == ["Model", "Begin"]


def test_a_commit_shows_its_files(world: GitHubWorld, token: str) -> None:
    """By SHA, short SHA or branch; renamed files name where they were."""
    body = "".join(f"line {each}\n" for each in range(20))
    world.push(REPO, {"old.txt": body})
    sha = world.push(REPO, {"old.txt": None, "new.txt": body, "train.py": "print(2)\n", "bin": b"\x00\x01"})
    for ref in (sha, sha[:10], "main"):
        found = call(world, "GET", f"{HOME}/commits/{ref}", token=token).body
        assert found["sha"] == sha
        files = {each["filename"]: each for each in found["files"]}
    assert (files["new.txt"]["status"], files["new.txt"]["previous_filename"]) == ("renamed", "old.txt")
    assert (files["train.py"]["additions"], files["train.py"]["deletions"]) == (1, 1)
    assert files["train.py"]["patch"] == "@@ -1 +1 @@\n-print(1)\n+print(2)"
    assert (files["bin"]["status"], "patch" in files["bin"]) == ("added", False)


def test_branches_are_compared_from_where_they_parted(world: GitHubWorld, token: str) -> None:
    """Ahead and behind are counted, the base's own changes are not shown."""
    start = world.push(REPO, {"train.py": "print(0)\n"})
    head = world.push(REPO, {"train.py": "print(2)\n"}, branch="feature/longer")
    world.push(REPO, {"README.md": "x"})
    found = call(world, "GET", f"{HOME}/compare/main...feature/longer", token=token).body
    assert (found["status"], found["ahead_by"], found["behind_by"]) == ("diverged", 1, 1)
    assert found["merge_base_commit"]["sha"] == start
    assert [each["sha"] for each in found["commits"]] == [head]
    assert [each["filename"] for each in found["files"]] == ["train.py"]
    assert call(world, "GET", f"{HOME}/compare/main...main", token=token).body["status"] == "identical"
    assert call(world, "GET", f"{HOME}/compare/{start}...main", token=token).body["status"] == "ahead"
    assert call(world, "GET", f"{HOME}/compare/main...{start}", token=token).body["status"] == "behind"


def test_branches_and_refs(world: GitHubWorld, token: str) -> None:
    """Made, moved, deleted; a move that is no fast forward needs force."""
    old = call(world, "GET", f"{HOME}/git/ref/heads/main", token=token).body["object"]["sha"]
    new = world.push(REPO, {"train.py": "print(2)\n"})
    with client(world, token) as caller:
        repo = caller.get_repo(REPO)
        ref = repo.create_git_ref("refs/heads/feature/x", old)
        assert repo.get_branch("feature/x").commit.sha == old
        assert {each.name for each in repo.get_branches()} == {"main", "feature/x"}
        ref.edit(new)
        with pytest.raises(GithubException, match="fast forward"):
            ref.edit(old)
        ref.edit(old, force=True)
        with pytest.raises(GithubException, match="already exists"):
            repo.create_git_ref("refs/heads/feature/x", new)
        with pytest.raises(GithubException, match="must start with"):
            repo.create_git_ref("refs/pull/1/head", new)
        with pytest.raises(GithubException, match="cannot be moved"):
            repo.create_git_ref("refs/heads/bad..name", new)
        ref.delete()
        with pytest.raises(GithubException, match="does not exist"):
            ref.delete()


def test_a_commit_that_was_only_told_is_still_shown(world: GitHubWorld, token: str) -> None:
    """What tests make up without git stays in the same answers."""
    sha = world.add_commit(REPO, message="Told")
    found = call(world, "GET", f"{HOME}/commits/{sha}", token=token).body
    assert (found["sha"], found["commit"]["message"]) == (sha, "Told")


def test_nobody_reads_a_private_repository(world: GitHubWorld) -> None:
    """Not even its existence; a public one is open."""
    assert call(world, "GET", f"{HOME}/contents/train.py").status == 404
    world.add_repository("acme/open", private=False)
    world.push("acme/open", FILES)
    assert call(world, "GET", "/repos/acme/open/contents/train.py").status == 200


def test_variables_and_secrets(world: GitHubWorld, token: str) -> None:
    """Variables come and go through the API in capitals; of secrets only the names are shown."""
    world.set_secret(REPO, "key", "hidden")
    with client(world, token) as caller:
        repo = caller.get_repo(REPO)
        made = repo.create_variable("epochs", "3")
        made.edit("5")
        assert [(each.name, each.value) for each in repo.get_variables()] == [("EPOCHS", "5")]
        assert [each.name for each in repo.get_secrets()] == ["KEY"]
        for name, status in (("EPOCHS", 409), ("1st", 422), ("github_x", 422)):
            assert call(world, "POST", f"{HOME}/actions/variables", {"name": name, "value": ""}, token).status == status
        repo.delete_variable("epochs")
    assert call(world, "GET", f"{HOME}/actions/variables/EPOCHS", token=token).status == 404
    assert "hidden" not in str(call(world, "GET", f"{HOME}/actions/secrets/key", token=token).body)
    assert call(world, "GET", f"{HOME}/actions/secrets/other", token=token).status == 404
    assert call(world, "GET", f"{HOME}/actions/secrets", token=world.add_token("actions")).status == 403
