from __future__ import annotations

import pytest

from runnerkit.errors import ConfigError
from runnerkit.github import places


@pytest.mark.parametrize(
    "name", ["acme/train", "a/b", "octo-org/my.repo_1", "user_company/x", "acme/..x", "acme/" + "x" * 100]
)
def test_good_repository_names_pass_unchanged(name: str) -> None:
    """What GitHub allows is allowed."""
    assert places.repository(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *["", "acme", "acme/", "/train", "acme/train/x", "https://github.com/acme/train", "acme/tr ain", "acme/.."],
        *["acme/.", "-acme/train", "acme/train?x=1", "acme/train\n", "açme/train", "a/%2e%2e"],
        *["acme/" + "x" * 101, "a" * 40 + "/x"],
    ],
)
def test_bad_repository_names_are_named(name: str) -> None:
    """A malformed name never becomes part of an address; the error shows it and the right form."""
    with pytest.raises(ConfigError) as caught:
        places.repository(name)
    assert repr(name) in caught.value.message
    assert "owner/name" in caught.value.hint


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("https://api.github.com", "https://api.github.com"),
        ("https://ghe.example/api/v3/", "https://ghe.example/api/v3"),
        ("https://ghe.example:8443/api/v3", "https://ghe.example:8443/api/v3"),
        ("http://127.0.0.1:4010", "http://127.0.0.1:4010"),
        ("http://localhost:1", "http://localhost:1"),
        ("http://[::1]:80", "http://[::1]:80"),
        ("http://10.0.2.2:8000/", "http://10.0.2.2:8000"),
        (" https://ghe.example:8443/api/v3/\n", "https://ghe.example:8443/api/v3"),
    ],
)
def test_good_addresses_lose_their_last_slash(written: str, used: str) -> None:
    """github.com, an Enterprise Server, and whatever runs on this machine or its private network."""
    assert places.base_url(written) == used


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "scheme"),
        ("api.github.com", "scheme"),
        ("ftp://api.github.com", "scheme"),
        ("https://", "scheme"),
        ("https://api.github.com:x", "Port"),
        ("https://[::1", "IPv6"),
        ("http://api.github.com", "plain http"),
        ("http://8.8.8.8", "plain http"),
        ("https://github.com", "website"),
        ("https://api.github.com?x=1", "query"),
        ("https://api.github.com#x", "query"),
        ("https://ghe.example/api /v3", "spaces"),
        ("https://ghe.example/api\n/v3", "control characters"),
    ],
)
def test_bad_addresses_say_why(written: str, why: str) -> None:
    """Each mistake has its own reason and the right forms."""
    with pytest.raises(ConfigError, match=why) as caught:
        places.base_url(written)
    assert "https://api.github.com" in caught.value.hint


def test_credentials_in_an_address_are_not_repeated() -> None:
    """The error about them does not print them."""
    with pytest.raises(ConfigError, match="credentials") as caught:
        places.base_url("https://me:secret@api.github.com")
    assert "secret" not in caught.value.message
