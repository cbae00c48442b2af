"""What the token of a job may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Every permission with the levels it knows.
SCOPES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            "actions",
            "artifact-metadata",
            "attestations",
            "checks",
            "code-quality",
            "contents",
            "deployments",
            "discussions",
            "drives",
            "issues",
            "packages",
            "pages",
            "pull-requests",
            "repository-projects",
            "security-events",
            "statuses",
        ),
        ("none", "read", "write"),
    ),
    **dict.fromkeys(("copilot-requests", "id-token"), ("none", "write")),
    "models": ("none", "read"),
}


def normalised(value: Any) -> dict[str, str] | None:  # noqa: ANN401 - as the file has it
    """Write permissions out, a level for each scope; None where nothing is said and the repository's default holds."""
    if value is None:
        return None
    if isinstance(value, str):
        return {scope: _highest(scope, value.removesuffix("-all")) for scope in SCOPES}
    return {scope: str(value.get(scope, "none")) for scope in SCOPES}


def _highest(scope: str, level: str) -> str:
    if level in SCOPES[scope]:
        return level
    return "read" if level == "write" else "none"
