"""The releases of GitHub's runner at the local GitHub."""

from runnerkit.sandbox.github import GitHubWorld, WorldClock
from tests.sandbox.github_world import REPO, call

RUNNER = "/repos/actions/runner/releases"


def test_everybody_may_read_the_runners_releases(world: GitHubWorld, clock: WorldClock) -> None:
    """Newest first, by page, whoever asks; the newest is the one whose downloads are offered."""
    world.options.runner_version, world.options.runner_age = "2.340.1", 3
    for token in (None, world.add_token("fine-grained")):
        reply = call(world, "GET", f"{RUNNER}?per_page=2", None, token)
        assert reply.status == 200
        assert [each["tag_name"] for each in reply.body] == ["v2.340.1", "v2.335.0"]
        assert 'rel="next"' in reply.headers["link"]
    dates = [each["published_at"] for each in call(world, "GET", RUNNER, None, None).body]
    assert dates == sorted(dates, reverse=True)
    assert (clock.now().date() - clock.now().fromisoformat(dates[0]).date()).days in {3, 4}


def test_other_repositories_have_no_releases(world: GitHubWorld) -> None:
    """A public one has none yet; a private one, and one that is not there, are not shown."""
    world.add_repository("acme/open", private=False)
    assert call(world, "GET", "/repos/acme/open/releases", None, None).body == []
    for name in (REPO, "acme/nowhere"):
        assert call(world, "GET", f"/repos/{name}/releases", None, None).status == 404
