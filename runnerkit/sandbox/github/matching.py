"""From a call's path to the described operation it means."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any
from urllib.parse import quote

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from runnerkit.sandbox.github.refusals import Reason, Refused, missing

Key = tuple[str, str]
# What begins like this is the API's even where nothing is served there.
API_ROOTS = frozenset({"app", "app-manifests", "installation", "orgs", "rate_limit", "repos", "user", "users"})
# Parameters that may hold slashes, and one that is a number or a name although it is called an id.
PATHS, NAMES = frozenset({"basehead", "branch", "environment_name", "path", "ref"}), frozenset({"workflow_id"})
# Spellings GitHub answers and does not describe; PyGithub lists statuses and the topmost folder by them.
LEGACY = {
    ("GET", "/repos/{owner}/{repo}/commits/{ref}/statuses"): ("/repos/{owner}/{repo}/statuses/{ref}",),
    ("GET", "/repos/{owner}/{repo}/contents/{path}"): ("/repos/{owner}/{repo}/contents/",),
}


class Paths:
    """Knows the paths of all operations."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._map = _map(tuple(keys))

    def match(self, method: str, path: str, query: Mapping[str, str]) -> tuple[Key, dict[str, Any]]:
        """Find the operation and what its path's parameters are.

        Raises:
            Refused: 404 when there is none, 400 for zero bytes.
        """
        if any("\0" in each for each in (path, *query.keys(), *query.values())):
            raise Refused(Reason.MALFORMED, "Bad Request")
        try:
            key, variables = self._map.bind("").match(path, method=method)
        except HTTPException as error:
            raise missing() from error
        return key, dict(variables)


def described_path(template: str, variables: Mapping[str, Any]) -> str:
    """Write a path that fits the description; a parameter that an undescribed spelling lacks is a dash."""
    return template.format_map(
        defaultdict(lambda: "-", {name: quote(str(value), safe="") for name, value in variables.items()})
    )


@cache
def _map(keys: tuple[Key, ...]) -> Map:
    """One for all worlds: every rule is compiled, which takes its time."""
    rules = [_rule(path, key) for key in keys for path in (key[1], *LEGACY.get(key, ()))]
    return Map(rules, strict_slashes=False)


def _rule(path: str, key: Key) -> Rule:
    parts = [_converter(part) for part in path.split("/")]
    return Rule("/".join(parts), methods=[key[0]], endpoint=key)


def _converter(part: str) -> str:
    if not part.startswith("{"):
        return part
    name = part.strip("{}")
    if name in PATHS:
        return f"<path:{name}>"
    if name in NAMES:
        return f"<{name}>"
    return f"<int:{name}>" if name.endswith(("_id", "_number")) else f"<{name}>"
