from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ForgeDenied, NotFound
from runnerkit.sandbox.github import GitHubWorld
from tests.contract.github_ground import LABELS, REPO, Ticking, forge_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runnerkit.github import GitHubForge


@pytest.fixture
def world() -> Iterator[GitHubWorld]:
    """A GitHub with one private repository of an organisation."""
    with GitHubWorld(Ticking()) as world:
        world.add_organization("acme")
        world.add_repository(REPO)
        world.add_group("acme", "gpu")
        yield world
        assert world.violations == []


def test_the_token_of_a_workflow_cannot_register_runners(world: GitHubWorld) -> None:
    """The refusal says why no `permissions:` would help, and what would."""
    with forge_at(world, world.add_token("actions")) as forge, pytest.raises(ForgeDenied) as caught:
        forge.register(REPO, "rk-5-1", LABELS)
    assert "GITHUB_TOKEN of an Actions workflow cannot register runners" in caught.value.message
    assert "a fine-grained token with administration: write on the repository acme/train" in caught.value.hint
    assert "GitHub App" in caught.value.hint
    assert world.count("POST") == 1


def test_the_token_of_a_workflow_is_enough_to_read_jobs(world: GitHubWorld) -> None:
    """It is not refused before GitHub refuses it."""
    job = world.queue_job(REPO, LABELS)
    with forge_at(world, world.add_token("actions")) as forge:
        assert forge.job(REPO, job.id) is not None


USES: dict[str, tuple[Callable[[GitHubForge], object], str]] = {
    "register": (lambda forge: forge.register(REPO, "rk-5-1", LABELS), "administration: write"),
    "list runners": (lambda forge: forge.runners(REPO), "administration: read"),
    "deregister": (lambda forge: forge.deregister(REPO, 5), "administration: write"),
    "list jobs": (lambda forge: forge.queued(REPO), "actions: read"),
    "run again": (lambda forge: forge.rerun_failed(REPO, 5), "actions: write"),
    "cancel": (lambda forge: forge.cancel(REPO, 5), "actions: write"),
    "comment": (lambda forge: forge.reports.comment(REPO, 1, "hello"), "issues: write or pull_requests: write"),
    "status": (lambda forge: forge.reports.status(REPO, "a" * 40, "success", "train"), "statuses: write"),
}


@pytest.mark.parametrize("name", USES)
def test_a_missing_permission_is_named(world: GitHubWorld, name: str) -> None:
    """A token without a permission learns which one it needs, and nothing is tried twice."""
    use, permission = USES[name]
    token = world.add_token("fine-grained", {"metadata": "read"})
    with forge_at(world, token) as forge, pytest.raises(ForgeDenied, match="not accessible") as caught:
        use(forge)
    assert permission in caught.value.hint
    assert len(world.calls) == 1


def test_a_missing_permission_on_the_organisation_is_named(world: GitHubWorld) -> None:
    """Runner groups take another permission than repositories."""
    token = world.add_token("fine-grained", {"administration": "write"})
    with (
        forge_at(world, token, organization="acme", runner_group="gpu") as forge,
        pytest.raises(ForgeDenied) as caught,
    ):
        forge.runners(REPO)
    assert "organization_self_hosted_runners: read" in caught.value.hint


def test_a_classic_token_without_its_scope_is_denied(world: GitHubWorld) -> None:
    """Without repo the private repository is not even shown; the hint says what is needed."""
    token = world.add_token("classic", scopes=["workflow"])
    with forge_at(world, token) as forge, pytest.raises(NotFound) as caught:
        forge.register(REPO, "rk-5-1", LABELS)
    assert "administration: write on acme/train" in caught.value.hint


def test_a_classic_token_with_its_scope_works(world: GitHubWorld) -> None:
    """Classic tokens are not refused for being old."""
    with forge_at(world, world.add_token("classic")) as forge:
        assert forge.register(REPO, "rk-5-1", LABELS).runner.id


def test_an_expired_token_says_what_to_do(world: GitHubWorld) -> None:
    """Bad credentials are told from missing permissions."""
    token = world.add_token("fine-grained", lifetime=60)
    assert isinstance(world.clock, Ticking)
    world.clock.advance(61)
    with forge_at(world, token) as forge, pytest.raises(ForgeDenied, match="Bad credentials") as caught:
        forge.register(REPO, "rk-5-1", LABELS)
    assert "expired" in caught.value.hint
    assert len(world.calls) == 1


def test_no_error_shows_the_token(world: GitHubWorld) -> None:
    """Neither message nor hint nor the credentials' own text gives it away."""
    token = world.add_token("fine-grained", {"metadata": "read"})
    with forge_at(world, token) as forge, pytest.raises(ForgeDenied) as caught:
        forge.register(REPO, "rk-5-1", LABELS)
    assert token not in f"{caught.value!r} {caught.value.hint} {forge._client._credentials!r}"


def test_single_sign_on_is_explained(world: GitHubWorld) -> None:
    """An organisation that wants the token authorised says so in a header."""
    words = "Resource protected by organization SAML enforcement."
    world.fail("GET", "*", 403, message=words, headers={"X-GitHub-SSO": "required; url=elsewhere"})
    with forge_at(world) as forge, pytest.raises(ForgeDenied, match="SAML") as caught:
        forge.runners(REPO)
    assert "single sign-on" in caught.value.hint


def test_a_repository_that_is_not_shown_is_not_found(world: GitHubWorld) -> None:
    """A token for other repositories cannot tell a hidden repository from none; the hint says both."""
    world.add_repository("acme/other")
    token = world.add_token("fine-grained", repositories=["acme/other"])
    with forge_at(world, token) as forge, pytest.raises(NotFound) as caught:
        forge.runners(REPO)
    assert "may not see it" in caught.value.hint
