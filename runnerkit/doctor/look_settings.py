"""Looking at what workflows read of a repository's settings: names of variables and secrets, never a secret's value.

A repository's own ones, those of its organisation that it may use, and those of environments. Sources: GitHub's OpenAPI
description of ``actions/list-repo-variables``, ``actions/list-repo-organization-variables``,
``actions/list-environment-variables``, and the same of secrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from runnerkit.doctor.facts_github import ENVIRONMENTS, SettingsSeen
from runnerkit.ec2.parallel import each
from runnerkit.errors import ForgeDenied, NotFound
from runnerkit.github.asks import Ask, Need
from runnerkit.github.views import record, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.doctor.facts_github import WorkflowSeen
    from runnerkit.github.client import Client

KINDS = {
    "vars": ("variables", Need("variables: read", "repo", (("actions_variables", "read"), ("metadata", "read")))),
    "secrets": ("secrets", Need("secrets: read", "repo", (("metadata", "read"), ("secrets", "read")))),
}
IN_ENVIRONMENTS = Need("environments: read", "repo", (("environments", "read"), ("metadata", "read")))


def settings(client: Client, flows: Sequence[WorkflowSeen]) -> tuple[SettingsSeen, ...]:
    """The names that are there, for each repository whose workflows read some."""
    repos = dict.fromkeys(flow.repo for flow in flows if flow.settings)
    return tuple(each(lambda repo: _of(client, repo, [flow for flow in flows if flow.repo == repo]), repos))


def _of(client: Client, repo: str, flows: Sequence[WorkflowSeen]) -> SettingsSeen:
    wanted = {names for flow in flows for names in flow.settings}
    gates = dict.fromkeys(gate for flow in flows for job in flow.jobs for gate in job.environments if "$" not in gate)
    found: set[str] = set()
    hidden = []
    for kind in (kind for kind in KINDS if any(name.startswith(kind) for names in wanted for name in names)):
        plural, need = KINDS[kind]
        try:
            for place in (f"actions/{plural}", f"actions/organization-{plural}"):
                found |= _names(client, repo, kind, place, need)
        except ForgeDenied:
            hidden.append(kind)
        # Those of environments take one more permission, so they are asked for only where something is missing.
        missing = [names for names in wanted if names[0].startswith(kind) and not found & {*names}]
        try:
            for gate in gates if missing else ():
                found |= _names(client, repo, kind, f"environments/{quote(gate, safe='')}/{plural}", IN_ENVIRONMENTS)
        except ForgeDenied:
            hidden.append(ENVIRONMENTS)
    return SettingsSeen(repo, frozenset(found), tuple(dict.fromkeys(hidden)))


def _names(client: Client, repo: str, kind: str, place: str, need: Need) -> set[str]:
    what = f"list the names of {place} of {repo}"
    ask = Ask(verb="GET", path=f"/repos/{repo}/{place}", what=what, repo=repo, need=need)
    try:
        rows = client.rows(ask, KINDS[kind][0], each=record)
    except NotFound:
        return set()
    return {f"{kind}.{text(row.get('name')).upper()}" for row in rows}
