"""The GitHub adapter keeps the Forge and Reports contracts, over real PyGithub and the local GitHub."""

# ruff: noqa: D102 - what a bench does is told by its Protocol in runnerkit.testing.contracts

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from runnerkit.github import GitHubHooks
from runnerkit.sandbox.github import GitHubWorld, Refused
from runnerkit.settings import GitHubSettings
from runnerkit.testing.contracts import ForgeContract, HooksContract, ReportsContract
from tests.contract.github_ground import Ticking, forge_at, ticking

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from runnerkit.github import GitHubForge
    from runnerkit.names import Secret
    from runnerkit.sandbox.github.records import Run

LEASE = 601.0
# Nobody listens there.
URL = "http://127.0.0.1:9/runnerkit"
GATED = """
on: push
jobs:
  train:
    runs-on: {labels}
    environment: {where}
    steps: [{{run: make}}]
"""


class GitHubBench:
    """An organisation of its own with three repositories on a local GitHub, and a forge that talks to it."""

    def __init__(self, world: GitHubWorld, owner: str, forge: GitHubForge) -> None:
        self.repo, self.public_repo, self.other_repo = f"{owner}/train", f"{owner}/open", f"{owner}/serve"
        self._fork = f"stranger-of-{owner}/open"
        self._world = world
        world.add_organization(owner)
        world.add_group(owner, "gpu")
        for repo in (self.repo, self.public_repo, self.other_repo):
            world.add_repository(repo, private=repo != self.public_repo)
        world.add_repository(self._fork, private=False, parent=self.public_repo)
        self.forge = forge
        self.reports = forge.reports

    def queue(self, repo: str, *jobs: Sequence[str], event: str = "push", fork: bool = False) -> Sequence[int]:
        named = [{"name": f"job {number}", "labels": labels} for number, labels in enumerate(jobs)]
        run = self._world.add_run(repo, named, event=event, head_repository=self._fork if fork else None)
        return [job.id for job in self._world.jobs(run)]

    def connect(self, secret: Secret) -> bool:
        try:
            self._world.runner_connects(secret.reveal())
        except Refused:
            return False
        return True

    def assign(self) -> None:
        self._world.assign()

    def finish(self, job_id: int, conclusion: str = "success") -> None:
        self._world.finish_job(self._world.state.live.jobs[job_id], conclusion)

    def lose(self, runner_id: int) -> None:
        self._world.lose_runner(runner_id)

    def give_up(self, job_id: int) -> None:
        assert self._world.state.live.jobs[job_id].status == "in_progress"
        ticking(self._world).advance(LEASE)

    def vanish(self, runner_id: int) -> None:
        self._world.vanish_runner(runner_id)

    def annotate(self, job_id: int, *messages: str) -> None:
        self._world.state.live.jobs[job_id].annotations += messages

    def gated(self, repo: str, labels: Sequence[str], environment: str) -> int:
        self._world.add_environment(repo, environment, ["boss"])
        (run,) = self._push(repo, ".github/workflows/gated.yml", GATED.format(labels=list(labels), where=environment))
        self._world.approve(run, environment, "boss")
        return self._world.jobs(run)[0].id

    def write_file(self, repo: str, path: str, text: str) -> None:
        self._push(repo, path, text)

    def archive(self, repo: str) -> None:
        self._world.state.repository(repo).archived = True

    def _push(self, repo: str, path: str, text: str) -> list[Run]:
        before = set(self._world.state.live.runs)
        self._world.push(repo, {path: text})
        return [run for number, run in self._world.state.live.runs.items() if number not in before]

    def lose_registration_answers(self) -> None:
        self._world.lose_answer("POST", "*/generate-jitconfig", times=None)

    def issue(self, repo: str) -> int:
        return self._world.add_issue(repo).number

    def commit(self) -> str:
        return self._world.add_commit(self.repo)

    def statuses(self, sha: str) -> Sequence[tuple[str, str, str]]:
        found = [status for status in self._world.state.statuses if status.sha == sha]
        return [(status.state, status.context, status.description or "") for status in found]

    def checks(self, sha: str) -> Mapping[int, tuple[str, str, str]]:
        found = [check for check in self._world.state.checks.values() if check.sha == sha]
        return {check.id: (check.name, check.conclusion or "", check.title or "") for check in found}


@pytest.fixture(scope="module")
def github_for_all() -> Iterator[GitHubWorld]:
    """One GitHub for all tests of this file: to make one takes longer than most of them."""
    with GitHubWorld(Ticking()) as world:
        yield world


@pytest.fixture
def world(github_for_all: GitHubWorld) -> Iterator[GitHubWorld]:
    """A GitHub that has forgotten earlier tests' troubles and never breaks its own description."""
    yield github_for_all
    github_for_all.clear_faults()
    assert github_for_all.violations == []


@pytest.fixture
def owner(request: pytest.FixtureRequest) -> str:
    """The name of an organisation that no other test has."""
    return f"acme-{sha256(request.node.nodeid.encode()).hexdigest()[:12]}"


class TestGitHubForge(ForgeContract):
    @pytest.fixture
    def bench(self, world: GitHubWorld, owner: str) -> Iterator[GitHubBench]:
        with forge_at(world) as forge:
            yield GitHubBench(world, owner, forge)


class TestGitHubForgeOfAnOrganization(ForgeContract):
    @pytest.fixture
    def bench(self, world: GitHubWorld, owner: str) -> Iterator[GitHubBench]:
        with forge_at(world, organization=owner, runner_group="gpu") as forge:
            yield GitHubBench(world, owner, forge)


class GitHubHooksBench:
    """A repository with a webhook whose deliveries are lost."""

    def __init__(self, world: GitHubWorld, owner: str, hooks: GitHubHooks) -> None:
        self._world, self._repo = world, f"{owner}/train"
        self.hooks = hooks
        world.add_organization(owner)
        world.add_repository(self._repo)
        world.add_hook(self._repo, "http://127.0.0.1:9/other")
        self._hook = world.add_hook(self._repo, URL, ["workflow_job"])

    def now(self) -> datetime:
        return self._world.clock.now()

    def advance(self, seconds: float) -> None:
        ticking(self._world).advance(seconds)

    def lose(self) -> str:
        self._world.lose_webhooks(100)
        self._world.queue_job(self._repo, ["gpu"])
        return self._world.deliveries(self._hook)[-1].guid


class TestGitHubHooks(HooksContract):
    @pytest.fixture
    def bench(self, world: GitHubWorld, owner: str) -> Iterator[GitHubHooksBench]:
        said = {"api_url": world.url, "token": world.add_token("fine-grained")}
        settings = GitHubSettings.model_validate(said)
        hooks = GitHubHooks(settings, url=URL + "/", clock=ticking(world), repos=[f"{owner}/train"])
        yield GitHubHooksBench(world, owner, hooks)
        hooks.close()


class TestGitHubReports(ReportsContract):
    @pytest.fixture
    def bench(self, world: GitHubWorld, owner: str) -> Iterator[GitHubBench]:
        with forge_at(world, world.add_token("actions")) as forge:
            yield GitHubBench(world, owner, forge)
