"""A local EC2 and a local GitHub for every test here: an empty world for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from runnerkit.sandbox.ec2 import SandboxEc2, Stage
from runnerkit.sandbox.github import GitHubWorld, WorldClock
from tests.sandbox.github_world import acme

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def ec2_server() -> Iterator[SandboxEc2]:
    """One server for the whole session; tests take ``ec2_world`` or ``stage``."""
    with SandboxEc2() as world:
        yield world


@pytest.fixture
def ec2_world(ec2_server: SandboxEc2) -> Iterator[SandboxEc2]:
    """An empty world."""
    yield ec2_server
    ec2_server.reset()
    ec2_server.trust(None)


@pytest.fixture
def stage(ec2_world: SandboxEc2) -> Stage:
    """An empty world in which something can be launched."""
    return Stage.of(ec2_world)


@pytest.fixture
def refused() -> Callable[..., str]:
    """Calls something that AWS refuses and returns the error's code."""

    def call(action: Callable[..., object], **arguments: object) -> str:
        with pytest.raises(ClientError) as caught:
            action(**arguments)
        return str(caught.value.response["Error"]["Code"])

    return call


@pytest.fixture
def clock() -> WorldClock:
    """The time of the local GitHub."""
    return WorldClock()


@pytest.fixture
def world(clock: WorldClock) -> Iterator[GitHubWorld]:
    """A local GitHub with one repository."""
    with acme(clock) as world:
        yield world


@pytest.fixture
def token(world: GitHubWorld) -> str:
    """A token that may do everything there."""
    return world.add_token("fine-grained")
