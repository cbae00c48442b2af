"""What is served; importing this package fills the table of routes."""

from runnerkit.sandbox.github.exchange import ROUTES
from runnerkit.sandbox.github.routes import accounts, apps, changes, reports, runners, runs

__all__ = ["ROUTES", "accounts", "apps", "changes", "reports", "runners", "runs"]
