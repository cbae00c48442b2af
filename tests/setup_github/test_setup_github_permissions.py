"""The one table of permissions: what it names is enough for the controller, and none of it can be left out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ForgeError
from runnerkit.github import asks, features
from runnerkit.github.features import FEATURES, of_controller, permissions
from runnerkit.sandbox.github import GitHubWorld
from tests.contract.github_ground import LABELS, REPO, Ticking, forge_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runnerkit.github import GitHubForge
    from runnerkit.sandbox.github.records import Run

DOCS = Path(__file__).parents[2] / "docs"
GATED = """
on: push
jobs:
  train:
    runs-on: [gpu]
    environment: production
    steps: [{run: "true"}]
"""
LOWER = {"write": "read", "read": ""}


@pytest.fixture(scope="module")
def world() -> Iterator[GitHubWorld]:
    """A GitHub with an organisation, its group, a repository and an approved run."""
    with GitHubWorld(Ticking()) as world:
        world.add_organization("acme")
        world.add_repository(REPO)
        world.add_group("acme", "gpu")
        world.add_environment(REPO, "production", ["boss"])
        yield world
        assert world.violations == []
        assert world.refused_requests == []


@pytest.fixture(scope="module")
def run(world: GitHubWorld) -> Run:
    """The run that a reviewer let go on."""
    world.push(REPO, {".github/workflows/train.yml": GATED, ".github/runnerkit.toml": ""})
    (found,) = world.state.live.runs.values()
    world.approve(found, "production", "boss")
    return found


def story(world: GitHubWorld, forge: GitHubForge, run: Run, name: str) -> None:
    """What the controller does for jobs, from the first look to the repetition after an interruption.

    Raises:
        ForgeError: A permission is missing.
    """
    (gated,) = (each for each in forge.queued(REPO) if each.run_id == run.id)
    runner = forge.register(REPO, name, LABELS).runner
    forge.runners(REPO)
    forge.deregister(REPO, runner.id)
    assert forge.file(REPO, ".github/runnerkit.toml") is not None
    if forge.gates(REPO, gated) is None:
        raise ForgeError("whether the job was let through is unknown")
    forge.reports.check(REPO, gated.head_sha, "runnerkit", "failure", "refused", "why")
    broken = world.queue_job(REPO, ["gpu"])
    world.finish_job(broken, "failure", annotation="runnerkit: spot interruption")
    assert forge.annotations(REPO, broken.id)
    forge.rerun_failed(REPO, broken.run_id)


def token(world: GitHubWorld, held: Mapping[str, str]) -> str:
    """A token of an App with exactly these permissions, which nobody narrows any further."""
    return world.add_token("app-installation", {name: level for name, level in held.items() if level}, login="acme")


@pytest.mark.parametrize("group", [False, True], ids=["repository", "group"])
def test_the_permissions_are_enough_and_none_too_many(world: GitHubWorld, run: Run, *, group: bool) -> None:
    """With them the whole story runs; without one, or with one at a lower level, it does not."""
    held = permissions(of_controller(group=group, gates=True, app=True))
    where = {"organization": "acme", "runner_group": "gpu"} if group else {}
    with forge_at(world, token(world, held), **where) as forge:
        story(world, forge, run, f"rk-{group}-0")
    for number, (name, level) in enumerate(held.items(), start=1):
        if name == features.ALWAYS:
            continue
        poorer = {**held, name: LOWER[level]}
        with forge_at(world, token(world, poorer), **where) as forge, pytest.raises(ForgeError) as refused:
            story(world, forge, run, f"rk-{group}-{number}")
        assert "status 403" in str(refused.value) or "unknown" in str(refused.value), name


def test_every_permission_that_is_asked_for_is_in_the_table() -> None:
    """The needs that narrow an App's tokens are those of the table, but for what a job's own token does."""
    needs = {each for each in vars(asks).values() if isinstance(each, asks.Need)}
    needs |= {asks.AT_REPOSITORY.runners, asks.AT_ORGANIZATION.runners}
    beside = {asks.COMMENTS, asks.REPOSITORIES, asks.THE_APP}
    assert {each.need for each in FEATURES} == needs - beside
    for level in (asks.AT_REPOSITORY, asks.AT_ORGANIZATION):
        assert {each.token for each in (level.runners, level.read_runners, level.runs, level.read_runs)} == {
            level.runners.token
        }


@pytest.mark.parametrize("page", ["security.md", "setup-github.md"])
def test_the_pages_show_the_table(page: str) -> None:
    """Row by row, as the code has it."""
    text = (DOCS / page).read_text(encoding="utf-8")
    lines = [f"| {why} | `{what.replace(', ', '`, `')}` | {who} |" for why, what, who in features.rows()]
    assert [line for line in lines if line not in text] == []
