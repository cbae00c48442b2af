"""The doctor's wiring: which look is made by which adapter, and everything that was seen as one value."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from runnerkit import app, specs
from runnerkit.config import Config, load
from runnerkit.doctor.examining import examine
from runnerkit.doctor.facts_aws import Wished
from runnerkit.doctor.gathering import Once, gather
from runnerkit.doctor.registry import looks
from runnerkit.doctor.seen import Observed
from runnerkit.errors import ConfigError, RunnerkitError
from runnerkit.system import SystemClock
from runnerkit.wishes import RunnerSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from runnerkit.config import Origins
    from runnerkit.doctor.checking import Check
    from runnerkit.doctor.examining import Examination
    from runnerkit.github.client import Client

WITHIN = 60.0
Looks = dict[str, "Callable[[], object]"]


@dataclass(frozen=True, slots=True)
class Written:
    """The configuration in force; where it cannot be read, what is left without the files, and the problem."""

    config: Config
    origins: Origins
    problem: str = ""
    hint: str = ""


def written(environment: Mapping[str, str], folder: Path, path: Path | None = None) -> Written:
    """The configuration as far as it can be understood; never an error."""
    try:
        return Written(*load(environment, folder, path))
    except ConfigError as error:
        problem, hint = error.message, error.hint
    # What the environment says alone, and if that is the trouble, nothing.
    without = {name: value for name, value in environment.items() if name != "RUNNERKIT_CONFIG"}
    for said in (without, {}):
        try:
            return Written(*load(said, folder / "\0none", None), problem, hint)
        except (ConfigError, ValueError):
            continue
    return Written(Config(), {}, problem, hint)


def wished(config: Config) -> tuple[Wished, ...]:
    """The default and each named spec, resolved as a job of no particular repository would get it."""
    found = [] if config.policy.specs_only else [("default", RunnerSpec())]
    found += [(name, RunnerSpec(spec=name)) for name in config.specs]
    return tuple(_wished(config, name, wish) for name, wish in found)


def _wished(config: Config, name: str, wish: RunnerSpec) -> Wished:
    try:
        return Wished(name, specs.resolve(wish, config.named(), config.fallback(), config.policy))
    except RunnerkitError as error:
        return Wished(name, None, error.message, error.hint)


def doctor(
    checks: Sequence[Check],
    said: Written,
    *,
    repos: Sequence[str] = (),
    folder: Path,
    environment: Mapping[str, str] = os.environ,
    within: float = WITHIN,
    heard: Callable[[str, int], None] = lambda _name, _left: None,
) -> Examination:
    """Look at what the checks need, and judge.

    Args:
        checks: See :func:`runnerkit.doctor.registry.chosen`.
        said: The configuration.
        repos: The repositories; empty: those of the configuration.
        folder: Where we are: a checkout, perhaps with a DVC project.
        environment: This process's variables.
        within: Seconds for all looks together.
        heard: Told each look that is over, and how many are not.
    """
    config, clock = said.config, SystemClock()
    served = tuple(repos) or config.github.repositories
    wishes = wished(config)
    makers = _all_looks(said, served, wishes, folder, environment)
    wanted = looks(checks)
    found = gather({name: make for name, make in makers.items() if name in wanted}, within=within, heard=heard)
    seen: dict[str, Any] = dict(found)
    return examine(checks, Observed(now=clock.now(), config=config, repos=served, wished=wishes, **seen))


def _all_looks(
    said: Written, served: Sequence[str], wishes: Sequence[Wished], folder: Path, environment: Mapping[str, str]
) -> Looks:
    return {
        **_aws_looks(said.config, wishes, environment),
        **_github_looks(said.config, served, environment, folder),
        **_looks_here(said, folder, environment),
    }


def _aws_looks(config: Config, wishes: Sequence[Wished], environment: Mapping[str, str]) -> Looks:
    from runnerkit.choosing import Chooser
    from runnerkit.doctor.look_aws import AwsLooks
    from runnerkit.doctor.look_network import NetworkLooks
    from runnerkit.doctor.look_rights import RightsLooks
    from runnerkit.ec2 import Ec2Cloud
    from runnerkit.ec2.cache import Cache
    from runnerkit.ec2.clients import Clients
    from runnerkit.ec2.network import Network

    clock, clients = SystemClock(), Clients(config.aws)
    # Nothing is taken from the cache on disk: what was true an hour ago is not asked for.
    cloud = Ec2Cloud(config.aws, clock=clock, cache_dir=None)
    chooser = Chooser(cloud, app.journal(config, environment), clock, config.policy)
    aws = AwsLooks(clients, cloud, chooser, wishes, clock)
    network = NetworkLooks(config.aws, clients, Network(config.aws, clients, Cache(None, clock)))
    rights = RightsLooks(config, clients, aws.identity, aws.images, network.subnets)
    return {
        "identity": aws.identity,
        "aws_skew": aws.skew,
        "regions": aws.regions,
        "subnets": network.subnets,
        "offers": aws.offers,
        "images": aws.images,
        "limits": aws.limits,
        "rights": rights.rights,
        "spot_role": aws.spot_role,
        "carriers": rights.carriers,
        "leftovers": aws.leftovers,
        "groups": network.groups,
    }


def _github_looks(config: Config, served: Sequence[str], environment: Mapping[str, str], folder: Path) -> Looks:
    from runnerkit.doctor import look_here
    from runnerkit.doctor.facts_github import Webhooks
    from runnerkit.doctor.look_github import GitHubLooks
    from runnerkit.doctor.look_settings import settings
    from runnerkit.doctor.look_webhooks import webhooks
    from runnerkit.github.client import Client

    clock = SystemClock()
    client: Once[Client] = Once(lambda: Client(config.github, clock=clock, repos=served))
    gated = bool(config.policy.require_environment)
    hub = Once(lambda: GitHubLooks(client(), config.github, served, environment, gated=gated))
    flows = Once(lambda: (*(found := hub().workflows()), *look_here.workflows(folder, hub().names(), found)))
    names = ("token", "rate", "powers", "repositories", "more", "runner_group", "environments")
    url = config.serve.public_url or ""
    return {
        **{name: partial(_call, hub, name) for name in names},
        "workflows": flows,
        "settings": lambda: settings(client(), flows()),
        "github_skew": partial(_call, hub, "skew"),
        "webhooks": lambda: webhooks(client(), config.github, url, served) if url else Webhooks("", ours=False),
        "releases": lambda: app.forge(config, clock, served, environment).releases(
            (*hub().names(), *app.needs_repositories(served))[0]
        ),
    }


def _call(hub: Once[Any], name: str) -> object:
    return getattr(hub(), name)()


def _looks_here(said: Written, folder: Path, environment: Mapping[str, str]) -> Looks:
    from runnerkit.doctor import look_here
    from runnerkit.ec2.clients import Clients

    clients = Clients(said.config.aws)
    return {
        "tools": look_here.tools,
        "configuration": lambda: look_here.configuration(said.origins, said.problem, said.hint, folder),
        "remote": lambda: look_here.remote(folder, clients),
        "journal": lambda: look_here.journal(said.config, app.journal_file(said.config, environment), clients),
    }
