"""The ground of the GitHub adapter's contract tests: the local GitHub, and forges that talk to it."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from runnerkit.github import GitHubForge
from runnerkit.settings import GitHubSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.sandbox.github import GitHubWorld

Written = dict[str, Any]
REPO = "acme/train"
LABELS = ("self-hosted", "runnerkit=77/gpu=t4", "runnerkit-born-1767225600")


class Ticking:
    """A clock that only moves when somebody waits, or when the test says so."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 21, 12, tzinfo=UTC)
        self.waits: list[float] = []
        self.woken = 0

    def now(self) -> datetime:
        """The time."""
        return self.at

    def advance(self, seconds: float) -> None:
        """Move on."""
        self.at += timedelta(seconds=seconds)

    def wait(self, seconds: float) -> bool:
        """Move on at once, and remember it."""
        self.waits.append(seconds)
        self.advance(seconds)
        return False

    def wake(self) -> None:
        """Count it."""
        self.woken += 1


@contextmanager
def forge_at(world: GitHubWorld, token: str | None = None, **settings: Any) -> Iterator[GitHubForge]:  # noqa: ANN401 - GitHubSettings checks them
    """A forge that talks to the world with a token (a generous one by default) or whatever the settings say."""
    if token is None and "app_id" not in settings:
        token = world.add_token("fine-grained")
    said: dict[str, Any] = {"api_url": world.url, "token": token, **settings}
    repos, reserve = said.pop("repos", ()), said.pop("reserve", 0.05)
    written = GitHubSettings.model_validate(said)
    forge = GitHubForge(written, clock=ticking(world), repos=repos, reserve=reserve)
    try:
        yield forge
    finally:
        forge.close()


def ticking(world: GitHubWorld) -> Ticking:
    """The world's clock, which the forge shares."""
    assert isinstance(world.clock, Ticking)
    return world.clock


def sent(world: GitHubWorld) -> list[str]:
    """What was asked of the world, as ``GET /path``."""
    return [f"{call.method} {call.path}" for call in world.calls]
