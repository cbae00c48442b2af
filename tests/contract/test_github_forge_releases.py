"""The releases of GitHub's runner, as the adapter reads them: seldom, and never to the harm of a launch."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ForgeError
from runnerkit.github import GitHubForge
from runnerkit.model import Release
from runnerkit.sandbox.github import GitHubWorld
from runnerkit.settings import GitHubSettings
from tests.contract.github_ground import REPO, Ticking, ticking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIST, DOWNLOADS = "/repos/actions/runner/releases", f"/repos/{REPO}/actions/runners/downloads"


@pytest.fixture
def world() -> Iterator[GitHubWorld]:
    """A GitHub with one private repository."""
    with GitHubWorld(Ticking()) as world:
        world.add_repository(REPO)
        yield world
        assert world.violations == []


def forge_of(world: GitHubWorld, folder: Path | None, token: str | None = None, url: str = "") -> GitHubForge:
    """A forge as another process would make it."""
    said = {"api_url": url or world.url, "token": token or world.add_token("fine-grained")}
    return GitHubForge(GitHubSettings.model_validate(said), clock=ticking(world), cache_dir=folder)


def asked(world: GitHubWorld) -> list[str]:
    """What was asked about releases and downloads since the last look."""
    paths = [call.path for call in world.calls if call.path in {LIST, DOWNLOADS}]
    world.service.calls.clear()
    return paths


def test_releases_are_versions_with_their_dates(world: GitHubWorld) -> None:
    """Newest first, without the v of their tags; any token may read them."""
    world.options.runner_version, world.options.runner_age = "2.337.0", 3
    found = forge_of(world, None).releases(REPO)
    assert found[0] == Release("2.337.0", world.clock.now() - timedelta(days=3))
    assert [each.version for each in found[1:3]] == ["2.335.0", "2.334.0"]
    dates = [each.at for each in found if each.at is not None]
    assert len(dates) == len(found)
    assert dates == sorted(dates, reverse=True)


def test_they_are_read_once_for_many_launches_and_processes(world: GitHubWorld, tmp_path: Path) -> None:
    """What one process read serves the next for six hours; then it is read anew."""
    first = forge_of(world, tmp_path)
    expected = first.releases(REPO)
    for forge in (first, forge_of(world, tmp_path), forge_of(world, tmp_path)):
        assert expected == forge.releases(REPO)
    assert [LIST] == asked(world)
    ticking(world).advance(6 * 3600 + 1)
    forge_of(world, tmp_path).releases(REPO)
    assert [LIST] == asked(world)


def test_where_releases_cannot_be_read_downloads_name_the_newest(world: GitHubWorld, tmp_path: Path) -> None:
    """A token that may not look elsewhere: one version, undated, and for an hour nobody asks again."""
    world.fail("GET", LIST, 404, None)
    token = world.add_token("fine-grained")
    for _ in range(3):
        assert [Release("2.336.0", None)] == list(forge_of(world, tmp_path, token).releases(REPO))
    assert [LIST, DOWNLOADS] == asked(world)
    ticking(world).advance(3601)
    forge_of(world, tmp_path, token).releases(REPO)
    assert [LIST, DOWNLOADS] == asked(world)


def test_a_failure_is_remembered_for_some_minutes(world: GitHubWorld, tmp_path: Path) -> None:
    """A launch that cannot find out does not make the next one try again at once."""
    world.fail("GET", LIST, 403, None)
    world.fail("GET", DOWNLOADS, 403, None)
    token = world.add_token("fine-grained")
    for _ in range(3):
        with pytest.raises(ForgeError, match="could not be read"):
            forge_of(world, tmp_path, token).releases(REPO)
    assert [LIST, DOWNLOADS] == asked(world)
    ticking(world).advance(601)
    with pytest.raises(ForgeError):
        forge_of(world, tmp_path, token).releases(REPO)
    assert [LIST, DOWNLOADS] == asked(world)


def test_what_one_token_cannot_read_another_may(world: GitHubWorld, tmp_path: Path) -> None:
    """A wrong token on the same computer does not let images with old runners pass for those who have a good one."""
    with pytest.raises(ForgeError):
        forge_of(world, tmp_path, "ghp_revoked").releases(REPO)
    asked(world)
    good = forge_of(world, tmp_path).releases(REPO)
    assert good[0].at is not None
    assert [LIST] == asked(world)
    assert good == forge_of(world, tmp_path, "ghp_revoked").releases(REPO), "what everybody may read serves all"
    assert asked(world) == []


def test_an_enterprise_server_has_no_such_rule(world: GitHubWorld) -> None:
    """It brings its own runner: nothing is read, and nothing is concluded."""
    assert [] == list(forge_of(world, None, url=f"{world.url}/api/v3").releases(REPO))
    assert asked(world) == []


@pytest.mark.parametrize("text", ["", "[]", "{", '{"until": "x"}', '{"until": 9e99, "failed": "", "releases": []}'])
def test_a_damaged_memory_is_none(world: GitHubWorld, tmp_path: Path, text: str) -> None:
    """Whatever stands in the file, or from whichever future, the truth is read."""
    forge_of(world, tmp_path).releases(REPO)
    (kept,) = tmp_path.glob("runner-releases-*.json")
    kept.write_text(text)
    assert forge_of(world, tmp_path).releases(REPO)[0].version == "2.336.0"
    assert [LIST, LIST] == asked(world)


def test_a_folder_that_cannot_be_written_costs_only_time(world: GitHubWorld, tmp_path: Path) -> None:
    """Nothing is kept then, and nothing fails."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert forge_of(world, blocked / "cache").releases(REPO)
