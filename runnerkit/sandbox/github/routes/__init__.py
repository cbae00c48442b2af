"""What is served; importing this package fills the table of routes."""

from runnerkit.sandbox.github.exchange import ROUTES
from runnerkit.sandbox.github.routes import (
    accounts,
    apps,
    artifacts,
    changes,
    contents,
    deployments,
    dispatches,
    environments,
    hooks,
    objects,
    pulls,
    releases,
    reports,
    runners,
    runs,
    variables,
)

__all__ = [
    "ROUTES",
    "accounts",
    "apps",
    "artifacts",
    "changes",
    "contents",
    "deployments",
    "dispatches",
    "environments",
    "hooks",
    "objects",
    "pulls",
    "releases",
    "reports",
    "runners",
    "runs",
    "variables",
]
