"""The Lambda function: a batch of the queue in, one pass, and which messages must come again out.

Configuration is that of every command: ``runnerkit.toml`` beside the package (if there is one), ``RUNNERKIT_*``
variables, and SSM parameters under the path in ``RUNNERKIT_PARAMETERS``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runnerkit.aws.controller import Controller

if TYPE_CHECKING:
    from collections.abc import Mapping

_made: list[Controller] = []


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's own class
    """Handle one batch. ``context`` tells how long this process may still work.

    Raises:
        ConfigError: The settings cannot be used; Lambda counts that as an error, and the alarm rings.
    """
    if not _made:
        # Clients, ids and what was read of the journal serve the next batch, too.
        _made.append(controller(os.environ))
    return _made[0].handle(event, lambda: context.get_remaining_time_in_millis() / 1000)


def controller(environment: Mapping[str, str]) -> Controller:
    """A controller over the real AWS and GitHub.

    Raises:
        ConfigError: The settings cannot be used, or there is no repository or no webhook secret.
        CloudDenied, CloudUnavailable: The parameters could not be read.
    """
    from runnerkit import app
    from runnerkit.aws.parameters import with_parameters
    from runnerkit.config import load
    from runnerkit.errors import ConfigError
    from runnerkit.system import LogEvents, SystemClock

    settings = with_parameters(environment)
    config, _ = load(settings, Path(environment.get("LAMBDA_TASK_ROOT", ".")))
    secrets = [secret.get_secret_value() for secret in config.serve.webhook_secrets]
    if not secrets:
        raise ConfigError(
            "no webhook secret is set, so no webhook could be believed",
            hint="put it into the SSM parameter serve/webhook_secrets below the path in RUNNERKIT_PARAMETERS",
        )
    events = LogEvents(sys.stdout, as_json=True)
    repos = app.needs_repositories(config.github.repositories)
    fleet, journal = app.fleet_with_journal(config, repos=repos, events=events, environment=settings)
    return Controller(fleet, journal, secrets=secrets, clock=SystemClock(), events=events)
