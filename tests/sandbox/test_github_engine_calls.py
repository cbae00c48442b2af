"""Calls between repositories, actions of other repositories, this project's own, and events of one's own."""

from collections.abc import Iterator

import pytest

from runnerkit.sandbox.github import GitHubWorld
from runnerkit.sandbox.github.engine import library
from runnerkit.sandbox.github.records import Job, Run
from tests.sandbox.github_world import call

REPO, SHARED = "acme/widgets", "octo/shared"
CALLER = """
on: {workflow_dispatch: , repository_dispatch: {types: [train]}}
permissions: {id-token: write, contents: read}
jobs:
  call:
    uses: octo/shared/.github/workflows/called.yml@v1
    with: {word: "${{ github.event.client_payload.word }}"}
    secrets: {token: "${{ secrets.MINE }}"}
"""
CALLED = """
on:
  workflow_call:
    inputs: {word: {type: string}}
    secrets: {token: {required: true}}
jobs:
  inner:
    runs-on: ubuntu-latest
    steps: [{uses: octo/shared/actions/greet@v1}, {run: "echo ${{ inputs.word }}"}]
"""
GREET = """
runs:
  using: composite
  steps: [{uses: actions/setup-python@0123abcd}, {run: echo hello, shell: bash}]
"""


@pytest.fixture
def world() -> Iterator[GitHubWorld]:
    with GitHubWorld() as made:
        made.add_repository(REPO)
        made.add_repository(SHARED, private=False)
        made.push(SHARED, {".github/workflows/called.yml": CALLED, "actions/greet/action.yml": GREET})
        made.tag(SHARED, "v1")
        made.push(REPO, {".github/workflows/caller.yml": CALLER})
        made.set_secret(REPO, "MINE", "s3cret")
        yield made


def only(world: GitHubWorld, run: Run) -> Job:
    assert run.problem is None, run.problem
    (job,) = world.jobs(run)
    return job


def test_a_workflow_of_another_repository(world: GitHubWorld) -> None:
    """It is called at a ref, gets what it is given and nothing else, and stays as it was when the run began."""
    run = world.dispatch(REPO, "caller.yml")
    job = only(world, run)
    assert (job.name, job.key, job.repository) == ("call / inner", "call/inner", REPO)
    held = world.service.machines.credentials.of(run, job)
    assert {name: held.secrets[name] for name in held.secrets if name != "GITHUB_TOKEN"} == {"TOKEN": "s3cret"}
    world.push(SHARED, {".github/workflows/called.yml": "on: push\n"})
    world.finish_job(job, "failure")
    world.rerun_failed(run)
    assert [each.name for each in world.jobs(run)] == ["call / inner"]


def test_the_identity_names_the_called_file(world: GitHubWorld) -> None:
    """A role can trust the called workflow: `job_workflow_ref` is its file, `workflow_ref` the caller's."""
    run = world.dispatch(REPO, "caller.yml")
    claims = world.service.machines.identities._claims(run, only(world, run))
    assert claims["job_workflow_ref"] == f"{SHARED}/.github/workflows/called.yml@refs/tags/v1"
    assert claims["workflow_ref"] == f"{REPO}/.github/workflows/caller.yml@refs/heads/main"


def test_a_private_repository_of_others_is_not_there(world: GitHubWorld) -> None:
    """What a repository may not see fails the start of the run, as what is not there."""
    with world.state.open():
        world.state.repository(SHARED).private = True
    run = world.dispatch(REPO, "caller.yml")
    assert run.problem is not None
    assert "workflow was not found" in run.problem
    assert world.jobs(run) == []


def test_actions_of_other_repositories(world: GitHubWorld) -> None:
    """A runner is told of the repositories of actions, and of what those use themselves."""
    job = only(world, world.dispatch(REPO, "caller.yml"))
    with world.state.open(reading=True):
        found = library.actions(world.state, REPO, job.payload)
    assert {name: each["uses"] for name, each in found.items()} == {"octo/shared@v1": ["actions/setup-python@0123abcd"]}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        "\x00",
        "runs: {steps: 5}",
        "runs: {steps: {uses: a}}",
        "runs: {steps: [{uses: [a]}, {uses: }, a, 1]}",
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(9))
        + "runs: {steps: [{uses: *j}]}",
    ],
    ids=["deep", "no YAML", "number", "mapping", "no text", "aliases"],
)
def test_an_action_that_is_nonsense(text: str) -> None:
    """Whatever an action's file holds, what it uses is found at once or is nothing."""
    assert library._uses_of(lambda _: text.encode(), "actions/greet") == []


def test_this_project_is_there_when_it_is_named(world: GitHubWorld) -> None:
    """OWNER/runnerkit holds what this installation publishes, at whatever version, once somebody names it."""
    assert "somebody/runnerkit" not in world.state.repositories
    uses = "somebody/runnerkit/.github/actions/setup@v3"
    text = f"on: workflow_dispatch\njobs: {{a: {{runs-on: ubuntu-latest, steps: [{{uses: {uses}}}]}}}}\n"
    world.push(REPO, {".github/workflows/own.yml": text})
    job = only(world, world.dispatch(REPO, "own.yml"))
    with world.state.open(reading=True):
        assert list(library.actions(world.state, REPO, job.payload)) == ["somebody/runnerkit@v3"]
    assert world.read_file("somebody/runnerkit", ".github/workflows/dvc.yml") is not None


def test_an_event_of_ones_own(world: GitHubWorld) -> None:
    """repository_dispatch starts the workflows of the default branch that wait for its type."""
    token = world.add_token("fine-grained", {"contents": "write"})
    body = {"event_type": "train", "client_payload": {"word": "hi"}}
    assert call(world, "POST", f"/repos/{REPO}/dispatches", body, token).status == 204
    assert call(world, "POST", f"/repos/{REPO}/dispatches", body | {"event_type": "other"}, token).status == 204
    (run,) = world.runs(REPO)
    assert (run.event, only(world, run).payload["inputs"]) == ("repository_dispatch", {"word": "hi"})
    assert call(world, "POST", f"/repos/{REPO}/dispatches", body, world.add_token("fine-grained", {})).status == 403
