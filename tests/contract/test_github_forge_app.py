from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from runnerkit.errors import ConfigError, ForgeDenied, ForgeUnavailable
from runnerkit.sandbox.github import GitHubWorld
from tests.contract.github_ground import LABELS, REPO, Ticking, Written, forge_at, sent, ticking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runnerkit.github.asks import Answer, Ask

HOUR = 3600


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
    """A GitHub with an organisation, two repositories and a group."""
    with GitHubWorld(Ticking()) as world:
        world.add_organization("acme")
        world.add_repository(REPO)
        world.add_repository("acme/other")
        world.add_group("acme", "gpu")
        yield world
        assert world.violations == []
        assert world.refused_requests == []


@pytest.fixture
def app(world: GitHubWorld, keys: tuple[str, str]) -> Written:
    """The settings of an App that is installed on the organisation."""
    made = world.add_app("runnerkit", public_key=keys[1])
    world.install_app(made, "acme")
    return {"app_id": str(made.id), "private_key": keys[0]}


def tokens(world: GitHubWorld) -> list[tuple[dict[str, str], set[str] | None]]:
    """The permissions and repositories of the installation tokens given out."""
    given = [each for each in world.tokens._known.values() if each.installation_id is not None]
    return [(dict(each.permissions), None if each.repositories is None else set(each.repositories)) for each in given]


def test_the_installation_is_found_and_its_token_kept(world: GitHubWorld, app: Written) -> None:
    """Two calls more at the first use, then none."""
    with forge_at(world, repos=[REPO], **app) as forge:
        runner = forge.register(REPO, "rk-5-1", LABELS).runner
        forge.deregister(REPO, runner.id)
        forge.queued(REPO)
    assert [call.partition("acme")[0] for call in sent(world)[:3]] == [
        "GET /repos/",
        "POST /app/installations/1/access_tokens",
        "POST /repos/",
    ]
    assert world.count(path="*installation*") == 2


def test_tokens_hold_only_what_is_needed(world: GitHubWorld, app: Written) -> None:
    """Neither a permission nor a repository more than the work takes; reports get a token of their own."""
    number = world.add_pull_request(REPO).number
    with forge_at(world, repos=[REPO], **app) as forge:
        forge.runners(REPO)
        forge.reports.comment(REPO, number, "hello")
    control, talk = tokens(world)
    assert control == ({"actions": "write", "administration": "write", "metadata": "read"}, {REPO})
    assert talk == ({"issues": "write", "metadata": "read", "pull_requests": "write"}, {REPO})


def test_an_organisations_group_takes_another_permission(world: GitHubWorld, app: Written) -> None:
    """At the organisation the App needs no administration of repositories."""
    with forge_at(world, organization="acme", runner_group="gpu", repos=[REPO], **app) as forge:
        assert forge.register(REPO, "rk-5-1", LABELS).runner.place == "acme (group gpu)"
    assert tokens(world)[0][0] == {
        "actions": "write",
        "metadata": "read",
        "organization_self_hosted_runners": "write",
    }
    assert sent(world)[0] == "GET /orgs/acme/installation"


def test_all_served_repositories_share_a_token(world: GitHubWorld, app: Written) -> None:
    """One token serves what is served; a repository outside gets one of its own."""
    world.add_repository("acme/third")
    with forge_at(world, repos=[REPO, "acme/other"], **app) as forge:
        for repo in (REPO, "acme/other", "acme/third"):
            forge.runners(repo)
    assert [reach for _, reach in tokens(world)] == [{REPO, "acme/other"}, {"acme/third"}]


def test_an_owner_served_as_a_whole_has_one_token(world: GitHubWorld, app: Written) -> None:
    """A repository that is new needs none of its own; the permissions stay narrow."""
    with forge_at(world, repos=["acme/*"], **app) as forge:
        for repo in (REPO, "acme/other"):
            forge.runners(repo)
        world.add_repository("acme/new")
        forge.runners("acme/new")
    assert tokens(world) == [({"actions": "write", "administration": "write", "metadata": "read"}, None)]


def test_an_apps_repositories_are_those_of_its_installation(world: GitHubWorld, keys: tuple[str, str]) -> None:
    """Only what was chosen when it was installed, by a token that can do nothing else."""
    made = world.add_app("runnerkit", public_key=keys[1])
    world.add_repository("acme/secret")
    world.install_app(made, "acme", repositories=[REPO, "acme/other"])
    with forge_at(world, repos=["acme/*"], app_id=str(made.id), private_key=keys[0]) as forge:
        assert list(forge.repositories("acme")) == [REPO, "acme/other"]
    assert tokens(world) == [({"metadata": "read"}, {REPO, "acme/other"})]
    assert sent(world) == [
        "GET /orgs/acme/installation",
        "POST /app/installations/1/access_tokens",
        "GET /installation/repositories",
    ]


def test_an_installation_on_a_user_is_found(world: GitHubWorld, keys: tuple[str, str]) -> None:
    """Where there is no organisation of that name."""
    made = world.add_app("runnerkit", public_key=keys[1])
    world.add_repository("octocat/train")
    world.install_app(made, "octocat")
    with forge_at(world, repos=["octocat/*"], app_id=str(made.id), private_key=keys[0]) as forge:
        assert list(forge.repositories("octocat")) == ["octocat/train"]
    assert sent(world)[:2] == ["GET /orgs/octocat/installation", "GET /users/octocat/installation"]


def test_an_app_without_an_extra_permission_can_do_the_rest(world: GitHubWorld, keys: tuple[str, str]) -> None:
    """Annotations, approvals and files are asked for with tokens of their own."""
    held = {"actions": "write", "administration": "write", "metadata": "read"}
    made = world.add_app("meek", public_key=keys[1], permissions=held)
    world.install_app(made, "acme")
    job = world.queue_job(REPO, LABELS)
    with forge_at(world, repos=[REPO], app_id=str(made.id), private_key=keys[0]) as forge:
        (seen,) = forge.active(REPO)
        with pytest.raises(ForgeDenied) as caught:
            forge.annotations(REPO, job.id)
        assert "checks: read" in caught.value.hint
        with pytest.raises(ForgeDenied) as caught:
            forge.file(REPO, "runnerkit.yml")
        assert "contents: read" in caught.value.hint
        assert forge.gates(REPO, seen) is None
        assert forge.register(REPO, "rk-5-1", LABELS).runner.id


def test_a_known_installation_is_not_looked_up(world: GitHubWorld, app: Written) -> None:
    """With installation_id only the token is asked for."""
    with forge_at(world, installation_id=1, **app) as forge:
        forge.runners(REPO)
    assert [call.partition(" ")[0] for call in sent(world)] == ["POST", "GET"]


def test_a_token_is_renewed_before_it_expires(world: GitHubWorld, app: Written) -> None:
    """Five minutes before the hour is over there is a fresh one."""
    with forge_at(world, **app) as forge:
        forge.runners(REPO)
        ticking(world).advance(HOUR - 301)
        forge.runners(REPO)
        assert len(tokens(world)) == 1
        ticking(world).advance(2)
        forge.runners(REPO)
    assert len(tokens(world)) == 2
    assert world.count(status=401) == 0


def test_a_token_lasts_while_no_other_is_to_be_had(world: GitHubWorld, app: Written) -> None:
    """An outage of the token endpoint costs nothing while the old token is good, and is told when it is not."""
    with forge_at(world, **app) as forge:
        forge.runners(REPO)
        world.fail("POST", "*/access_tokens", 503, None)
        ticking(world).advance(HOUR - 60)
        forge.runners(REPO)
        ticking(world).advance(60)
        with pytest.raises(ForgeUnavailable, match="give the App a token"):
            forge.runners(REPO)


def test_a_revoked_token_is_replaced_once(world: GitHubWorld, app: Written) -> None:
    """A 401 did nothing, so the request is sent again with a fresh token, even a POST."""
    with forge_at(world, **app) as forge:
        forge.runners(REPO)
        for value in [each.value for each in world.tokens._known.values()]:
            world.revoke_token(value)
        assert forge.register(REPO, "rk-5-1", LABELS).runner.id
    assert [call.status for call in world.calls if call.path.endswith("jitconfig")] == [401, 201]


def test_many_repositories_are_not_named(world: GitHubWorld, app: Written) -> None:
    """GitHub takes 500 names in a request for a token; with more only the permissions are narrowed."""
    with forge_at(world, repos=[REPO, *(f"acme/train-{number}" for number in range(500))], **app) as forge:
        forge.runners(REPO)
    assert tokens(world) == [({"actions": "write", "administration": "write", "metadata": "read"}, None)]


def test_threads_that_begin_together_share_a_token(world: GitHubWorld, app: Written) -> None:
    """Whoever comes while it is asked for waits for it."""
    with forge_at(world, installation_id=1, **app) as forge:
        wire, never = forge._client._wire, threading.Event()
        send = wire.send

        def slow(ask: Ask, authorization: str) -> Answer:
            never.wait(0.1 if ask.verb == "POST" else 0)
            return send(ask, authorization)

        wire.send = slow  # type: ignore[method-assign] # lets the others come meanwhile
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(lambda number: forge.runner(REPO, number), range(1, 5))) == [None] * 4
    assert world.count("POST", "*/access_tokens") == 1


def test_threads_replace_a_revoked_token_once(world: GitHubWorld, app: Written) -> None:
    """Two that are told 401 at the same moment get one fresh token, and none takes the other's for the old one."""
    with forge_at(world, **app) as forge:
        forge.runners(REPO)
        for value in [each.value for each in world.tokens._known.values()]:
            world.revoke_token(value)
        both, wire = threading.Barrier(2), forge._client._wire
        send = wire.send

        def together(ask: Ask, authorization: str) -> Answer:
            answer = send(ask, authorization)
            if answer.status == 401:
                both.wait(10)
            return answer

        wire.send = together  # type: ignore[method-assign] # meets the other on the way
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(lambda number: forge.runner(REPO, number), (1, 2))) == [None, None]
    assert world.count("POST", "*/access_tokens") == 2


def test_an_app_that_is_not_installed_there_says_so(world: GitHubWorld, app: Written) -> None:
    """The error names App and repository."""
    world.add_repository("stranger/repo")
    with forge_at(world, **app) as forge, pytest.raises(ForgeDenied, match="not installed where it could serve"):
        forge.runners("stranger/repo")


def test_an_app_that_was_installed_anew_is_found_again(world: GitHubWorld, app: Written) -> None:
    """After one failure the installation is looked up afresh."""
    with forge_at(world, **app) as forge:
        forge.runners(REPO)
        installation = world.state.installations.pop(1)
        ticking(world).advance(HOUR)
        with pytest.raises(ForgeDenied, match="not installed"):
            forge.runners(REPO)
        world.install_app(world.state.apps[installation.app_id], "acme")
        assert forge.runners(REPO) == []


def test_an_app_without_a_permission_is_told_all_it_needs(world: GitHubWorld, keys: tuple[str, str]) -> None:
    """The installation must hold what its tokens are asked to hold."""
    made = world.add_app("meek", public_key=keys[1], permissions={"metadata": "read", "actions": "write"})
    world.install_app(made, "acme")
    with forge_at(world, app_id=str(made.id), private_key=keys[0]) as forge, pytest.raises(ForgeDenied) as caught:
        forge.runners(REPO)
    assert "not granted to this installation" in caught.value.message
    assert "administration: write" in caught.value.hint


def test_a_wrong_key_is_told_as_such(world: GitHubWorld, keys: tuple[str, str]) -> None:
    """GitHub cannot decode what another key signed; the hint leads to the key."""
    made = world.add_app("locked", public_key=keys[1])
    world.install_app(made, "acme")
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with (
        forge_at(world, app_id=str(made.id), private_key=other.decode()) as forge,
        pytest.raises(ForgeDenied, match="JSON web token could not be decoded") as caught,
    ):
        forge.runners(REPO)
    assert "private key" in caught.value.hint


def test_the_key_can_lie_in_a_file(world: GitHubWorld, app: Written, tmp_path: Path) -> None:
    """A path works as the text does, and a path to nothing says so without any request."""
    file = tmp_path / "app.pem"
    file.write_text(app.pop("private_key"))
    with forge_at(world, private_key_file=str(file), **app) as forge:
        assert forge.runners(REPO) == []
    with pytest.raises(ConfigError, match="No such file"), forge_at(world, private_key_file=f"{file}.txt", **app):
        pass
