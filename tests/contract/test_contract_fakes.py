"""The fakes keep the contracts of the ports they stand for."""

# ruff: noqa: D102 - what a bench does is told by its Protocol in runnerkit.testing.contracts

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest

from runnerkit.model import Leftover
from runnerkit.ports import LaunchOrder
from runnerkit.testing import FakeClock, FakeCloud, FakeForge, FakeHooks, Lies, MemoryJournal, shop
from runnerkit.testing.contracts import (
    ClockContract,
    CloudContract,
    ForgeContract,
    HooksContract,
    JournalContract,
    ReportsContract,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from runnerkit.model import Offering
    from runnerkit.names import Secret


class FakeCloudBench:
    """A FakeCloud and its world."""

    owner = "runnerkit"

    def __init__(self) -> None:
        self._clock = FakeClock()
        self.cloud = FakeCloud(self._clock, owner=self.owner)

    def now(self) -> datetime:
        return self._clock.now()

    def advance(self, seconds: float) -> None:
        self._clock.advance(seconds)

    def settle(self) -> None:
        for instance in self.cloud.live():
            self.cloud.run(instance.id)

    def live(self) -> Collection[str]:
        return [instance.id for instance in self.cloud.live()]

    def remains(self) -> Collection[str]:
        return self.cloud.remains

    def user_data(self, instance_id: str) -> bytes:
        return self.cloud.user_data[instance_id]

    def tags(self, instance_id: str) -> Mapping[str, str]:
        return self.cloud._tags[instance_id]

    def documents(self) -> Mapping[str, str]:
        return {instance_id: secret.reveal() for instance_id, secret in self.cloud.handed.items()}

    def refuse(self, offering: Offering, code: str) -> None:
        self.cloud.refuse(offering, code)

    def limit(self, offering: Offering, left: int) -> None:
        self.cloud.limit(offering, left)

    def accept(self) -> None:
        self.cloud.accept_all()

    def lose_launch_answers(self) -> None:
        self.cloud.lies.lost = 1.0

    def foreign(self, tags: Mapping[str, str]) -> str:
        order = LaunchOrder("foreign", user_data=b"", tags=tags, images={})
        return self.cloud._start(order, shop()[0], ()).instance_id

    def power_off(self, instance_id: str) -> None:
        self.cloud.end(instance_id)

    def interrupt(self, instance_id: str) -> None:
        self.cloud.end(instance_id, "Server.SpotInstanceTermination")

    def write_console(self, instance_id: str, text: str) -> None:
        self.cloud.consoles[instance_id] = text

    def leave_behind(self) -> None:
        self.cloud.remains["vol-1"] = Leftover("volume", "vol-1", "eu-west-1", "rk-9-1", self.now())


class FakeForgeBench:
    """A FakeForge and its world, for forges and reports."""

    repo, public_repo, other_repo = "acme/train", "acme/open", "acme/serve"

    def __init__(self, organization: str | None = None) -> None:
        self.forge = FakeForge(FakeClock(), organization=organization)
        self.reports = self.forge
        self._issues: Counter[str] = Counter()
        self._commits = 0

    def queue(self, repo: str, *jobs: Sequence[str], event: str = "push", fork: bool = False) -> Sequence[int]:
        queue = partial(self.forge.queue, repo, event=event, private=repo == self.repo, fork=fork)
        first, *others = jobs
        job = queue(first)
        return [job.id, *(queue(labels, run_id=job.run_id).id for labels in others)]

    def connect(self, secret: Secret) -> bool:
        return self.forge.connect(int(secret.reveal().removeprefix("jit-")))

    def assign(self) -> None:
        for runner in self.forge.real_runners():
            self.forge.assign(runner.id)

    def finish(self, job_id: int, conclusion: str = "success") -> None:
        self.forge.finish(job_id, conclusion)

    def lose(self, runner_id: int) -> None:
        self.forge.disconnect(runner_id)

    def give_up(self, job_id: int) -> None:
        self.forge.finish(job_id, "failure")

    def vanish(self, runner_id: int) -> None:
        self.forge.vanish(runner_id)

    def annotate(self, job_id: int, *messages: str) -> None:
        self.forge.annotate(job_id, *messages)

    def gated(self, repo: str, labels: Sequence[str], environment: str) -> int:
        (job_id,) = self.queue(repo, labels)
        self.forge.gate(job_id, environment)
        return job_id

    def write_file(self, repo: str, path: str, text: str) -> None:
        self.forge.write_file(repo, path, text)

    def archive(self, repo: str) -> None:
        self.forge.disown(repo)

    def lose_registration_answers(self) -> None:
        self.forge.lies.lost = 1.0

    def issue(self, repo: str) -> int:
        self._issues[repo] += 1
        return self._issues[repo]

    def commit(self) -> str:
        self._commits += 1
        return f"{self._commits:040x}"

    def statuses(self, sha: str) -> Sequence[tuple[str, str, str]]:
        found = [status for status in self.forge.statuses if status[0] == sha]
        return [(state, context, description) for _, state, context, description in found]

    def checks(self, sha: str) -> Mapping[int, tuple[str, str, str]]:
        numbered = enumerate(self.forge.checks, start=1)
        return {number: (name, conclusion, title) for number, (of, name, conclusion, title) in numbered if of == sha}


class TestFakeCloud(CloudContract):
    @pytest.fixture
    def bench(self) -> FakeCloudBench:
        return FakeCloudBench()


class TestFakeForge(ForgeContract):
    @pytest.fixture
    def bench(self) -> FakeForgeBench:
        return FakeForgeBench()


class TestFakeForgeOfAnOrganization(ForgeContract):
    @pytest.fixture
    def bench(self) -> FakeForgeBench:
        return FakeForgeBench("acme")


def test_the_fakes_lists_lie_when_told_to_and_its_single_readings_never() -> None:
    """Absence in a list is a hint: what is left out is still there by id and by name."""
    forge = FakeForge(FakeClock(), Lies(missing=1.0))
    job, runner = forge.queue("acme/train", ["gpu"]), forge.register("acme/train", "rk-5-1", ["gpu"]).runner
    assert [*forge.active("acme/train"), *forge.queued("acme/train"), *forge.runners("acme/train")] == []
    assert (forge.job("acme/train", job.id), forge.runner("acme/train", runner.id)) == (job, runner)
    assert forge.runner_named("acme/train", "RK-5-1") == runner
    forge.lies.missing = 0.0
    assert [*forge.queued("acme/train"), *forge.runners("acme/train")] == [job, runner]


class TestFakeReports(ReportsContract):
    @pytest.fixture
    def bench(self) -> FakeForgeBench:
        return FakeForgeBench()


class FakeHooksBench:
    """FakeHooks and their world."""

    def __init__(self) -> None:
        self._clock = FakeClock()
        self.hooks = FakeHooks(self._clock)
        self._guids = 0

    def now(self) -> datetime:
        return self._clock.now()

    def advance(self, seconds: float) -> None:
        self._clock.advance(seconds)

    def lose(self) -> str:
        self._guids += 1
        return self.hooks.send(f"guid-{self._guids}").guid


class TestFakeHooks(HooksContract):
    @pytest.fixture
    def bench(self) -> FakeHooksBench:
        return FakeHooksBench()


class TestFakeClock(ClockContract):
    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()


class TestMemoryJournal(JournalContract):
    @pytest.fixture
    def journal(self) -> MemoryJournal:
        return MemoryJournal()
