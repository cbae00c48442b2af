"""What ``setup github`` was asked for, put together from options, configuration and environment."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError
from runnerkit.github import features, places

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from runnerkit.config import Config
    from runnerkit.github.features import Feature
    from runnerkit.github.setup.words import Wish
    from runnerkit.names import Secret
    from runnerkit.settings import GitHubSettings

TOKEN_SECRET, KEY_SECRET, APP_VARIABLE = "RUNNERKIT_TOKEN", "RUNNERKIT_APP_KEY", "RUNNERKIT_APP_ID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call of the command.

    Attributes:
        config: The configuration.
        repos: The repositories to serve; ``owner/*`` is all of an owner's.
        owner: Who owns the App.
        personal: Whether that is a user.
        app: Whether an App is made (or the one of the configuration used); a token otherwise.
        name: The App's name.
        hook_url: Where webhooks are sent; empty: there are none.
        variables: To be written into each repository.
        environment: To be made in each repository; empty: none.
        reviewers: Who approves there.
        secrets: Whether the token, or the App's key, becomes a secret of each repository.
        replace: Whether what others wrote is overwritten.
        token: Of a person, who may write settings; None: there is none.
        out: The folder for keys; None: the state folder's.
    """

    config: Config
    repos: tuple[str, ...]
    owner: str
    personal: bool
    app: bool
    name: str
    hook_url: str
    variables: Mapping[str, str] = field(default_factory=dict)
    environment: str = ""
    reviewers: tuple[str, ...] = ()
    secrets: bool = False
    replace: bool = False
    token: Secret | None = None
    out: Path | None = None

    @property
    def settings(self) -> GitHubSettings:
        """GitHub's settings as configured."""
        return self.config.github

    @property
    def single(self) -> tuple[str, ...]:
        """The repositories that are named one by one."""
        return tuple(repo for repo in self.repos if not repo.endswith("/*"))

    @property
    def features(self) -> tuple[Feature, ...]:
        """What the controller will do, and for a token also what this command writes with it."""
        found = features.of_controller(
            group=self.settings.runner_group is not None,
            gates=any(self.config.policy.of(repo).require_environment for repo in self.repos),
            app=self.app,
        )
        return found if self.app else (*found, *self.chores)

    @property
    def chores(self) -> tuple[Feature, ...]:
        """What this command does itself, which takes a person's token."""
        wanted = {
            features.ORG_HOOKS: self.hooks_at_owner,
            features.HOOKS: bool(self.hook_url) and not self.app and not self.hooks_at_owner,
            features.SET_VARIABLES: bool(self.variables or self.environment or self.secrets) and bool(self.single),
            features.SET_SECRETS: self.secrets and bool(self.single),
            features.SET_ENVIRONMENT: bool(self.environment) and bool(self.single),
        }
        return tuple(feature for feature, is_wanted in wanted.items() if is_wanted)

    @property
    def hooks_at_owner(self) -> bool:
        """Whether the webhook is the organisation's: its repositories are served as a whole, or its group is used."""
        whole = any(repo.endswith("/*") for repo in self.repos) or bool(self.settings.runner_group)
        return bool(self.hook_url) and not self.app and whole and not self.personal

    def places(self) -> Sequence[str]:
        """Where something is written: each repository, and the organisation for its webhook."""
        return (*([self.owner] if self.hooks_at_owner else []), *(self.single if self.writes_into_repositories else ()))

    @property
    def writes_into_repositories(self) -> bool:
        """Whether a repository gets anything."""
        return bool(set(self.chores) - {features.ORG_HOOKS})

    def hook_at(self, place: str) -> str:
        """The address of the webhook that a place has; empty: it has none of ours."""
        here = places.is_account(place) is self.hooks_at_owner and not self.app
        return self.hook_url if here else ""

    def wish(self, place: str, hook_secret: Secret | None, secret: Secret | None, app_id: str = "") -> Wish:
        """What is to be at a place, given the webhook's secret, and the token or key to store."""
        from runnerkit.github.setup.words import Wish

        url = self.hook_at(place)
        if places.is_account(place):
            return Wish(hook_url=url, hook_secret=hook_secret, replace=self.replace)
        stored = {KEY_SECRET if self.app else TOKEN_SECRET: secret} if self.secrets and secret is not None else {}
        app = {APP_VARIABLE: app_id} if self.app and self.secrets and app_id else {}
        return Wish(
            hook_url=url,
            hook_secret=hook_secret,
            variables={**self.variables, **app},
            secrets=stored,
            environment=self.environment,
            reviewers=self.reviewers,
            replace=self.replace,
        )


def hook_of(url: str) -> str:
    """The address that webhooks are sent to, unchanged; empty: there is none.

    Raises:
        ConfigError: It cannot be one.
    """
    if url and not re.fullmatch(r"https?://[^\s/]\S*", url):
        raise ConfigError(f"{url!r} is no address of a webhook", hint="write it whole: https://HOST/hooks")
    return url


def owner_of(repos: Sequence[str], organization: str | None) -> str:
    """Who owns all of them.

    Raises:
        ConfigError: There are several owners, or no repository is one.
    """
    for repo in repos:
        places.served(repo)
    owners = {places.owner(repo).lower(): places.owner(repo) for repo in repos}
    if organization:
        owners.setdefault(organization.lower(), organization)
    if len(owners) > 1:
        raise ConfigError(
            f"an App is good for one owner, and these belong to {', '.join(sorted(owners.values()))}",
            hint="run the command once for each, with --repo and a --config of its own",
        )
    return next(iter(owners.values()))


def variables_of(given: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """Variables from ``NAME=VALUE`` and those that have an option of their own.

    Raises:
        ConfigError: One is not of that form.
    """
    found = {name: value for name, value in known.items() if value}
    for each in given:
        name, sign, value = each.partition("=")
        if not (sign and name.isidentifier() and name.isascii()) or name.upper().startswith("GITHUB_"):
            raise ConfigError(f"{each!r} is not a variable", hint="write --variable NAME=VALUE")
        found[name.upper()] = value
    return found
