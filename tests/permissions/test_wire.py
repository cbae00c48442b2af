"""The policies' actions are those recorded at the wire, both ways; and where permissions are demanded they suffice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit.permissions import BESIDE, DEPENDENT, Use, actions, policy
from tests.contract.ec2_world import World, WorldTime, _shared_loader
from tests.permissions.stories import STORIES, Ground

if TYPE_CHECKING:
    from pathlib import Path

    from runnerkit.sandbox.ec2 import SandboxEc2


@pytest.fixture
def ground(ec2: SandboxEc2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """An account with what a team has before, which demands permissions."""
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("RUNNERKIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("botocore.session.create_loader", _shared_loader)
    # boto3 keeps the credentials of a session that nobody made.
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    image = ec2.bake("ml-2026", {"runnerkit:recipe": "0123456789ab"}, gigabytes=40)
    made = Ground(World(ec2, WorldTime(ec2), image, tmp_path / "cache"), ec2.account)
    made.furnish()
    ec2.calls.clear()
    ec2.enforce()
    return made


@pytest.mark.parametrize("use", STORIES)
def test_a_use_asks_for_what_its_policy_allows_and_for_all_of_it(
    use: Use, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call is allowed, and every action is called, but for those that AWS asks for by itself."""
    beside = BESIDE.get(use, ())
    keys = ground.ec2.user(use, policy([*beside, use], ground.place))
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    STORIES[use](ground)
    refused = [call for call in ground.ec2.calls if call.error in {"UnauthorizedOperation", "AccessDenied"}]
    assert [] == [(call.permission, call.error) for call in refused if "HEAD" not in call.action]
    asked = ground.ec2.calls.permissions(keys["AWS_ACCESS_KEY_ID"], beside=True)
    allowed = actions([use], ground.place)
    assert set() == asked - allowed - actions(beside, ground.place), "asked for, and in no policy"
    assert set() == allowed - asked - set(DEPENDENT), "allowed, and never asked for"
