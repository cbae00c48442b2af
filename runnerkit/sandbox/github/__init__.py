"""A local GitHub: stateful, unpleasant where the real one is, and held to GitHub's OpenAPI description.

`GitHubWorld` is all a test or an example needs. Below it, each part knows only those before it: `records` (what is
remembered), `state` and the rules (`people`, `registrations`, `jobs`, `reporting`, `aging`), `views` (records as
GitHub's JSON), `events` (what happened, as webhooks tell it), `git` (the repositories), `hooks` (deliveries), `routes`
(the operations), `service` (what happens to a call), `machines` (the listeners' side).

The description is cut from the npm package ``@octokit/openapi`` (MIT licence) by ``scripts/cut_openapi.py``.
"""

from runnerkit.sandbox.github.clock import Clock, WorldClock
from runnerkit.sandbox.github.faults import Hold
from runnerkit.sandbox.github.refusals import Reason, Refused
from runnerkit.sandbox.github.service import Call
from runnerkit.sandbox.github.world import GitHubWorld

__all__ = ["Call", "Clock", "GitHubWorld", "Hold", "Reason", "Refused", "WorldClock"]
