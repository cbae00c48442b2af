"""Webhooks on bad days, those of Apps, and how soon they come."""

import time
from collections.abc import Iterator

import pytest

from runnerkit.sandbox.github import GitHubWorld
from runnerkit.sandbox.github.hooks import sender
from runnerkit.sandbox.github.records import Hook
from tests.sandbox.github_world import REPO, acme, call
from tests.sandbox.hook_receiver import Receiver, whats

MANY = 200


@pytest.fixture
def world() -> Iterator[GitHubWorld]:
    with acme() as world:
        yield world


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def hook(world: GitHubWorld, receiver: Receiver) -> Hook:
    return world.add_hook(REPO, receiver.url, ["workflow_job"])


def queue_many(world: GitHubWorld) -> list[int]:
    """Queue two hundred jobs, one after the other."""
    return [world.queue_job(REPO, ["gpu"]).id for _ in range(MANY)]


def test_a_share_of_webhooks_is_lost(world: GitHubWorld, receiver: Receiver, hook: Hook) -> None:
    """About as many as asked for, the same ones with the same seed; the list shows which."""
    world.unreliable_webhooks(lose=0.2, threads=1, seed=7)
    queue_many(world)
    got = receiver.all(world)
    lost = [each for each in world.deliveries(hook) if not each.status]
    assert len(got) + len(lost) == MANY
    assert 0.1 * MANY < len(lost) < 0.3 * MANY
    places = [number for number, each in enumerate(world.deliveries(hook)) if not each.status]
    world.unreliable_webhooks(lose=0.2, threads=1, seed=7)
    queue_many(world)
    receiver.all(world)
    again = [number for number, each in enumerate(world.deliveries(hook)[MANY:]) if not each.status]
    assert again == places


def test_what_was_lost_can_be_asked_for_on_a_bad_day(world: GitHubWorld, receiver: Receiver, hook: Hook) -> None:
    """Even where everything is lost: a redelivery comes through."""
    token = world.add_token("fine-grained")
    world.unreliable_webhooks(lose=1.0)
    world.queue_job(REPO, ["gpu"])
    assert receiver.all(world) == []
    (lost,) = world.deliveries(hook)
    call(world, "POST", f"/repos/{REPO}/hooks/{hook.id}/deliveries/{lost.id}/attempts", token=token)
    assert whats(receiver.all(world)) == [("workflow_job", "queued")]


@pytest.mark.usefixtures("hook")
def test_late_and_doubled_webhooks_come_in_any_order(world: GitHubWorld, receiver: Receiver) -> None:
    """Every one arrives all the same, some twice under the same GUID."""
    world.unreliable_webhooks(double=0.2, jitter=0.2, seed=3)
    queued = queue_many(world)
    got = receiver.all(world)
    told = [each.payload["workflow_job"]["id"] for each in got]
    assert set(told) == set(queued)
    assert told != sorted(told)
    assert 1.1 * MANY < len(got) < 1.3 * MANY
    assert len({each.headers["x-github-delivery"] for each in got}) == MANY


@pytest.mark.usefixtures("hook")
def test_a_slow_receiver_does_not_hold_up_many_senders(world: GitHubWorld, receiver: Receiver) -> None:
    """Four deliveries are under way at once."""
    world.unreliable_webhooks(threads=4)
    receiver.gate.clear()
    for _ in range(6):
        world.queue_job(REPO, ["gpu"])
    assert [receiver.next().event for _ in range(4)] == ["workflow_job"] * 4
    assert receiver.got.empty()
    assert not world.await_webhooks(0.05)
    receiver.gate.set()
    assert len(receiver.all(world)) == 2


def test_only_so_many_deliveries_are_kept(
    world: GitHubWorld, receiver: Receiver, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A world that runs for days does not grow by what it once sent."""
    monkeypatch.setattr(sender, "MOST_KEPT", 50)
    queued = queue_many(world)
    receiver.all(world)
    assert len(world.state.deliveries) == 50
    assert [each.id for each in world.deliveries(hook)] == sorted(world.state.deliveries)
    assert str(queued[-1]) in world.deliveries(hook)[-1].body


@pytest.mark.usefixtures("hook")
def test_a_webhook_is_sent_at_once(world: GitHubWorld, receiver: Receiver) -> None:
    """Nothing waits for a next look: of twenty, each sent after the last arrived, the quickest took milliseconds."""
    taken = []
    for _ in range(20):
        began = time.monotonic()
        world.queue_job(REPO, ["gpu"])
        receiver.next()
        taken.append(time.monotonic() - began)
    assert min(taken) < 0.1


def test_an_apps_hook_hears_of_what_the_app_was_given(world: GitHubWorld, receiver: Receiver) -> None:
    """Of all repositories of its installation and no others; the payload names the installation."""
    app = world.add_app("runnerkit")
    for name in ("acme/other", "octocat/own"):
        world.add_repository(name)
    installed = world.install_app(app, "acme", repositories=[REPO])
    world.add_app_hook(app, receiver.url, ["workflow_job"], secret="not for production")
    for name in (REPO, "acme/other", "octocat/own"):
        world.queue_job(name, ["gpu"])
    (got,) = receiver.all(world)
    assert got.payload["repository"]["full_name"] == REPO
    assert got.payload["installation"]["id"] == installed.id
    assert got.headers["x-github-hook-installation-target-type"] == "integration"
    assert got.headers["x-github-hook-installation-target-id"] == str(app.id)
    assert "x-hub-signature-256" in got.headers


def test_reruns_of_one_job_and_of_failed_ones_are_told(world: GitHubWorld, receiver: Receiver) -> None:
    """Each new job as queued, and the run's end as completed."""
    token = world.add_token("fine-grained")
    job = world.queue_job(REPO, ["gpu"])
    world.add_hook(REPO, receiver.url, ["workflow_job", "workflow_run"])
    world.finish_job(job, "failure")
    assert whats(receiver.all(world)) == [("workflow_job", "completed"), ("workflow_run", "completed")]
    assert call(world, "POST", f"/repos/{REPO}/actions/jobs/{job.id}/rerun", token=token).status == 201
    again = receiver.all(world)
    assert whats(again) == [("workflow_run", "requested"), ("workflow_job", "queued")]
    assert again[1].payload["workflow_job"]["run_attempt"] == 2
