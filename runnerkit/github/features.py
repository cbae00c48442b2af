"""What runnerkit does at GitHub, and the permissions that each of it takes: the one table of them.

The permissions are those that an App's token for the same work asks for (:mod:`runnerkit.github.asks`), so what is
written here is what is used. Sources: GitHub's "Permissions required for GitHub Apps", and for the names of classic
scopes "Scopes for OAuth apps".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerkit.github.asks import (
    ANNOTATIONS,
    AT_ORGANIZATION,
    AT_REPOSITORY,
    CHECKS,
    ENVIRONMENTS,
    FILES,
    GATES,
    ORGANIZATION_HOOKS,
    REPOSITORY_HOOKS,
    SECRETS,
    STATUSES,
    VARIABLES,
    Need,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ALWAYS = "metadata"  # GitHub adds it to whatever else is given
_RANKS = {"read": 1, "write": 2}
# What GitHub's pages call a permission whose name in the API is another word.
_TITLES = {"actions_variables": "variables", "repository_hooks": "webhooks", "organization_hooks": "webhooks"}


@dataclass(frozen=True, slots=True)
class Feature:
    """A kind of work.

    Attributes:
        name: One word, as ``--feature`` takes it.
        why: What it is for, for people.
        need: What its requests take; an App's token for it asks for the same.
        app: Whether it takes a permission of an App's (a token may never have it).
        person: Whether it takes one of a person's token only, because an App does without.
    """

    name: str
    why: str
    need: Need
    app: bool = True
    person: bool = True

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """Names as the API spells them, with read or write; without the one that everybody gets."""
        return tuple((name, level) for name, level in self.need.token if name != ALWAYS)


RUNNERS = Feature(
    "runners", "register runners at repositories, read queued jobs, run jobs again", AT_REPOSITORY.runners
)
GROUP = Feature(
    "group", "register runners in an organisation's group, read queued jobs, run jobs again", AT_ORGANIZATION.runners
)
INTERRUPTIONS = Feature("interruptions", "know an interruption by what the machine wrote into its job", ANNOTATIONS)
FILE = Feature("settings", "settings that a repository carries itself", FILES)
GATED = Feature("gates", "`require_environment`: which environment let a job through", GATES)
TOLD = Feature("refusals", "tell an author why a job is refused, as a check", CHECKS, person=False)
TOLD_AS_STATUS = Feature("refusals", "tell an author why a job is refused, as a commit status", STATUSES, app=False)
HOOKS = Feature("webhook", "make a repository's webhook, and ask for lost ones again", REPOSITORY_HOOKS, app=False)
ORG_HOOKS = Feature(
    "organisation's webhook",
    "make an organisation's webhook, and ask for lost ones again",
    ORGANIZATION_HOOKS,
    app=False,
)
SET_VARIABLES = Feature("variables", "`setup github`: write the repository's variables", VARIABLES, app=False)
SET_SECRETS = Feature("secrets", "`setup github --secrets`: write the repository's secrets", SECRETS, app=False)
SET_ENVIRONMENT = Feature("environment", "`setup github --environment`: make the environment", ENVIRONMENTS, app=False)

FEATURES = (
    RUNNERS, GROUP, INTERRUPTIONS, FILE, GATED, TOLD, TOLD_AS_STATUS, HOOKS, ORG_HOOKS,
    SET_VARIABLES, SET_SECRETS, SET_ENVIRONMENT,
)  # fmt: skip


def of_controller(*, group: bool, gates: bool, app: bool) -> tuple[Feature, ...]:
    """What the controller does: with an organisation's runner group, with ``require_environment``, as an App or not."""
    told = TOLD if app else TOLD_AS_STATUS
    return (GROUP if group else RUNNERS, INTERRUPTIONS, FILE, *([GATED] if gates else []), told)


def permissions(features: Iterable[Feature]) -> dict[str, str]:
    """Everything that these take, each permission once at its highest level, sorted; ``metadata: read`` included.

    >>> permissions([INTERRUPTIONS])
    {'checks': 'read', 'metadata': 'read'}
    """
    found: dict[str, str] = {}
    for name, level in (each for feature in features for each in feature.need.token):
        found[name] = max(level, found.get(name, level), key=lambda each: _RANKS[each])
    return dict(sorted(found.items()))


def lacking(wanted: Mapping[str, str], held: Mapping[str, str]) -> dict[str, str]:
    """What is wanted and not held, or held at a lower level."""
    return {name: level for name, level in wanted.items() if _RANKS[level] > _rank(held.get(name, ""))}


def _rank(level: str) -> int:
    return 3 if level == "admin" else _RANKS.get(level, 0)


def scopes(features: Iterable[Feature]) -> tuple[str, ...]:
    """The scopes that a classic token takes for the same."""
    return tuple(sorted({feature.need.scope for feature in features if feature.need.scope}))


def words(wanted: Iterable[tuple[str, str]]) -> str:
    """Permissions as GitHub's pages write them: ``administration: write, variables: write``."""
    return ", ".join(f"{_TITLES.get(name, name)}: {level}" for name, level in wanted)


def rows() -> Sequence[tuple[str, str, str]]:
    """The table for the documentation: what for, which permission, who needs it."""
    return [(each.why, words(each.permissions), _who(each)) for each in FEATURES]


def _who(feature: Feature) -> str:
    if feature.app and feature.person:
        return "App or token"
    return "App" if feature.app else "token"
