"""One engine for all tests here, and a stand-in that may use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sandbox.containers.podman import require, running
from tests.sandbox.standin.running import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runnerkit.sandbox.github import GitHubWorld
    from tests.sandbox.containers.podman import Podman


@pytest.fixture(scope="session")
def engine() -> Iterator[Podman]:
    """The engine of this session."""
    require()
    with running() as podman:
        yield podman


@pytest.fixture
def podman(engine: Podman, monkeypatch: pytest.MonkeyPatch) -> Iterator[Podman]:
    """The engine, named for the sandbox; whatever a test does, its jobs leave nothing on it."""
    monkeypatch.setenv("RUNNERKIT_SANDBOX_DOCKER_HOST", engine.address)
    yield engine
    assert engine.left() == {"containers": [], "volumes": [], "networks": []}


@pytest.fixture
def runner(podman: Podman, tmp_path: Path, world: GitHubWorld) -> StandIn:  # noqa: ARG001 - it must be named before
    """A stand-in whose jobs may have containers."""
    return StandIn(tmp_path / "runner", world)
