from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ForgeDenied, ForgeRejected
from runnerkit.github.facts import FILE_LIMIT
from runnerkit.sandbox.github import GitHubWorld
from tests.contract.github_ground import REPO, Ticking, forge_at, sent, ticking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.github import GitHubForge
    from runnerkit.model import Job
    from runnerkit.sandbox.github.records import Run

WORKFLOW = """
on: [push, workflow_dispatch]
jobs:
  train:
    runs-on: gpu
    environment: Production
    steps: [{run: make}]
  test:
    runs-on: gpu
    steps: [{run: make}]
"""
MINUTES = 60


@pytest.fixture
def world() -> Iterator[GitHubWorld]:
    """A GitHub with one private repository of an organisation."""
    with GitHubWorld(Ticking()) as world:
        world.add_organization("acme")
        world.add_repository(REPO)
        yield world
        assert world.violations == []
        assert world.refused_requests == []


def pushed(world: GitHubWorld) -> Run:
    """A run of a job in an environment that has a reviewer, and of one in none."""
    world.add_environment(REPO, "Production", ["boss"])
    world.push(REPO, {".github/workflows/train.yml": WORKFLOW})
    return list(world.state.live.runs.values())[-1]


def job_of(forge: GitHubForge, run: Run, name: str) -> Job:
    """A job of the run by its name."""
    return next(job for job in forge.jobs(REPO, run.id) if job.name == name)


# --- annotations ------------------------------------------------------------------------------------------------------


def test_annotations_cost_one_call_and_then_nothing(world: GitHubWorld) -> None:
    """What was said does not change much; unchanged it is free."""
    job = world.queue_job(REPO, ["gpu"])
    job.annotations.append("AWS takes this machine back")
    with forge_at(world) as forge:
        for _ in range(3):
            assert forge.annotations(REPO, job.id) == ["AWS takes this machine back"]
    assert sent(world) == [f"GET /repos/{REPO}/check-runs/{job.id}/annotations"] * 3
    assert [call.charged for call in world.calls] == [True, False, False]


def test_a_token_that_may_not_read_checks_is_told_so(world: GitHubWorld) -> None:
    """The permission by its name; nothing is concluded from silence."""
    job = world.queue_job(REPO, ["gpu"])
    token = world.add_token("fine-grained", {"actions": "write", "administration": "write"})
    with forge_at(world, token) as forge, pytest.raises(ForgeDenied) as caught:
        forge.annotations(REPO, job.id)
    assert "checks: read" in caught.value.hint


# --- gates ------------------------------------------------------------------------------------------------------------


def test_only_the_job_that_was_let_through_is_gated(world: GitHubWorld) -> None:
    """Its sibling in the same approved run passed no environment."""
    run = pushed(world)
    world.approve(run, "Production", "boss")
    with forge_at(world) as forge:
        assert forge.gates(REPO, job_of(forge, run, "train")) == frozenset({"production"})
        assert forge.gates(REPO, job_of(forge, run, "test")) == frozenset()


def test_an_environment_without_reviewers_is_no_gate(world: GitHubWorld) -> None:
    """GitHub makes one for any name that a workflow writes."""
    world.push(REPO, {".github/workflows/train.yml": WORKFLOW})
    (run,) = world.state.live.runs.values()
    with forge_at(world) as forge:
        assert forge.gates(REPO, job_of(forge, run, "train")) == frozenset()


def test_a_rejected_job_passed_no_gate(world: GitHubWorld) -> None:
    """A reviewer's no is in the same list as a yes."""
    run = pushed(world)
    world.approve(run, "Production", "boss", state="rejected")
    with forge_at(world) as forge:
        assert forge.gates(REPO, job_of(forge, run, "train")) == frozenset()


@pytest.mark.parametrize("lacks", ["actions", "deployments"])
def test_gates_are_unknown_to_a_token_that_may_not_see_them(world: GitHubWorld, lacks: str) -> None:
    """None, which policy takes for a no; and a warning that names what is missing."""
    run = pushed(world)
    world.approve(run, "Production", "boss")
    held = {"actions": "write", "administration": "write", "deployments": "read"}
    token = world.add_token("fine-grained", {name: level for name, level in held.items() if name != lacks})
    with forge_at(world) as generous, forge_at(world, token) as forge:
        job = job_of(generous, run, "train")
        assert forge.gates(REPO, job) is None
        assert "is unknown: GitHub refused to" in forge.warnings[0]


def test_a_job_without_an_approval_costs_one_call(world: GitHubWorld) -> None:
    """Most runs were never reviewed, and then there is nothing to look for."""
    queued = world.queue_job(REPO, ["gpu"])
    with forge_at(world) as forge:
        job = forge.job(REPO, queued.id)
        assert job is not None
        before = len(world.calls)
        assert forge.gates(REPO, job) == frozenset()
        assert len(world.calls) - before == 1


# --- repositories -----------------------------------------------------------------------------------------------------


def test_an_owners_repositories_are_read_every_ten_minutes(world: GitHubWorld) -> None:
    """Whoever asks meanwhile is answered from memory; afterwards an unchanged list is free."""
    with forge_at(world) as forge:
        for _ in range(3):
            assert list(forge.repositories("acme")) == [REPO]
        assert sent(world) == ["GET /orgs/acme/repos"]
        world.add_repository("acme/new")
        ticking(world).advance(10 * MINUTES + 1)
        assert list(forge.repositories("acme")) == [REPO, "acme/new"]
    assert len(world.calls) == 2


def test_a_users_repositories_are_those_of_the_tokens_user(world: GitHubWorld) -> None:
    """Private ones among them; those of others that the user can see are left out."""
    world.add_repository("octocat/train")
    world.add_repository("somebody/open", private=False)
    with forge_at(world, world.add_token("fine-grained", login="octocat")) as forge:
        assert list(forge.repositories("octocat")) == ["octocat/train"]
    assert sent(world) == ["GET /orgs/octocat/repos", "GET /user/repos"]


def test_repositories_that_the_token_does_not_administer_are_left_out(world: GitHubWorld) -> None:
    """No runner could be registered there; with an organisation's group that does not matter."""
    world.add_repository("acme/open", private=False)
    world.add_group("acme", "gpu")
    token = world.add_token("fine-grained", repositories=[REPO])
    with forge_at(world, token) as forge:
        assert list(forge.repositories("acme")) == [REPO]
    with forge_at(world, token, organization="acme", runner_group="gpu") as forge:
        assert list(forge.repositories("acme")) == [REPO, "acme/open"]


def test_a_hundred_and_fifty_repositories_are_two_calls(world: GitHubWorld) -> None:
    """Page after page."""
    for number in range(149):
        world.add_repository(f"acme/model-{number}")
    with forge_at(world) as forge:
        assert len(forge.repositories("acme")) == 150
    assert len(world.calls) == 2


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_file_that_did_not_change_is_free(world: GitHubWorld) -> None:
    """It may be asked for with every job."""
    world.push(REPO, {".github/runnerkit.yml": "spot: true\n"})
    with forge_at(world) as forge:
        for _ in range(2):
            assert forge.file(REPO, ".github/runnerkit.yml") == "spot: true\n"
    assert [(call.status, call.charged) for call in world.calls] == [(200, True), (304, False)]


def test_a_large_file_is_refused(world: GitHubWorld) -> None:
    """Nobody writes such settings by hand."""
    world.push(REPO, {"large.yml": "#" * (FILE_LIMIT + 1), "fits.yml": "#" * FILE_LIMIT})
    with forge_at(world) as forge:
        assert len(forge.file(REPO, "fits.yml") or "") == FILE_LIMIT
        with pytest.raises(ForgeRejected, match="larger than 100 kB"):
            forge.file(REPO, "large.yml")


def test_a_token_that_may_not_read_files_is_told_so(world: GitHubWorld) -> None:
    """The permission by its name."""
    token = world.add_token("fine-grained", {"actions": "write"})
    with forge_at(world, token) as forge, pytest.raises(ForgeDenied) as caught:
        forge.file(REPO, "runnerkit.yml")
    assert "contents: read" in caught.value.hint


# --- an organisation's runners ----------------------------------------------------------------------------------------


def test_an_organisations_runners_are_listed_once_for_all_its_repositories(world: GitHubWorld) -> None:
    """A pass over ten repositories is one listing, and the next pass one more."""
    world.add_group("acme", "gpu")
    repos = [f"acme/model-{number}" for number in range(10)]
    for repo in repos:
        world.add_repository(repo)
    with forge_at(world, organization="acme", runner_group="gpu") as forge:
        forge.register(repos[0], "rk-1-1", ["gpu"])
        before = world.count("GET", "/orgs/acme/actions/runners")
        for passed in (1, 2):
            found = [forge.runners(repo) for repo in repos]
            assert [[(each.name, each.repo) for each in runners] for runners in found] == [
                [("rk-1-1", repo)] for repo in repos
            ]
            assert world.count("GET", "/orgs/acme/actions/runners") - before == passed
