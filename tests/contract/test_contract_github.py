"""The GitHub adapter keeps the Forge and Reports contracts, over real PyGithub and the local GitHub."""

# ruff: noqa: D102 - what a bench does is told by its Protocol in runnerkit.testing.contracts

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from github_ground import Ticking, forge_at, ticking

from runnerkit.sandbox.github import GitHubWorld, Refused
from runnerkit.testing.contracts import ForgeContract, ReportsContract

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runnerkit.github import GitHubForge
    from runnerkit.names import Secret

LEASE = 601.0


class GitHubBench:
    """A local GitHub with an organisation of three repositories, and a forge that talks to it."""

    repo, public_repo, other_repo = "acme/train", "acme/open", "acme/serve"

    def __init__(self, world: GitHubWorld, forge: GitHubForge) -> None:
        self._world = world
        self.forge = forge
        self.reports = forge.reports

    def queue(self, repo: str, *jobs: Sequence[str], event: str = "push", fork: bool = False) -> Sequence[int]:
        named = [{"name": f"job {number}", "labels": labels} for number, labels in enumerate(jobs)]
        run = self._world.add_run(repo, named, event=event, head_repository="stranger/open" if fork else None)
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


@contextmanager
def github_bench(token: str = "fine-grained", **settings: Any) -> Iterator[GitHubBench]:  # noqa: ANN401, S107 - GitHubSettings checks them; a kind of token
    """A bench whose GitHub never broke its own description."""
    with GitHubWorld(Ticking()) as world:
        world.add_organization("acme")
        world.add_group("acme", "gpu")
        for name in ("train", "open", "serve"):
            world.add_repository(f"acme/{name}", private=name != "open")
        world.add_repository("stranger/open", private=False, parent="acme/open")
        with forge_at(world, world.add_token(token), **settings) as forge:
            yield GitHubBench(world, forge)
        assert world.violations == []


class TestGitHubForge(ForgeContract):
    @pytest.fixture
    def bench(self) -> Iterator[GitHubBench]:
        with github_bench() as bench:
            yield bench


class TestGitHubForgeOfAnOrganization(ForgeContract):
    @pytest.fixture
    def bench(self) -> Iterator[GitHubBench]:
        with github_bench(organization="acme", runner_group="gpu") as bench:
            yield bench


class TestGitHubReports(ReportsContract):
    @pytest.fixture
    def bench(self) -> Iterator[GitHubBench]:
        with github_bench("actions") as bench:
            yield bench
