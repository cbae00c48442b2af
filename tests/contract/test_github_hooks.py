from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from runnerkit.errors import ConfigError, ForgeDenied, ForgeUnavailable, NotFound
from runnerkit.github import GitHubHooks
from runnerkit.ports import Delivery
from runnerkit.sandbox.github import GitHubWorld
from runnerkit.settings import GitHubSettings
from tests.contract.github_ground import REPO, Ticking, Written, sent, ticking

if TYPE_CHECKING:
    from collections.abc import Iterator

# Nobody listens there; what is delivered fails.
URL = "http://127.0.0.1:9/runnerkit"
OTHER = "http://127.0.0.1:9/other"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    """An App's private and public key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


@pytest.fixture
def world() -> Iterator[GitHubWorld]:
    """A GitHub with an organisation and two repositories."""
    with GitHubWorld(Ticking()) as world:
        world.add_organization("acme")
        world.add_repository(REPO)
        world.add_repository("acme/other")
        yield world
        assert world.violations == []
        assert world.refused_requests == []


@contextmanager
def hooks_at(world: GitHubWorld, token: str | None = None, **settings: Any) -> Iterator[GitHubHooks]:  # noqa: ANN401 - GitHubSettings checks them
    """Hooks with our address, as a token or an App sees them."""
    if token is None and "app_id" not in settings:
        token = world.add_token("fine-grained")
    said: dict[str, Any] = {"api_url": world.url, "token": token, **settings}
    repos, url = said.pop("repos", [REPO]), said.pop("url", URL)
    hooks = GitHubHooks(GitHubSettings.model_validate(said), url=url, clock=ticking(world), repos=repos)
    try:
        yield hooks
    finally:
        hooks.close()


def told(world: GitHubWorld, hooks: GitHubHooks) -> list[tuple[str, str]]:
    """Event and action of what was delivered within the last hour, newest first."""
    return [(each.event, each.action) for each in hooks.deliveries(world.clock.now() - HOUR)]


def test_only_hooks_with_our_address_count(world: GitHubWorld) -> None:
    """Whatever the case of its letters and with or without a slash at its end."""
    world.add_hook(REPO, OTHER, ["workflow_run"])
    world.add_hook(REPO, URL, ["workflow_job"])
    world.lose_webhooks(10)
    world.queue_job(REPO, ["gpu"])
    with hooks_at(world, url="HTTP://127.0.0.1:9/RunnerKit/") as hooks:
        assert told(world, hooks) == [("workflow_job", "queued")]


def test_hooks_of_repositories_and_of_their_organisation_are_read(world: GitHubWorld) -> None:
    """One list of deliveries, newest first, whichever hook they came from."""
    world.add_hook("acme", URL, ["workflow_job"])
    world.add_hook(REPO, URL, ["push"])
    world.lose_webhooks(10)
    world.queue_job("acme/other", ["gpu"])
    ticking(world).advance(1)
    world.push(REPO, {"train.py": "print(1)\n"})
    with hooks_at(world, repos=["acme/*", REPO]) as hooks:
        assert told(world, hooks) == [("push", ""), ("workflow_job", "queued")]
    with hooks_at(world, repos=["acme/other"], organization="acme") as hooks:
        assert told(world, hooks) == [("workflow_job", "queued")]


def test_hooks_are_looked_for_every_ten_minutes(world: GitHubWorld) -> None:
    """In between it is one call a look, and free while nothing was sent."""
    world.add_hook(REPO, URL, ["workflow_job"])
    with hooks_at(world) as hooks:
        for _ in range(3):
            assert told(world, hooks) == []
        assert world.count("GET", "*/hooks") == 1
        assert [call.charged for call in world.calls if call.path.endswith("/deliveries")] == [True, False, False]
        ticking(world).advance(601)
        told(world, hooks)
        assert world.count("GET", "*/hooks") == 2


def test_deliveries_are_read_page_by_page_back_to_the_moment_asked_for(world: GitHubWorld) -> None:
    """Three hundred are three pages; those before are not asked for."""
    world.add_hook(REPO, URL, ["workflow_job"])
    world.lose_webhooks(1000)
    for _ in range(250):
        world.queue_job(REPO, ["gpu"])
    ticking(world).advance(60)
    since = world.clock.now()
    for _ in range(250):
        world.queue_job(REPO, ["gpu"])
    with hooks_at(world) as hooks:
        assert len(hooks.deliveries(since)) == 250
        assert world.count("GET", "*/deliveries") == 3
        assert len(hooks.deliveries(since - HOUR)) == 500


def test_a_redelivery_is_one_request(world: GitHubWorld) -> None:
    """It is never repeated by itself, as a second one would tell the same once more."""
    hook = world.add_hook(REPO, URL, ["workflow_job"])
    world.lose_webhooks(1)
    world.queue_job(REPO, ["gpu"])
    with hooks_at(world) as hooks:
        (lost,) = hooks.deliveries(world.clock.now() - HOUR)
        world.fail("POST", "*/attempts", 502)
        with pytest.raises(ForgeUnavailable):
            hooks.redeliver(lost)
        assert world.count("POST") == 1
        hooks.redeliver(lost)
    assert world.await_webhooks()
    assert [each.redelivery for each in world.deliveries(hook)] == [False, True]


def test_a_delivery_known_from_before_is_sent_again_by_another_process(world: GitHubWorld) -> None:
    """The hook is looked for where it was not seen yet; one that is gone is not found."""
    hook = world.add_hook(REPO, URL, ["workflow_job"])
    world.lose_webhooks(1)
    world.queue_job(REPO, ["gpu"])
    (lost,) = world.deliveries(hook)
    with hooks_at(world) as hooks:
        known = Delivery(lost.id, hook.id, lost.guid, lost.event, "queued", lost.at, 0)
        hooks.redeliver(known)
        with pytest.raises(NotFound, match="no hook 4711"):
            hooks.redeliver(Delivery(lost.id, 4711, lost.guid, lost.event, "queued", lost.at, 0))


def test_without_a_hook_of_ours_it_says_so(world: GitHubWorld) -> None:
    """With the address that no hook has."""
    world.add_hook(REPO, OTHER)
    with hooks_at(world) as hooks, pytest.raises(ConfigError, match=r"sends to http://127\.0\.0\.1:9/runnerkit"):
        told(world, hooks)


def test_a_token_that_may_not_see_hooks_is_told_the_permission(world: GitHubWorld) -> None:
    """As GitHub calls it."""
    token = world.add_token("fine-grained", {"actions": "write", "administration": "write"})
    with hooks_at(world, token) as hooks, pytest.raises(ForgeDenied) as caught:
        told(world, hooks)
    assert "repository_hooks: read" in caught.value.hint


def test_one_place_that_is_closed_does_not_hide_the_others(world: GitHubWorld) -> None:
    """A token for repositories may not see the organisation's hooks."""
    world.add_hook(REPO, URL, ["workflow_job"])
    world.lose_webhooks(1)
    world.queue_job(REPO, ["gpu"])
    token = world.add_token("fine-grained", {"repository_hooks": "write"})
    with hooks_at(world, token, organization="acme") as hooks:
        assert told(world, hooks) == [("workflow_job", "queued")]
        assert "list the webhooks of acme" in hooks.warnings[0]


# --- an App -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def app(world: GitHubWorld, keys: tuple[str, str]) -> Written:
    """The settings of an App with a webhook at our address."""
    made = world.add_app("runnerkit", public_key=keys[1])
    world.install_app(made, "acme")
    world.add_app_hook(made, URL, ["workflow_job"])
    return {"app_id": str(made.id), "private_key": keys[0]}


def test_an_apps_one_hook_hears_of_every_repository(world: GitHubWorld, app: Written) -> None:
    """Read and sent again with the App's own key; no hook of a repository is looked at."""
    world.lose_webhooks(2)
    for repo in (REPO, "acme/other"):
        world.queue_job(repo, ["gpu"])
    with hooks_at(world, repos=["acme/*"], **app) as hooks:
        found = hooks.deliveries(world.clock.now() - HOUR)
        assert [(each.event, each.hook_id) for each in found] == [("workflow_job", 0)] * 2
        hooks.redeliver(found[0])
        assert world.await_webhooks()
        assert [each.again for each in hooks.deliveries(world.clock.now() - HOUR)] == [True, False, False]
    assert sent(world) == [
        "GET /app/hook/config",
        "GET /app/hook/deliveries",
        f"POST /app/hook/deliveries/{found[0].id}/attempts",
        "GET /app/hook/deliveries",
    ]


def test_an_app_whose_hook_is_not_ours_is_served_by_repository_hooks(world: GitHubWorld, app: Written) -> None:
    """Its hook points elsewhere, those of the repositories here."""
    world.add_hook(REPO, OTHER, ["workflow_job"])
    world.lose_webhooks(10)
    world.queue_job(REPO, ["gpu"])
    with hooks_at(world, url=OTHER, **app) as hooks:
        assert told(world, hooks) == [("workflow_job", "queued")]
