"""What GitHub itself says about the repository: asked once, and only where the environment lets the token go."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runnerkit.beginning.words import Hub

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runnerkit.beginning.words import Address

TOKENS = ("RUNNERKIT_GITHUB__TOKEN", "GH_TOKEN", "GITHUB_TOKEN")
PATIENCE = 5


def where(address: Address, environment: Mapping[str, str]) -> str:
    """The API that may be asked; empty where a checkout alone names the host, which may be anybody's."""
    said = environment.get("GITHUB_API_URL", "")
    return said or ("https://api.github.com" if address.host == "github.com" else "")


def look(address: Address, environment: Mapping[str, str] = os.environ) -> tuple[Hub, str]:
    """What GitHub says, and why it did not say anything, as a sentence."""
    token = next((environment[name] for name in TOKENS if environment.get(name)), "")
    url = where(address, environment)
    if not (token and url):
        return Hub(), ""
    from github import Auth, Github, GithubException
    from requests import RequestException

    client = Github(auth=Auth.Token(token), base_url=url, timeout=PATIENCE, retry=None)
    try:
        repo = client.get_repo(address.repo)
        return Hub(str(repo.owner.type or ""), repo.private, str(repo.default_branch or "")), ""
    except (GithubException, RequestException, ValueError, AssertionError) as error:
        status = f"status {error.status}" if isinstance(error, GithubException) else "no answer"
        return Hub(), f"GitHub did not tell about {address.repo} ({status}): does it exist, and does the token see it?"
    finally:
        client.close()
