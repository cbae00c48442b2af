import pytest

from runnerkit.sandbox.github import GitHubWorld
from tests.sandbox.engine_ground import BOX, job, one, push, states
from tests.sandbox.github_world import REPO, call, client

WORKFLOW = """
name: Train
run-name: "Train for ${{ inputs.epochs }} epochs"
on:
  workflow_dispatch:
    inputs:
      epochs: {type: number, default: 3}
      model: {type: choice, options: [small, large], required: true}
jobs:
  train:
    runs-on: [box]
    steps: [{run: "train ${{ inputs.model }} ${{ inputs.epochs }} ${{ github.event.inputs.model }}"}]
"""
PLACE = f"/repos/{REPO}/actions/workflows"


def test_a_dispatch_starts_the_file_with_its_inputs(world: GitHubWorld, token: str) -> None:
    """No content with the older version of the API, the run's address with the newer one or on request."""
    push(world, WORKFLOW)
    path = f"{PLACE}/train.yml/dispatches"
    body = {"ref": "main", "inputs": {"model": "small"}}
    assert call(world, "POST", path, body, token).status == 204
    (run,) = world.runs(REPO)
    assert (run.title, run.event, run.ref) == ("Train for 3 epochs", "workflow_dispatch", "refs/heads/main")
    assert job(world, run, "train").payload["steps"] == [{"run": "train small 3 small"}]
    asked = call(world, "POST", path, body | {"return_run_details": True}, token)
    newer = call(world, "POST", path, body, token, X_GitHub_Api_Version="2026-03-10")
    assert (asked.status, newer.status) == (200, 200)
    assert newer.body["workflow_run_id"] == world.runs(REPO)[0].id
    assert call(world, "GET", newer.body["run_url"], token=token).body["display_title"] == "Train for 3 epochs"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"ref": "main", "inputs": {}}, "model"),
        ({"ref": "main", "inputs": {"model": "huge"}}, "small, large"),
        ({"ref": "main", "inputs": {"model": "small", "epochz": "1"}}, "epochs"),
        ({"ref": "nowhere", "inputs": {"model": "small"}}, "No ref found for: nowhere"),
        ({"ref": "main", "inputs": {str(number): "" for number in range(26)}}, "inputs"),
    ],
)
def test_a_dispatch_with_wrong_inputs_is_refused(
    world: GitHubWorld, token: str, body: dict[str, object], why: str
) -> None:
    """The answer names what is wrong, and no run comes of it."""
    push(world, WORKFLOW)
    refused = call(world, "POST", f"{PLACE}/train.yml/dispatches", body, token)
    assert refused.status == 422
    assert why in refused.body["message"]
    assert world.runs(REPO) == []


def test_only_a_workflow_that_says_so_can_be_dispatched(world: GitHubWorld, token: str) -> None:
    """422 without the trigger, 404 for no such file, 422 where the ref does not have the file."""
    push(world, f"on: push\njobs:\n  a:\n    {BOX}\n", "other.yml")
    missing = call(world, "POST", f"{PLACE}/none.yml/dispatches", {"ref": "main"}, token)
    refused = call(world, "POST", f"{PLACE}/other.yml/dispatches", {"ref": "main"}, token)
    assert (missing.status, refused.status) == (404, 422)
    assert "workflow_dispatch" in refused.body["message"]
    world.push(REPO, {"x": "1"}, branch="old")
    push(world, WORKFLOW)
    late = call(world, "POST", f"{PLACE}/train.yml/dispatches", {"ref": "old", "inputs": {"model": "small"}}, token)
    assert (late.status, "refs/heads/old" in late.body["message"]) == (422, True)


def test_a_workflow_may_dispatch_another(world: GitHubWorld) -> None:
    """The one thing that a GITHUB_TOKEN does start."""
    push(world, WORKFLOW)
    held = world.add_token("actions")
    body = {"ref": "main", "inputs": {"model": "large"}}
    assert call(world, "POST", f"{PLACE}/train.yml/dispatches", body, held).status == 204
    assert world.runs(REPO)[0].actor == "github-actions[bot]"
    reader = world.add_token("actions", {"actions": "read"})
    assert call(world, "POST", f"{PLACE}/train.yml/dispatches", body, reader).status == 403


def test_workflows_are_listed_and_found_by_id_and_name(world: GitHubWorld, token: str) -> None:
    """Through the real client too; a file that cannot be read goes by its path."""
    run = one(world, f"name: Lint\non: push\njobs:\n  a:\n    {BOX}\n", name="lint.yaml")
    push(world, "on: [", "broken.yml")
    push(world, WORKFLOW)
    listed = call(world, "GET", PLACE, token=token).body["workflows"]
    broken, lint, train = listed
    assert (broken["name"], lint["name"], train["name"]) == (".github/workflows/broken.yml", "Lint", "Train")
    assert call(world, "GET", f"{PLACE}/{lint['id']}", token=token).body == lint
    assert call(world, "GET", f"{PLACE}/lint.yaml", token=token).body == lint
    assert call(world, "GET", f"{PLACE}/none.yml", token=token).status == 404
    runs = call(world, "GET", f"{PLACE}/lint.yaml/runs", token=token).body["workflow_runs"]
    assert runs[-1]["id"] == run.id
    assert {each["workflow_id"] for each in runs} == {lint["id"]}
    assert call(world, "GET", f"{PLACE}/train.yml/runs", token=token).body["total_count"] == 0
    with client(world, token) as caller:
        workflow = caller.get_repo(REPO).get_workflow("train.yml")
        assert workflow.create_dispatch("main", {"model": "small"})
        assert [each.path for each in workflow.get_runs()] == [".github/workflows/train.yml"]
    assert states(world, world.runs(REPO)[0]) == {"train": "queued"}
