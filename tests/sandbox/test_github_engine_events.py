import socket
import threading
import time
import urllib.request
from urllib.parse import urlsplit

import jwt
import pytest

from runnerkit.sandbox.github import GitHubWorld, Refused
from runnerkit.sandbox.github.records import Run
from tests.sandbox.engine_ground import BOX, FOLDER, end, one, push, states
from tests.sandbox.github_world import REPO, call

TRAIN = f"""
name: train
on: push
jobs:
  train:
    {BOX}
"""
AFTER = f"""
name: after
on: {{workflow_run: {{workflows: [train], types: [completed], branches: [WHICH]}}}}
jobs:
  after:
    {BOX}
"""


def started(world: GitHubWorld, name: str) -> list[Run]:
    return [each for each in world.runs(REPO) if each.workflow == name]


@pytest.mark.parametrize(("branch", "count"), [("main", 1), ("'ma*'", 1), ("other", 0)])
def test_a_workflow_that_waits_for_another_chooses_by_its_branch(world: GitHubWorld, branch: str, count: int) -> None:
    """``branches`` of ``workflow_run`` mean the branch of the run that is followed; ``github.base_ref`` stays empty."""
    push(world, AFTER.replace("WHICH", branch), name="after.yml")
    end(world, one(world, TRAIN), "train")
    found = started(world, "after")
    assert [(each.base_ref, each.head_branch) for each in found] == [("", "main")] * count


def test_workflows_follow_each_other_three_levels_deep(world: GitHubWorld) -> None:
    """GitHub ends a chain there; a workflow that waits for itself would otherwise start for ever."""
    on = "{workflow_run: {workflows: [again, train], types: [requested]}}"
    again = f"name: again\non: {on}\njobs:\n  again:\n    {BOX}\n"
    push(world, again, name="again.yml")
    push(world, TRAIN)
    for _ in range(10):
        world.runs(REPO)
    assert len(started(world, "again")) == 3


def test_the_event_of_a_dispatch_has_all_inputs_as_text(world: GitHubWorld) -> None:
    """``github.event.inputs`` holds defaults too; ``inputs`` keeps their kinds."""
    push(
        world,
        f"""
        on:
          workflow_dispatch:
            inputs: {{seed: {{type: number, default: 3}}, deep: {{type: boolean}}, why: {{}}}}
        jobs:
          train:
            name: "${{{{ github.event.inputs.seed }}}} ${{{{ inputs.deep == true }}}}"
            {BOX.replace("    ", "            ")}
        """,
    )
    run = world.dispatch(REPO, "train.yml", inputs={"deep": "true"})
    assert run.payload["inputs"] == {"seed": "3", "deep": "true", "why": ""}
    assert [each.name for each in world.jobs(run)] == ["3 true"]


TARGET = f"""
name: target
on: {{pull_request_target: {{branches: [main]}}}}
jobs:
  target:
    {BOX}
"""


def test_a_trusted_workflow_of_a_pull_request_is_that_of_the_default_branch(world: GitHubWorld) -> None:
    """``pull_request_target`` runs the default branch's file at its commit, even for a fork's change of it."""
    push(world, TARGET, name="target.yml")
    world.add_repository("octocat/train", parent=REPO)
    world.push("octocat/train", {f"{FOLDER}/target.yml": TARGET.replace("target:", "stolen:")}, branch="steal")
    issue = world.open_pull_request(REPO, head="steal", title="Steal", head_repository="octocat/train")
    (run,) = started(world, "target")
    assert (run.event, run.ref, run.sha) == (
        "pull_request_target",
        "refs/heads/main",
        world.state.ref_sha(REPO, "main"),
    )
    assert issue.pull is not None
    assert (run.head_sha, run.head_branch, run.head_repository) == (issue.pull.head_sha, "steal", "octocat/train")
    assert [each.name for each in world.jobs(run)] == ["target"]


def test_a_merged_pull_request_runs_at_the_branch_it_went_into(world: GitHubWorld) -> None:
    """``github.ref`` is the base branch after a merge, and the merge ref without one."""
    push(world, f"on: {{pull_request: {{types: [closed]}}}}\njobs:\n  train:\n    {BOX}\n")
    for branch in ("one", "two"):
        world.push(REPO, {branch: "x"}, branch=branch)
    merged = world.open_pull_request(REPO, head="one", title="One")
    dropped = world.open_pull_request(REPO, head="two", title="Two")
    world.merge_pull_request(REPO, merged.number)
    world.close_pull_request(REPO, dropped.number)
    last, first = world.runs(REPO)
    assert (first.ref, last.ref) == ("refs/heads/main", f"refs/pull/{dropped.number}/merge")


def test_an_installation_acts_as_its_apps_bot(world: GitHubWorld) -> None:
    """What an App writes in an organisation is its bot's, not the organisation's, and an App can dispatch and open."""
    push(world, TRAIN.replace("push", "workflow_dispatch"))
    app = world.add_app("robot")
    number = world.install_app(app, "acme").id
    now = int(time.time())
    claims = {"iss": app.client_id, "iat": now - 60, "exp": now + 300}
    proof = jwt.encode(claims, "x" * 32, algorithm="HS256")
    token = call(world, "POST", f"/app/installations/{number}/access_tokens", {}, proof).body["token"]
    issue = call(world, "POST", f"/repos/{REPO}/issues", {"title": "Slow"}, token)
    assert (issue.status, issue.body["user"]["login"], issue.body["user"]["type"]) == (201, "robot[bot]", "Bot")
    place = f"/repos/{REPO}/actions/workflows/train.yml/dispatches"
    assert call(world, "POST", place, {"ref": "main"}, token).status == 204
    assert [each.actor for each in world.runs(REPO)] == ["robot[bot]"]
    file = {"message": "Write", "content": "eA=="}
    assert call(world, "PUT", f"/repos/{REPO}/contents/x.txt", file, token).status == 201
    assert call(world, "GET", "/orgs/acme/actions/runners", token=token).status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/repos/{REPO}/contents/a%00b", 400),
        (f"/repos/{REPO}/commits?path=%00", 400),
        (f"/repos/{REPO}/contents/../../x", 404),
        (f"/{REPO}/raw/main/a%00b", 404),
        (f"/{REPO}/raw/a%00b/train.py", 404),
        ("/_runnerkit/logs/%C2%B2", 404),
        ("/_runnerkit/archives/%C2%B2", 404),
    ],
)
def test_strange_names_are_refused_without_a_fault(world: GitHubWorld, token: str, path: str, status: int) -> None:
    """Zero bytes, ways out of the repository and digits of other scripts are the caller's fault, not the service's."""
    world.push(REPO, {"train.py": "x"})
    assert call(world, "GET", path, token=token).status == status


def test_what_is_being_answered_ends_before_the_world_does() -> None:
    """No thread of the server goes on in a world whose repositories are deleted."""
    with GitHubWorld() as world:
        world.add_repository("octocat/train")
        entered = threading.Event()
        ended = threading.Event()

        def slowly(_: object) -> None:
            entered.set()
            time.sleep(0.3)
            ended.set()
            raise ConnectionAbortedError("nobody waits for this answer")

        world.service.pages = slowly  # type: ignore[assignment]  # it answers nothing
        asker = threading.Thread(target=_ask, args=(world.url,))
        asker.start()
        assert entered.wait(10)
    assert ended.is_set()
    asker.join(10)


def test_a_caller_that_dies_in_the_middle_of_its_request_is_no_fault() -> None:
    """Half a body has no effect, and nothing was answered against the description."""
    with GitHubWorld() as world:
        world.add_repository("octocat/train")
        token, place = world.add_token("fine-grained"), urlsplit(world.url)
        with socket.create_connection((place.hostname, place.port), timeout=30) as line:
            head = f"POST /repos/octocat/train/issues HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            line.sendall(f'{head}Content-Length: 100\r\n\r\n{{"title'.encode())
            line.shutdown(socket.SHUT_WR)
            assert line.recv(100) == b""
    assert (world.violations, world.calls) == ([], [])


def _ask(url: str) -> None:
    try:
        urllib.request.urlopen(f"{url}/somewhere", timeout=30).close()
    except OSError:
        return


NIGHTLY = f"""
name: NAME
on: {{schedule: [{{cron: '0 3 * * *'}}, {{cron: '0 4 * * 1'}}]}}
jobs:
  score:
    {BOX}
"""


def test_a_scheduled_time_comes_on_the_default_branch_only(world: GitHubWorld) -> None:
    """The run is of the branch's tip, knows its time, and files of other branches are not asked."""
    push(world, NIGHTLY.replace("NAME", "score"), name="score.yml")
    push(world, NIGHTLY.replace("NAME", "elsewhere"), name="elsewhere.yml", branch="dev")
    (run,) = world.fire_schedule(REPO, "0 4 * * 1")
    tip = world.state.ref_sha(REPO, "refs/heads/main")
    assert ("score", "schedule", "main", tip) == (run.workflow, run.event, run.head_branch, run.sha)
    assert run.payload["schedule"] == "0 4 * * 1"
    assert {"score": "queued"} == states(world, run)


def test_a_time_that_no_file_has_is_refused(world: GitHubWorld) -> None:
    """A story with a mistyped time must not go on as if nothing was to happen."""
    push(world, NIGHTLY.replace("NAME", "score"), name="score.yml")
    with pytest.raises(Refused, match="No workflow on main has the schedule '0 5"):
        world.fire_schedule(REPO, "0 5 * * *")
