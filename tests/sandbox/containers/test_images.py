"""Images that jobs build and push, by the engine of the sandbox."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.sandbox.containers.podman import IMAGE, Podman
from tests.sandbox.containers.registry import PASSWORD, USER
from tests.sandbox.standin.running import StandIn, ended, said

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from runnerkit.sandbox.github import GitHubWorld

NAME = "localhost/runnerkit-built"
WRITE = (
    f"printf 'FROM {IMAGE}\\nARG WHO\\nCOPY file /file\\nRUN echo built by $WHO >/built\\n' >Dockerfile; echo x >file"
)


def built(**given: str) -> dict[str, Any]:
    """A step that builds an image."""
    return {"id": "build", "name": "Build", "uses": "docker/build-push-action@v6", "with": {"context": ".", **given}}


def login(password: str, registry: str) -> dict[str, Any]:
    """A step that signs in."""
    return {
        "name": "Sign in",
        "uses": "docker/login-action@v3",
        "with": {"registry": registry, "username": USER, "password": password},
    }


def test_an_image_is_built_by_the_engine(runner: StandIn, podman: Podman) -> None:
    """With the job's files and arguments, under each of its names; signed in for the length of the job."""
    host = podman.registry.host
    job = runner.steps(
        [
            {"run": WRITE},
            login(PASSWORD, host),
            {"name": "Look", "run": "cat ~/.docker/config.json"},
            {"uses": "docker/setup-buildx-action@v3"},
            built(tags=f"{NAME}:1\n{NAME}:2", **{"build-args": "WHO=me", "cache-from": "type=gha"}),
            {"name": "Tell", "run": "echo ${{ steps.build.outputs.imageid }}"},
        ]
    )
    assert job.conclusion == "success", job.log
    assert f"Login Succeeded: {host} as {USER}" in said(job, "Sign in")
    assert host in said(job, "Look")
    assert PASSWORD not in job.log
    assert "The input cache-from has no effect here." in said(job, "Build")
    assert podman.call("run", "--rm", "--network", "host", f"{NAME}:2", "cat", "/built") == "built by me\n"
    identity = podman.call("images", "--quiet", "--no-trunc", f"{NAME}:1").strip()
    assert identity in said(job, "Tell")
    assert json.loads((runner.home / ".docker/config.json").read_text()) == {"auths": {}}
    podman.call("rmi", "--force", f"{NAME}:1", f"{NAME}:2")


def test_what_goes_wrong_is_said(runner: StandIn, podman: Podman) -> None:
    """A wrong password, no file to build by, an input that is not known, a build that fails."""
    go_on: dict[str, Any] = {"continue-on-error": True}
    job = runner.steps(
        [
            login("guessed", podman.registry.host) | go_on,
            built() | {"name": "No file", "id": "none"} | go_on,
            {"run": f"printf 'FROM {IMAGE}\\nCOPY nothing /\\n' >Dockerfile"},
            built(ssh="default") | {"name": "Unknown", "id": "unknown"} | go_on,
            built() | {"name": "Fails", "id": "fails"},
        ]
    )
    assert f"does not let {USER} in: HTTP Error 401" in said(job, "Sign in")
    assert "failed to read dockerfile" in said(job, "No file")
    assert "does not know the input ssh" in said(job, "Unknown")
    assert "The image cannot be built" in said(job, "Fails")
    assert (ended(job)["Fails"], job.conclusion) == ("failure", "failure")


def test_without_an_engine_the_step_says_what_is_missing(
    tmp_path: Path, world: GitHubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is skipped, and the reader learns how to name one."""
    monkeypatch.setenv("RUNNERKIT_SANDBOX_DOCKER_HOST", "")
    job = StandIn(tmp_path / "runner", world).steps([{"uses": "docker/setup-buildx-action@v3"}])
    assert job.conclusion == "failure"
    assert "the stand-in runner was given none" in job.annotations[0]
    assert "RUNNERKIT_SANDBOX_DOCKER_HOST" in job.annotations[0]
