"""The composition root of what comes afterwards: why something is so, and how an interrupted run goes on."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit import app
from runnerkit.system import SilentEvents, SystemClock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.config import Config
    from runnerkit.ports import Events
    from runnerkit.rescue import Rescuer
    from runnerkit.resuming import Resumer
    from runnerkit.slots import LaunchRequest
    from runnerkit.why.gathering import Sources

# A controller that has looked after a repository within this time still does.
RESCUERS_SEEN = timedelta(days=2)


def why_sources(config: Config, environment: Mapping[str, str] = os.environ) -> Sources:
    """Where `why` looks: everything for reading only, each connected on its first use."""
    from runnerkit.launching import Outside
    from runnerkit.understanding import Understanding, Wishes
    from runnerkit.why.gathering import Hub, Sources
    from runnerkit.why.unwritten import Unwritten

    clock = SystemClock()
    aws, notes = app.cloud(config, clock, environment), Unwritten(app.journal(config, environment))

    def github(repos: Sequence[str]) -> Hub:
        ports = Outside(aws, app.forge(config, clock, repos, environment), clock, SilentEvents(), notes)
        understanding = Understanding(ports, config.policy, Wishes(config.named(), config.fallback(), config.arrays))
        return Hub(ports.forge, lambda repo: app.fleet_over(config, (repo,), ports).preview(), understanding.spec_of)

    return Sources(aws, notes, clock, config.policy, github, config.github.repositories, config.arrays)


def resumer(
    config: Config, repo: str, *, events: Events | None = None, environment: Mapping[str, str] = os.environ
) -> Resumer:
    """Lets an interrupted run of one repository go on, over the real AWS and GitHub."""
    from runnerkit.chronicle import Chronicle
    from runnerkit.resuming import Resumer
    from runnerkit.understanding import Understanding, Wishes

    ports = app.outside(config, repos=(repo,), events=events, environment=environment)
    understanding = Understanding(ports, config.policy, Wishes(config.named(), config.fallback(), config.arrays))
    noted = replace(ports, events=Chronicle(ports.events, ports.journal, ports.clock))
    launch = app.fleet_over(config, (repo,), ports).launch
    return Resumer(noted, config.policy.of(repo), understanding.spec_of, launch)


def rescuer(
    config: Config, request: LaunchRequest, markets: Sequence[str], environment: Mapping[str, str] = os.environ
) -> Rescuer:
    """Who repeats a run whose spot machines AWS takes back, as far as settings, checkout and journal tell.

    It asks nobody over the network but a journal on S3, and that only when the checkout tells nothing.
    """
    from runnerkit.rescue import CONTROLLERS_OWN, Rescuer, in_journal, in_workflows, is_at_risk

    said = config.github.recovery
    if not is_at_risk(request.spec, markets):
        return Rescuer.NOT_NEEDED
    if said != "detect":
        return Rescuer.NOBODY if said == "none" else Rescuer(said)
    here = Path(environment.get("GITHUB_WORKSPACE") or Path.cwd())
    workflows = sorted((here / ".github" / "workflows").glob("*.y*ml"))
    known = in_workflows(path.read_text(encoding="utf-8", errors="replace") for path in workflows)
    if known is not Rescuer.NOBODY:
        return known
    since = SystemClock().now() - RESCUERS_SEEN
    return in_journal(app.journal(config, environment).notes(since, CONTROLLERS_OWN), request.repo)
