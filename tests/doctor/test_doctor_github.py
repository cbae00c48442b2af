"""The doctor at a GitHub of organisations: an App that is not everywhere, many groups, a server without limits."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from typer.testing import CliRunner

from runnerkit.cli.commands import app
from runnerkit.errors import AILING
from runnerkit.sandbox.github import GitHubWorld
from runnerkit.sandbox.github.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GROUP = {"RUNNERKIT_GITHUB__ORGANIZATION": "acme", "RUNNERKIT_GITHUB__RUNNER_GROUP": "group-34"}
URL = "http://127.0.0.1:9/hooks"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this computer counts."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("AWS_", "GITHUB_", "GH_", "RUNNERKIT_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def world() -> Iterator[GitHubWorld]:
    """Two owners; nothing that is done here is against the API's rules."""
    with GitHubWorld() as found:
        found.add_organization("acme")
        for name in ("acme/one", "acme/two", "initech/one"):
            found.add_repository(name)
        yield found
        assert [] == found.violations


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """The key of all Apps here."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def examine(
    world: GitHubWorld, only: str, *words: str, **environment: str
) -> tuple[int, dict[str, list[tuple[str, str]]]]:
    """Exit code, and by check the level of each finding and its words."""
    told = {"RUNNERKIT_GITHUB__API_URL": world.url, **environment}
    done = CliRunner().invoke(app, ["doctor", "--json", "--only", only, *words], env=told, catch_exceptions=False)
    found: dict[str, list[tuple[str, str]]] = {}
    for each in json.loads(done.stdout)["findings"]:
        found.setdefault(each["check"], []).append((each["level"], f"{each['found']} {each['next']}"))
    return done.exit_code, found


def test_an_app_that_is_not_everywhere_is_told(world: GitHubWorld, key: rsa.RSAPrivateKey, tmp_path: Path) -> None:
    """What is out of an App's reach is a failure with its name, and hides nothing of what is within it."""
    pem, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    made = world.add_app("some", key.public_key().public_bytes(pem, form).decode())
    there = world.install_app(made, "acme", repositories=["acme/one"])
    file = tmp_path / "key.pem"
    plain = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    file.write_bytes(key.private_bytes(pem, *plain))
    ours = {"RUNNERKIT_GITHUB__APP_ID": str(made.id), "RUNNERKIT_GITHUB__PRIVATE_KEY_FILE": str(file)}

    served = ("--repo", "initech/*", "--repo", "acme/one", "--repo", "initech/one")
    code, told = examine(world, "github-repositories,github-permissions", *served, **ours)
    assert (AILING, ("ok", "acme/one ")) == (code, told["github-repositories"][-1])
    for (level, words), name in zip(told["github-repositories"], ("initech/one", "initech/*"), strict=False):
        assert ("failure", True) == (level, words.startswith(f"{name}: the GitHub App {made.id} is not installed")), (
            told
        )
    assert ["ok"] == [level for level, _ in told["github-permissions"]], "asked with the token of another installation"

    both = ("--repo", "acme/one", "--repo", "acme/two")
    code, told = examine(world, "github-repositories,github-token", *both, **ours)
    assert [("failure", True), ("ok", False)] == [
        (level, words.startswith("acme/two: ")) for level, words in told["github-repositories"]
    ]
    assert (AILING, True) == (code, "access to acme/one, acme/two" in told["github-token"][0][1])

    world.add_app_hook(made, URL)
    with world.state.open():
        made.events = ("workflow_run",)
    _, told = examine(world, "github-webhooks", "--repo", "acme/*", RUNNERKIT_SERVE__PUBLIC_URL=URL, **ours)
    assert "does not send workflow_job" in told["github-webhooks"][0][1]

    del world.state.installations[there.id]
    _, told = examine(world, "github-repositories", "--repo", "acme/*", **ours)
    assert "failure" == told["github-repositories"][0][0]


def test_a_large_organisation_and_a_server_without_limits(world: GitHubWorld) -> None:
    """A group on the second page, the organisation's own webhook, an owner without repositories, no page of limits."""
    for number in range(35):
        world.add_group("acme", f"group-{number}", visibility="private")
    world.add_organization("empty")
    world.add_hook("acme", "http://127.0.0.1:9/other", ("push",))
    world.add_hook("acme", "http://localhost:9/T0/secret", ("push",))
    mine = {"GITHUB_TOKEN": world.add_token("fine-grained"), **GROUP}
    served = ("--repo", "acme/one", "--repo", "empty/*")
    world.faults.add(Fault("GET", "/rate_limit", status=404, message="Rate limiting is not enabled."))
    code, told = examine(world, "github", *served, RUNNERKIT_SERVE__PUBLIC_URL="http://127.0.0.1:9/other", **mine)
    assert AILING == code
    assert [("ok", "'group-34' of acme is open to them ")] == told["github-runner-group"]
    assert "does not send workflow_job" in told["github-webhooks"][0][1]
    assert ("ok", "this server counts no calls ") == told["github-rate"][0]
    assert "ok" == told["github-token"][0][0]
    (bad, _) = told["github-repositories"]
    assert ("failure", True) == (bad[0], bad[1].startswith("empty/*: no repository"))
    _, told = examine(world, "github", *served, RUNNERKIT_SERVE__PUBLIC_URL="http://127.0.0.1:9/gone", **mine)
    (_, words), *_ = told["github-webhooks"]
    assert "http://127.0.0.1:9/other" in words
    assert "secret" not in words.replace("webhook_secret", "")
