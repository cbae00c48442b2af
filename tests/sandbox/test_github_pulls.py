from collections.abc import Iterator

import pytest
from github import GithubException

from runnerkit.sandbox.github import GitHubWorld
from runnerkit.sandbox.github.records import Happening
from tests.sandbox.github_world import REPO, acme, call, client

PULLS = f"/repos/{REPO}/pulls"


@pytest.fixture
def world() -> Iterator[GitHubWorld]:
    """A repository whose branch ``longer`` is one commit ahead."""
    with acme() as world:
        world.push(REPO, {"train.py": "print(1)\n"}, message="Begin")
        world.push(REPO, {"train.py": "print(2)\n", "notes.md": "x\n"}, branch="longer", message="Longer")
        yield world


@pytest.fixture
def told(world: GitHubWorld) -> list[Happening]:
    """What workflows could have been triggered by, from here on, the trusted ones of pull requests left out."""
    found: list[Happening] = []
    target = "pull_request_target"
    world.state.triggers[:] = [lambda each: found.extend([each] if each.event != target else [])]
    return found


def test_a_pull_request_by_a_client(world: GitHubWorld, token: str) -> None:
    """Opened, listed, edited and merged by the library people use."""
    with client(world, token) as caller:
        repo = caller.get_repo(REPO)
        pull = repo.create_pull(base="main", head="longer", title="Train longer", body="Please")
        assert (pull.number, pull.body, pull.mergeable, pull.commits) == (1, "Please", True, 1)
        assert [each.filename for each in pull.get_files()] == ["notes.md", "train.py"]
        assert [each.commit.message for each in pull.get_commits()] == ["Longer"]
        assert [each.number for each in repo.get_pulls(head="acme:longer")] == [1]
        pull.edit(title="Train much longer", body="")
        assert not pull.is_merged()
        assert pull.merge(commit_title="Merged").merged
        assert pull.is_merged()
        again = repo.get_pull(1)
        assert (again.title, again.state, again.merged) == ("Train much longer", "closed", True)
        assert not again.body
        assert again.merged_by.login == "octocat"
    assert world.read_file(REPO, "train.py") == b"print(2)\n"


def test_a_fork_is_named_by_its_owner(world: GitHubWorld, token: str) -> None:
    """``octocat:faster``, as people write it; an owner without a fork is refused."""
    world.add_repository("octocat/train", parent=REPO)
    world.push("octocat/train", {"train.py": "print(3)\n"}, branch="faster")
    made = call(world, "POST", PULLS, {"title": "x", "head": "octocat:faster", "base": "main"}, token)
    assert made.body["head"]["repo"]["full_name"] == "octocat/train"
    assert made.body["head"]["label"] == "octocat:faster"
    nobody = call(world, "POST", PULLS, {"title": "x", "head": "hubot:faster", "base": "main"}, token)
    assert nobody.status == 422
    mine = call(world, "POST", PULLS, {"title": "x", "head": "acme:longer", "base": "main"}, token)
    assert mine.status == 201


def test_what_a_pull_request_is_refused_for(world: GitHubWorld, token: str) -> None:
    """GitHub's 422s, and 403 for who may only read."""
    wrong = [{"head": "longer", "base": "main"}, {"title": "x", "head": "nowhere", "base": "main"}]
    for body in wrong:
        assert call(world, "POST", PULLS, body, token).status == 422
    reader = world.add_token("fine-grained", {"pull_requests": "read"})
    assert call(world, "POST", PULLS, wrong[0] | {"title": "x"}, reader).status == 403


def test_merging_needs_the_right_state(world: GitHubWorld, token: str) -> None:
    """A head that moved is a 409; what is closed or conflicts a 405; a merged one stays closed."""
    world.open_pull_request(REPO, head="longer", title="x")
    stale = call(world, "PUT", f"{PULLS}/1/merge", {"sha": "0" * 40}, token)
    assert (stale.status, "Head branch was modified" in stale.body["message"]) == (409, True)
    squashed = call(world, "PUT", f"{PULLS}/1/merge", {"merge_method": "squash"}, token)
    assert squashed.status == 200
    assert call(world, "PUT", f"{PULLS}/1/merge", token=token).status == 405
    assert call(world, "PATCH", f"{PULLS}/1", {"state": "open"}, token).status == 422
    commit = call(world, "GET", f"/repos/{REPO}/commits/{squashed.body['sha']}", token=token).body
    assert (commit["commit"]["message"], len(commit["parents"])) == ("x (#1)", 1)


def test_a_conflict_is_shown(world: GitHubWorld, token: str) -> None:
    """Not mergeable, dirty, and refused by the button."""
    world.open_pull_request(REPO, head="longer", title="x")
    world.push(REPO, {"train.py": "print(7)\n"})
    found = call(world, "GET", f"{PULLS}/1", token=token).body
    assert (found["mergeable"], found["mergeable_state"]) == (False, "dirty")
    assert call(world, "PUT", f"{PULLS}/1/merge", token=token).status == 405


def test_a_pull_request_without_git_stays_what_it_was(world: GitHubWorld, token: str) -> None:
    """Tests tell pull requests into being; they are shown, have no files and are not merged."""
    world.add_repository("acme/told")
    world.add_pull_request("acme/told")
    path = "/repos/acme/told/pulls/1"
    assert call(world, "GET", path, token=token).body["mergeable"] is True
    assert call(world, "GET", f"{path}/files", token=token).body == []
    assert call(world, "GET", f"{path}/commits", token=token).body == []
    assert call(world, "PUT", f"{path}/merge", token=token).status == 405


def test_issues_by_a_client(world: GitHubWorld, token: str, told: list[Happening]) -> None:
    """Opened, listed with pull requests among them, changed, closed, reopened; each is told."""
    world.open_pull_request(REPO, head="longer", title="A pull request")
    with client(world, token) as caller:
        repo = caller.get_repo(REPO)
        issue = repo.create_issue("It is slow", body="Very")
        assert [each.title for each in repo.get_issues()] == ["It is slow", "A pull request"]
        issue.edit(title="It is too slow", body="Indeed", state="closed")
        assert [each.number for each in repo.get_issues(state="closed")] == [issue.number]
        assert repo.get_issue(issue.number).closed_at is not None
        issue.edit(state="open")
        again = repo.get_issue(issue.number)
        assert (again.title, again.body, again.state) == ("It is too slow", "Indeed", "open")
    seen = [(each.event, each.action) for each in told]
    assert seen[1:] == [("issues", "opened"), ("issues", "closed"), ("issues", "reopened")]


def test_comments_are_told_on_the_default_branch(world: GitHubWorld, token: str, told: list[Happening]) -> None:
    """A comment's workflows run at the default branch's head; a workflow's own comment triggers none."""
    world.open_pull_request(REPO, head="longer", title="x")
    with client(world, token) as caller:
        comment = caller.get_repo(REPO).get_issue(1).create_comment("/train")
        comment.edit("/train more")
        comment.delete()
    seen = told[1:]
    assert [(each.event, each.action) for each in seen] == [
        ("issue_comment", "created"),
        ("issue_comment", "edited"),
        ("issue_comment", "deleted"),
    ]
    head = call(world, "GET", f"/repos/{REPO}/branches/main", token=token).body["commit"]["sha"]
    assert {(each.ref, each.sha) for each in seen} == {("refs/heads/main", head)}
    assert seen[1].payload["changes"] == {"body": {"from": "/train"}}
    assert "pull_request" in seen[0].payload["issue"]
    path = f"/repos/{REPO}/issues/1/comments"
    assert call(world, "POST", path, {"body": "Report"}, world.add_token("actions")).status == 201
    assert len(told) == 4


def test_a_pull_request_cannot_be_changed_through_a_wrong_number(world: GitHubWorld, token: str) -> None:
    """An issue is no pull request."""
    world.add_issue(REPO)
    for method, path in (("GET", ""), ("GET", "/files"), ("PATCH", ""), ("PUT", "/merge")):
        assert call(world, method, f"{PULLS}/1{path}", {} if method != "GET" else None, token).status == 404


def test_a_merge_by_a_reader_is_refused(world: GitHubWorld) -> None:
    """Merging writes contents."""
    world.open_pull_request(REPO, head="longer", title="x")
    token = world.add_token("fine-grained", {"pull_requests": "write", "contents": "read"})
    with client(world, token) as caller, pytest.raises(GithubException) as refused:
        caller.get_repo(REPO).get_pull(1).merge()
    assert refused.value.status == 403
