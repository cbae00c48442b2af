"""What a token may do, as far as GitHub lets anybody find out without changing anything.

GitHub tells no fine-grained token's permissions; so each kind of work is tried by a request of the same permission.
Registering is proved: a registration token is asked for, which nobody uses and which is worthless after an hour. Of the
others only reading is: that a token may write shows when it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from runnerkit.errors import ForgeDenied, ForgeRejected, NotFound
from runnerkit.github import features as f
from runnerkit.github import places
from runnerkit.github.asks import Ask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runnerkit.github.client import Client
    from runnerkit.github.features import Feature

_KINDS = (
    ("github_pat_", "fine-grained"),
    ("ghp_", "classic"),
    ("gho_", "OAuth"),
    ("ghu_", "user token of an App"),
    ("ghs_", "App's or workflow's"),
)
# What is asked to find out, below the repository; of an organisation's group below the organisation.
_TRIALS: dict[Feature, tuple[tuple[str, str], ...]] = {
    f.RUNNERS: (("POST", "/actions/runners/registration-token"), ("GET", "/actions/runs?per_page=1")),
    f.GROUP: (("POST", "/actions/runners/registration-token"),),
    f.INTERRUPTIONS: (("GET", "/commits/HEAD/check-runs?per_page=1"),),
    f.FILE: (("GET", "/commits?per_page=1"),),
    f.GATED: (("GET", "/deployments?per_page=1"),),
    f.TOLD_AS_STATUS: (("GET", "/commits/HEAD/statuses?per_page=1"),),
    f.HOOKS: (("GET", "/hooks?per_page=1"),),
    f.ORG_HOOKS: (("GET", "/hooks?per_page=1"),),
    f.SET_VARIABLES: (("GET", "/actions/variables?per_page=1"),),
    f.SET_SECRETS: (("GET", "/actions/secrets?per_page=1"),),
    f.SET_ENVIRONMENT: (("GET", "/environments?per_page=1"),),
}
_OF_OWNER = (f.GROUP, f.ORG_HOOKS)
_PROVED = (f.RUNNERS, f.GROUP)
# A repository without commits has none to show, which says nothing about the token.
_OF_COMMITS = (f.INTERRUPTIONS, f.FILE, f.TOLD_AS_STATUS)


class Outcome(StrEnum):
    """What a trial showed."""

    PROVED = "proved"
    READABLE = "readable"  # writing is not tried
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Trial:
    """One kind of work at one place."""

    feature: Feature
    place: str
    outcome: Outcome
    why: str = ""


def kind(token: str) -> str:
    """The kind of a token by its first letters, which GitHub gives it for this purpose."""
    return next((name for start, name in _KINDS if token.startswith(start)), "unknown")


def try_out(client: Client, features: Iterable[Feature], repos: Sequence[str]) -> Sequence[Trial]:
    """Try each kind of work at each repository, or once at its owner where it is done there.

    Raises:
        ForgeError: GitHub could not be asked, or does not know the token at all.
    """
    chosen = list(features)
    found = []
    for feature in chosen:
        where = dict.fromkeys(places.owner(repo) if feature in _OF_OWNER else repo for repo in repos)
        found += [_tried(client, feature, place) for place in where if not place.endswith("/*")]
    return found


def _tried(client: Client, feature: Feature, place: str) -> Trial:
    base = f"/orgs/{place}" if places.is_account(place) else f"/repos/{place}"
    try:
        for verb, path in _TRIALS[feature]:
            place_, _, query = path.partition("?")
            params = dict([query.split("=")]) if query else {}
            what = f"try the token at {place} ({feature.name})"
            client.ask(Ask(verb=verb, path=base + place_, what=what, repo=place, need=feature.need, params=params))
    except (ForgeDenied, NotFound, ForgeRejected) as error:
        denied = isinstance(error, ForgeDenied) or feature not in _OF_COMMITS
        return Trial(feature, place, Outcome.DENIED if denied else Outcome.READABLE, error.message)
    only_reads = all(level == "read" for _, level in feature.permissions)
    proved = feature in _PROVED or only_reads
    return Trial(feature, place, Outcome.PROVED if proved else Outcome.READABLE)
