from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from runnerkit.errors import ConfigError
from runnerkit.github import GitHubForge
from runnerkit.settings import GitHubSettings

if TYPE_CHECKING:
    from runnerkit.ports import Forge, Reports


class Standing:
    """A clock that stands still."""

    def now(self) -> datetime:
        """The time."""
        return datetime(2026, 11, 21, tzinfo=UTC)

    def wait(self, seconds: float) -> bool:
        """Nobody waits here."""
        raise AssertionError(f"waited {seconds} s")

    def wake(self) -> None:
        """Nobody sleeps here."""


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ({}, "neither github.token nor github.app_id"),
        ({"token": "x", "app_id": "1", "private_key": "y"}, "both set"),
        ({"token": "  "}, "empty or holds characters"),
        ({"token": "ghp_a\nghp_b"}, "empty or holds characters"),
        ({"token": "ghp_ä"}, "empty or holds characters"),
        ({"app_id": "1"}, "without a private key"),
        ({"app_id": " ", "private_key": "y"}, "is empty"),
        ({"app_id": "1", "private_key": " "}, "is empty"),
        ({"app_id": "1", "private_key": "not a key"}, "not an RSA key in PEM form"),
        ({"app_id": "1", "private_key_file": "/nonexistent/app.pem"}, "cannot be read: No such file"),
        ({"token": "x", "api_url": "http://api.github.com"}, "plain http"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(written: dict[str, str], why: str) -> None:
    """Every mistake that needs no GitHub to be seen is seen before one is asked, and shows no secret."""
    with pytest.raises(ConfigError, match=why) as caught:
        GitHubForge(GitHubSettings.model_validate(written), clock=Standing())
    assert "ghp_" not in caught.value.message
    assert "not a key" not in caught.value.message


def test_a_malformed_repository_is_refused_at_once() -> None:
    """Names become parts of addresses and of what an App's tokens reach, so they are checked first."""
    settings = GitHubSettings(token=SecretStr("t"))
    with pytest.raises(ConfigError, match="'train' is not a repository name"):
        GitHubForge(settings, clock=Standing(), repos=["train"])


def test_a_token_may_carry_the_line_break_of_its_file() -> None:
    """Tokens read from files end in one; it is not part of them, and the forge never shows them."""
    forge = GitHubForge(GitHubSettings(token=SecretStr("ghp_secret\n")), clock=Standing())
    assert "ghp_secret" not in repr(forge._client._credentials) + repr(vars(forge._client._credentials))
    forge.close()


def test_the_adapter_is_what_the_ports_ask_for() -> None:
    """The type checker compares every signature; here the two halves share one connection and one budget."""
    adapter = GitHubForge(GitHubSettings(token=SecretStr("t")), clock=Standing())
    forge: Forge = adapter
    reports: Reports = adapter.reports
    assert forge.place("acme/train") == "acme/train"
    assert adapter.reports._client is adapter._client
    assert reports is adapter.reports
    adapter.close()
