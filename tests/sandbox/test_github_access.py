import time
from collections.abc import Iterator
from datetime import datetime

import github
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from runnerkit.sandbox.github import GitHubWorld, WorldClock
from tests.sandbox.github_world import REPO, RUNNERS, acme, call, client, register


@pytest.fixture
def clock() -> WorldClock:
    return WorldClock()


@pytest.fixture
def world(clock: WorldClock) -> Iterator[GitHubWorld]:
    with acme(clock) as world:
        yield world


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(key: rsa.RSAPrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def public_pem(key: rsa.RSAPrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form).decode()


def test_a_workflow_token_cannot_register_runners(world: GitHubWorld) -> None:
    """GITHUB_TOKEN is refused with GitHub's message and the name of what is needed."""
    reply = register(world, world.add_token("actions"))
    assert (reply.status, reply.body["message"]) == (403, "Resource not accessible by integration")
    assert reply.headers["x-accepted-github-permissions"] == "administration=write"
    with pytest.raises(ValueError, match="never holds administration"):
        world.add_token("actions", {"administration": "write"})


def test_a_personal_token_without_the_permission_is_refused(world: GitHubWorld) -> None:
    """Reading is not writing, and the header names the missing permission."""
    token = world.add_token("fine-grained", {"administration": "read", "actions": "read"})
    assert call(world, "GET", RUNNERS, token=token).status == 200
    reply = register(world, token)
    assert (reply.status, reply.body["message"]) == (403, "Resource not accessible by personal access token")
    job = world.queue_job(REPO, ["gpu"])
    refused = call(world, "POST", f"/repos/{REPO}/actions/runs/{job.run_id}/cancel", token=token)
    assert refused.headers["x-accepted-github-permissions"] == "actions=write"


def test_a_classic_token_goes_by_its_scopes(world: GitHubWorld) -> None:
    """The scope repo opens the repository, admin:org the organisation's runners."""
    token = world.add_token("classic", scopes=["repo"])
    assert register(world, token).status == 201
    refused = register(world, token, level="/orgs/acme/actions/runners")
    assert refused.status == 403
    assert refused.headers["x-oauth-scopes"] == "repo"
    assert call(world, "GET", f"/repos/{REPO}", token=world.add_token("classic", scopes=[])).status == 404


def test_unknown_expired_and_revoked_tokens_are_bad_credentials(world: GitHubWorld, clock: WorldClock) -> None:
    """All three get a 401."""
    short, revoked = world.add_token("fine-grained", lifetime=60), world.add_token("fine-grained")
    assert call(world, "GET", f"/repos/{REPO}", token=short).status == 200
    clock.advance(60)
    world.revoke_token(revoked)
    for token in (short, revoked, "ghp_guessed"):
        reply = call(world, "GET", f"/repos/{REPO}", token=token)
        assert (reply.status, reply.body["message"]) == (401, "Bad credentials")


def test_a_private_repository_is_not_shown_to_strangers(world: GitHubWorld) -> None:
    """Neither nobody nor a token of other repositories learns that it exists."""
    world.add_repository("acme/open", private=False)
    stranger = world.add_token("fine-grained", repositories=["acme/open"])
    assert call(world, "GET", f"/repos/{REPO}").status == 404
    assert call(world, "GET", f"/repos/{REPO}", token=stranger).status == 404
    assert call(world, "GET", "/repos/acme/open").status == 200
    anonymous = call(world, "POST", "/repos/acme/open/issues/1/comments", {"body": "hello"})
    assert (anonymous.status, anonymous.body["message"]) == (401, "Requires authentication")


def test_an_app_signs_in_through_pygithub(world: GitHubWorld, key: rsa.RSAPrivateKey) -> None:
    """A JWT signed by the App's key buys an installation token that works for an hour."""
    app = world.add_app("runnerkit", public_pem(key))
    installation = world.install_app(app, "acme")
    integration = github.GithubIntegration(auth=github.Auth.AppAuth(app.id, private_pem(key)), base_url=world.url)
    assert integration.get_repo_installation("acme", "train").id == installation.id
    assert integration.get_org_installation("acme").id == installation.id
    granted = integration.get_access_token(installation.id, permissions={"administration": "write"})
    assert register(world, granted.token).status == 201
    assert call(world, "GET", f"/repos/{REPO}/pulls", token=granted.token).status == 403
    assert 3590 < (granted.expires_at - datetime.now(granted.expires_at.tzinfo)).total_seconds() <= 3600
    integration.close()


def test_a_jwt_of_another_key_or_with_wrong_times_is_refused(world: GitHubWorld, key: rsa.RSAPrivateKey) -> None:
    """The signature, the past of iat and at most ten minutes to exp are checked."""
    app = world.add_app("runnerkit", public_pem(key))
    world.install_app(app, "acme")
    now = int(time.time())

    def ask(claims: dict[str, object], signer: rsa.RSAPrivateKey = key) -> int:
        token = jwt.encode(claims, private_pem(signer), algorithm="RS256")
        return call(world, "GET", "/orgs/acme/installation", token=token).status

    good = {"iss": app.client_id, "iat": now - 60, "exp": now + 300}
    assert ask(good) == 200
    assert ask({**good, "exp": now + 700}) == 401
    assert ask({**good, "exp": now - 1}) == 401
    assert ask({**good, "iat": now + 60}) == 401
    assert ask({**good, "iss": "Iv23other"}) == 401
    assert ask(good, rsa.generate_private_key(public_exponent=65537, key_size=2048)) == 401
    assert call(world, "GET", "/orgs/acme/installation", token=world.add_token("fine-grained")).status == 401


def test_an_installation_token_is_narrowed_and_never_widened(world: GitHubWorld, key: rsa.RSAPrivateKey) -> None:
    """Repositories and permissions beyond the installation are a 422."""
    world.add_repository("acme/other")
    app = world.add_app("runnerkit", public_pem(key))
    held = {"administration": "write", "metadata": "read"}
    installation = world.install_app(app, "acme", permissions=held, repositories=[REPO])
    now = int(time.time())
    signed = jwt.encode({"iss": str(app.id), "iat": now - 60, "exp": now + 300}, private_pem(key), algorithm="RS256")
    path = f"/app/installations/{installation.id}/access_tokens"
    made = call(world, "POST", path, {"repositories": ["train"], "permissions": {"administration": "read"}}, signed)
    assert made.status == 201
    assert made.body["permissions"] == {"administration": "read"}
    assert [each["full_name"] for each in made.body["repositories"]] == [REPO]
    assert call(world, "GET", RUNNERS, token=made.body["token"]).status == 200
    assert register(world, made.body["token"]).status == 403
    assert call(world, "GET", "/repos/acme/other", token=made.body["token"]).status == 404
    for beyond in ({"permissions": {"actions": "read"}}, {"repositories": ["other"]}, {"repositories": ["none"]}):
        assert call(world, "POST", path, beyond, signed).status == 422


def test_pygithub_knows_who_it_is(world: GitHubWorld) -> None:
    """The user behind a personal token, the organisation, an account."""
    with client(world, world.add_token("fine-grained", login="hubot")) as caller:
        assert caller.get_user().login == "hubot"
        assert caller.get_organization("ACME").login == "acme"
        assert caller.get_user("hubot").type == "User"
        with pytest.raises(github.UnknownObjectException):
            caller.get_organization("hubot")
