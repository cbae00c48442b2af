from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import RateLimited
from runnerkit.sandbox.github import GitHubWorld
from tests.contract.github_ground import LABELS, REPO, Ticking, forge_at, ticking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runnerkit.github.asks import Answer, Ask


@pytest.fixture
def world() -> Iterator[GitHubWorld]:
    """A GitHub with one private repository."""
    with GitHubWorld(Ticking()) as world:
        world.add_repository(REPO)
        yield world
        assert world.violations == []


@pytest.fixture
def token(world: GitHubWorld) -> str:
    """A token that may do everything."""
    return world.add_token("fine-grained")


@pytest.mark.parametrize("status", [403, 429])
def test_nothing_is_sent_until_a_known_reset(world: GitHubWorld, token: str, status: int) -> None:
    """One refusal is enough: until the reset no further request reaches GitHub, after it they do."""
    world.rate_limit(0, reset_in=600, token=token, status=status)
    with forge_at(world, token) as forge:
        with pytest.raises(RateLimited) as caught:
            forge.runners(REPO)
        assert caught.value.reset == world.clock.now() + timedelta(seconds=600)
        for use in (lambda: forge.runners(REPO), lambda: forge.register(REPO, "rk-5-1", LABELS)):
            with pytest.raises(RateLimited) as again:
                use()
            assert again.value.reset == caught.value.reset
        assert len(world.calls) == 1
        ticking(world).advance(600)
        assert forge.runners(REPO) == []


def test_the_last_call_of_the_hour_ends_it(world: GitHubWorld, token: str) -> None:
    """A good answer that leaves nothing stops the next request before it is sent."""
    world.rate_limit(1, reset_in=600, token=token)
    with forge_at(world, token) as forge:
        forge.runners(REPO)
        with pytest.raises(RateLimited, match="used up"):
            forge.runner(REPO, 1)
    assert len(world.calls) == 1


@pytest.mark.parametrize("status", [403, 429])
def test_a_pause_that_github_asks_for_holds_for_everything(world: GitHubWorld, token: str, status: int) -> None:
    """`retry-after` stops reading and writing alike, for as long as it says."""
    world.secondary_limit(retry_after=90, status=status)
    with forge_at(world, token) as forge:
        with pytest.raises(RateLimited, match="secondary") as caught:
            forge.register(REPO, "rk-5-1", LABELS)
        assert caught.value.reset == world.clock.now() + timedelta(seconds=90)
        with pytest.raises(RateLimited):
            forge.job(REPO, 5)
        assert len(world.calls) == 1
        ticking(world).advance(90)
        forge.register(REPO, "rk-5-1", LABELS)
    assert [runner.name for runner in world.runners()] == ["rk-5-1"]


def test_a_limit_without_a_time_is_waited_out_ever_longer(world: GitHubWorld, token: str) -> None:
    """Without any header it is a minute, then two, and a good answer starts over."""
    words = "You have exceeded a secondary rate limit."
    world.fail("GET", "*", 403, 2, message=words)
    with forge_at(world, token) as forge:
        for seconds in (60, 120):
            with pytest.raises(RateLimited) as caught:
                forge.runners(REPO)
            assert caught.value.reset == world.clock.now() + timedelta(seconds=seconds)
            ticking(world).advance(seconds)
        forge.runners(REPO)
        world.fail("GET", "*", 403, 1, message=words)
        with pytest.raises(RateLimited) as caught:
            forge.runners(REPO)
    assert caught.value.reset == world.clock.now() + timedelta(seconds=60)


def test_the_registration_limit_does_not_stop_reading(world: GitHubWorld, token: str) -> None:
    """GitHub counts registrations apart; when they are used up, the rest goes on."""
    world.rate_limit(0, reset_in=300, token=token, resource="actions_runner_registration")
    with forge_at(world, token) as forge:
        for _ in range(2):
            with pytest.raises(RateLimited):
                forge.register(REPO, "rk-5-1", LABELS)
        assert forge.runners(REPO) == []
    assert world.count("POST") == 1


def test_the_budget_is_readable(world: GitHubWorld, token: str) -> None:
    """What GitHub told last, without a call to ask for it."""
    world.rate_limit(4000, reset_in=1200, token=token)
    with forge_at(world, token) as forge:
        assert (forge.budget.remaining, forge.budget.limit, forge.budget.reset) == (None, None, None)
        forge.runners(REPO)
        assert (forge.budget.remaining, forge.budget.limit) == (3999, 5000)
        assert forge.budget.reset == world.clock.now() + timedelta(seconds=1200)
    assert len(world.calls) == 1


def test_the_reserve_is_kept_for_registrations(world: GitHubWorld, token: str) -> None:
    """Below five per cent the queue is not polled any more, while runners are read and registered."""
    world.rate_limit(250, reset_in=1200, token=token)
    with forge_at(world, token) as forge:
        forge.runners(REPO)
        with pytest.raises(RateLimited, match="kept for registrations"):
            forge.queued(REPO)
        forge.register(REPO, "rk-5-1", LABELS)
    assert world.count("GET", "*/actions/runs") == 0


def test_the_reserve_can_be_set(world: GitHubWorld, token: str) -> None:
    """With a reserve of nothing the queue is polled to the end: a first look is six lists of runs."""
    world.rate_limit(7, reset_in=1200, token=token)
    with forge_at(world, token, reserve=0) as forge:
        forge.runners(REPO)
        assert forge.queued(REPO) == []


def test_one_threads_refusal_stops_the_others(world: GitHubWorld, token: str) -> None:
    """Threads share what one of them learnt: after the refusal nobody calls."""
    world.rate_limit(0, reset_in=600, token=token)
    start = threading.Barrier(8)
    with forge_at(world, token) as forge:
        with pytest.raises(RateLimited):
            forge.runners(REPO)

        def look(number: int) -> bool:
            start.wait(5)
            with pytest.raises(RateLimited):
                forge.runner(REPO, number + 1)
            return True

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(look, range(8)))
    assert len(world.calls) == 1


def test_a_refusal_of_one_kind_of_work_stops_every_other(world: GitHubWorld, token: str) -> None:
    """Whatever was asked first, until the time that GitHub named nothing else goes out: no read, no report, no hook."""
    job = world.queue_job(REPO, LABELS)
    world.secondary_limit(retry_after=90, path="*/runners")
    with forge_at(world, token, repos=[REPO]) as forge:
        with pytest.raises(RateLimited) as caught:
            forge.runners(REPO)
        assert caught.value.reset == world.clock.now() + timedelta(seconds=90)
        uses: list[Callable[[], object]] = [
            lambda: forge.active(REPO),
            lambda: forge.annotations(REPO, job.id),
            lambda: forge.repositories("acme"),
            lambda: forge.file(REPO, "x"),
            lambda: forge.register(REPO, "rk-5-1", LABELS),
            lambda: forge.reports.status(REPO, "0" * 40, "failure", "runnerkit"),
            lambda: forge.hooks("http://127.0.0.1:9/").deliveries(world.clock.now()),
        ]
        for use in uses:
            with pytest.raises(RateLimited):
                use()
        assert len(world.calls) == 1
        ticking(world).advance(91)
        assert [each.id for each in forge.active(REPO)] == [job.id]


def test_no_more_than_fifty_requests_are_under_way(world: GitHubWorld, token: str) -> None:
    """GitHub takes a hundred at once, from everybody who uses the same token."""
    world.add_repository("acme/other")
    with forge_at(world, token) as forge:
        wire, lock = forge._client._wire, threading.Lock()
        under_way, most = 0, 0
        send = wire.send

        def counted(ask: Ask, authorization: str) -> Answer:
            nonlocal under_way, most
            with lock:
                under_way += 1
                most = max(most, under_way)
                if under_way == 50:
                    full.set()
            full.wait(10)
            time.sleep(0.05)  # for who would come as the fifty-first
            answer = send(ask, authorization)
            with lock:
                under_way -= 1
            return answer

        full = threading.Event()
        wire.send = counted  # type: ignore[method-assign] # counts on the way
        with ThreadPoolExecutor(80) as pool:
            assert all(found is None for found in pool.map(lambda number: forge.runner(REPO, number + 1), range(80)))
    assert most == 50
