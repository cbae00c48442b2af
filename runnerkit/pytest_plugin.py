"""Fixtures for tests, ours and other people's: a local EC2 and a local GitHub, imported when used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.sandbox.ec2 import SandboxEc2
    from runnerkit.sandbox.github import GitHubWorld


@pytest.fixture(scope="session")
def _ec2_server() -> Iterator[SandboxEc2]:
    """One EC2 for the whole session: starting it takes seconds, emptying it does not."""
    _need_sandbox()
    from runnerkit.sandbox.ec2 import SandboxEc2

    with SandboxEc2() as world:
        yield world


@pytest.fixture
def ec2(_ec2_server: SandboxEc2, monkeypatch: pytest.MonkeyPatch) -> SandboxEc2:
    """An empty local EC2 that boto3 talks to for the length of a test."""
    from runnerkit.sandbox.direct import past_proxies

    _ec2_server.reset()
    for name, value in (_ec2_server.environment() | past_proxies()).items():
        monkeypatch.setenv(name, value)
    return _ec2_server


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubWorld]:
    """An empty local GitHub; every answer it gave is checked against GitHub's own description when the test ends."""
    _need_sandbox()
    from runnerkit.sandbox.direct import past_proxies
    from runnerkit.sandbox.github import GitHubWorld

    for name, value in past_proxies().items():
        monkeypatch.setenv(name, value)
    with GitHubWorld() as world:
        yield world
        if world.violations:
            pytest.fail("GitHub's description was violated: " + "; ".join(world.violations))


def _need_sandbox() -> None:
    from runnerkit import extras

    if not extras.has("sandbox"):
        pytest.fail(f"this fixture needs the sandbox: {extras.hint('sandbox')}", pytrace=False)
