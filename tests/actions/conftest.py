"""The theatre in which the action and the reusable workflow are played."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.theatre import Theatre, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runnerkit.sandbox.ec2 import SandboxEc2

REPO = "acme/widgets"


@pytest.fixture
def theatre(_ec2_server: SandboxEc2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Theatre]:
    """An empty sandbox with process machines, and no setting of this computer."""
    with opened(_ec2_server, tmp_path, REPO, monkeypatch) as found:
        yield found
