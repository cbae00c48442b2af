"""An installed stand-in for every test here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sandbox.standin.running import StandIn

if TYPE_CHECKING:
    from pathlib import Path

    from runnerkit.sandbox.github import GitHubWorld


@pytest.fixture
def runner(tmp_path: Path, world: GitHubWorld) -> StandIn:
    """A stand-in that can connect to the local GitHub."""
    return StandIn(tmp_path / "runner", world)
