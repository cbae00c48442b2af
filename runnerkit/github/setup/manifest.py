"""The manifest of the App, and the pages at GitHub that a person has to open.

Sources: GitHub's "Registering a GitHub App from a manifest" (parameters, the three steps, one hour for all of them) and
"Managing your personal access tokens" (parameters of the address that fills in the form of a fine-grained token).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from runnerkit.errors import ConfigError
from runnerkit.github import places
from runnerkit.github.features import ALWAYS, permissions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.github.features import Feature

# GitHub's bound on the name of an App.
LONGEST_NAME = 34
EVENTS = ("workflow_job", "workflow_run")
TOKEN_DAYS = 90
_PUBLIC_API = "api.github.com"
_SERVER_PATH = "/api/v3"


def website(api_url: str) -> str:
    """Where the pages are whose API lies at an address, without a slash at its end.

    >>> website("https://api.github.com"), website("https://git.example.com/api/v3"), website("https://api.x.ghe.com")
    ('https://github.com', 'https://git.example.com', 'https://x.ghe.com')

    Raises:
        ConfigError: The address cannot be an API's.
    """
    parts = urlsplit(places.base_url(api_url))
    if parts.hostname == _PUBLIC_API or (parts.hostname or "").endswith(".ghe.com"):
        return f"https://{parts.netloc.removeprefix('api.')}"
    return f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix(_SERVER_PATH)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppWish:
    """The App to make.

    Attributes:
        web: The website, as :func:`website` gives it.
        owner: The organisation, or the user, that will own it.
        personal: Whether the owner is a user.
        name: Its name, unique in all of GitHub.
        features: What it is to do.
        hook_url: Where its webhook is sent; empty: nowhere.
    """

    web: str
    owner: str
    personal: bool
    name: str
    features: tuple[Feature, ...]
    hook_url: str = ""

    def __post_init__(self) -> None:
        """Check what GitHub would refuse."""
        places.account(self.owner)
        if not 0 < len(self.name) <= LONGEST_NAME or not self.name.isprintable():
            raise ConfigError(
                f"{self.name!r} cannot be the name of a GitHub App",
                hint=f"give one of at most {LONGEST_NAME} characters with --name",
            )

    @property
    def permissions(self) -> dict[str, str]:
        """What the App may do: no more than its features take."""
        return {name: level for name, level in permissions(self.features).items() if name != ALWAYS}

    @property
    def creation_url(self) -> str:
        """Where the manifest is posted to."""
        place = "/settings/apps/new" if self.personal else f"/organizations/{self.owner}/settings/apps/new"
        return self.web + place

    def manifest(self, redirect_url: str) -> str:
        """The manifest as JSON text; ``redirect_url`` is where GitHub leads the browser afterwards."""
        # GitHub wants an address even of a webhook that is switched off.
        homepage = f"{self.web}/{self.owner}"
        told: dict[str, Any] = {
            "name": self.name,
            "url": homepage,
            "description": "Launches runners for GitHub Actions, and ends them.",
            "public": False,
            "redirect_url": redirect_url,
            "hook_attributes": {"url": self.hook_url or homepage, "active": bool(self.hook_url)},
            "default_permissions": self.permissions,
            "default_events": list(EVENTS),
        }
        return json.dumps(told)


def app_name(owner: str) -> str:
    """The name proposed for an owner's App."""
    return f"runnerkit-{owner}"[:LONGEST_NAME]


def settings_url(web: str, owner: str, slug: str, *, personal: bool) -> str:
    """The App's settings: its permissions, its keys, and the button that deletes it."""
    return f"{web}/settings/apps/{slug}" if personal else f"{web}/organizations/{owner}/settings/apps/{slug}"


def installation_url(web: str, slug: str) -> str:
    """Where the App is installed on repositories."""
    return f"{web}/apps/{slug}/installations/new"


def token_url(web: str, owner: str, features: Sequence[Feature]) -> str:
    """The form for a fine-grained token with owner, name, days and permissions filled in."""
    filled = {"name": f"runnerkit {owner}", "target_name": owner, "expires_in": str(TOKEN_DAYS)}
    wanted = {name: level for name, level in permissions(features).items() if name != ALWAYS}
    return f"{web}/settings/personal-access-tokens/new?{urlencode(filled | wanted)}"
