"""The composition root: the one place where adapters are chosen and wired. Heavy imports happen here, when needed."""

from __future__ import annotations

import atexit
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError
from runnerkit.system import SilentEvents, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runnerkit.baking.baker import Baker
    from runnerkit.baking.ports import Builders, Images
    from runnerkit.choosing import Chooser
    from runnerkit.config import Config
    from runnerkit.connecting import Sessions
    from runnerkit.consoles import Consoles
    from runnerkit.fleet import Fleet
    from runnerkit.github import Budget, GitHubForge
    from runnerkit.launching import Outside
    from runnerkit.overview import About
    from runnerkit.ports import Clock, Cloud, Events, Hooks, Journal
    from runnerkit.web.service import Service

# No launch takes so many settle windows: what it made and is older, it has left behind.
SETTLES_OF_A_LAUNCH = 10
# A launch waits for AWS and GitHub most of its time, and EC2 lets fifty be ordered at once.
ACTIONS_AT_ONCE = 32


def fleet(
    config: Config,
    *,
    repos: Sequence[str] = (),
    events: Events | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Fleet:
    """A fleet over the real AWS and GitHub (or whatever their endpoint variables point to).

    Args:
        config: See :func:`runnerkit.config.load`.
        repos: The repositories to serve; empty means those of the configuration.
        events: Who hears what happens; nobody by default.
        environment: Where the folders for cache and journal are named.

    Raises:
        ConfigError: No repository is known.
    """
    served = tuple(repos) or config.github.repositories
    return fleet_over(config, served, outside(config, repos=served, events=events, environment=environment))


def fleet_with_journal(
    config: Config, *, repos: Sequence[str], events: Events, environment: Mapping[str, str]
) -> tuple[Fleet, Journal]:
    """A fleet as :func:`fleet` makes it, and its journal, for who writes it down when a pass was cut short."""
    ports = outside(config, repos=repos, events=events, environment=environment)
    return fleet_over(config, repos, ports), ports.journal


def fleet_over(config: Config, served: Sequence[str], ports: Outside) -> Fleet:
    """A fleet over these ports, with what the configuration says about wishes and bounds."""
    from runnerkit import boot
    from runnerkit.fleet import Fleet
    from runnerkit.handing import Papers
    from runnerkit.understanding import Wishes

    papers = Papers(boot.shared_user_data, boot.own_document, config.aws.carrier)
    return Fleet(
        ports,
        papers=papers if config.aws.secrets == "ssm" else None,
        workers=ACTIONS_AT_ONCE,
        reports=getattr(ports.forge, "reports", None),
        policy=config.policy,
        repos=served,
        owner=config.aws.owner,
        wishes=Wishes(config.named(), config.fallback(), config.arrays),
        user_data=boot.user_data,
    )


def service(
    config: Config,
    *,
    repos: Sequence[str],
    webhooks: bool,
    events: Events | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Service:
    """The controller as a service, its address taken already; ``[serve]`` says where, and who may see what.

    Args:
        config: See :func:`runnerkit.config.load`.
        repos: The repositories to serve.
        webhooks: Whether to take webhooks in.
        events: Who hears what happens; nobody by default.
        environment: Where the folders for cache and journal are named.

    Raises:
        ConfigError: Webhooks are wanted and there is no secret, or the address cannot be had.
    """
    from runnerkit.overview import Board
    from runnerkit.system import SeveralEvents
    from runnerkit.web.front import Front

    clock = SystemClock()
    # GitHub's client has a clock of its own: a webhook that wakes the loop must not cut its pauses short.
    github = forge(config, SystemClock(), repos, environment)
    front = Front(config.serve, clock, webhooks=webhooks, calls_left=lambda: github.budget.remaining)
    heard = SeveralEvents(events or SilentEvents(), front.health, front.metrics)
    ports = outside(config, repos=repos, events=heard, environment=environment)
    board = Board(ports.journal, clock, config.policy, _about(config, repos, lambda: github.budget))
    ports = replace(ports, forge=github, clock=clock, events=SeveralEvents(heard, board))
    return front.service(
        fleet_over(config, repos, ports),
        events=ports.events,
        document=board.document,
        spent=board.spent,
        saw=board.saw,
        hooks=_hooks(config, clock, repos) if webhooks else None,
    )


def _hooks(config: Config, clock: Clock, repos: Sequence[str]) -> Hooks | None:
    """Where lost webhooks are asked for; None when nobody said which hook is ours."""
    from runnerkit.github import GitHubHooks

    url = config.serve.public_url
    return GitHubHooks(config.github, url=url, clock=clock, repos=repos) if url else None


def _about(config: Config, repos: Sequence[str], budget: Callable[[], Budget]) -> About:
    from runnerkit import __version__
    from runnerkit.overview import About, Allowance

    def allowance() -> Allowance:
        known = budget()
        return Allowance(known.remaining, known.limit, known.reset)

    return About(
        owner=config.aws.owner,
        served=tuple(repos),
        regions=config.aws.regions,
        interval=config.serve.interval,
        version=__version__,
        allowance=allowance,
    )


def chooser(config: Config, environment: Mapping[str, str] = os.environ) -> Chooser:
    """What a wish can get, over the real AWS; GitHub is not needed for that."""
    from runnerkit.choosing import Chooser

    clock = SystemClock()
    return Chooser(cloud(config, clock, environment), journal(config, environment), clock, config.policy)


def outside(
    config: Config, *, repos: Sequence[str], events: Events | None, environment: Mapping[str, str] = os.environ
) -> Outside:
    """The real adapters behind the ports, each connected on its first use."""
    from runnerkit.launching import Outside

    clock = SystemClock()
    return Outside(
        cloud=cloud(config, clock, environment),
        forge=forge(config, clock, repos, environment),
        clock=clock,
        events=events or SilentEvents(),
        journal=journal(config, environment, events=events),
    )


def journal(config: Config, environment: Mapping[str, str] = os.environ, *, events: Events | None = None) -> Journal:
    """The journal of this installation, where ``[journal]`` says; connects nowhere before its first use.

    ``events`` hears when it cannot be read or written, which is no error.
    """
    settings, told = config.journal, (events or SilentEvents()).emit
    kept = timedelta(days=settings.kept_days)
    if settings.bucket is not None:
        from runnerkit.journals.s3 import s3_journal

        objects = s3_journal(settings.bucket, config.aws, kept=kept, told=told)
        # Commands that make no pass, and passes that fail, note things as well.
        atexit.register(objects.flush)
        return objects
    from runnerkit.journals import FileJournal

    return FileJournal(journal_file(config, environment), kept=kept, told=told)


def journal_file(config: Config, environment: Mapping[str, str] = os.environ) -> Path:
    """Where the journal is when it is a file."""
    where, name = config.journal.where, f"journal-{config.aws.owner}.jsonl"
    return Path(where).expanduser() if where else _folder(environment, "STATE", ".local/state") / name


def cloud(config: Config, clock: Clock, environment: Mapping[str, str] = os.environ) -> Cloud:
    """EC2 behind the Cloud port; connects nowhere before its first use."""
    from runnerkit.ec2 import Ec2Cloud

    spared = timedelta(seconds=config.policy.settle) * SETTLES_OF_A_LAUNCH
    return Ec2Cloud(config.aws, clock=clock, cache_dir=_folder(environment, "CACHE", ".cache"), spared=spared)


def consoles(config: Config, environment: Mapping[str, str] = os.environ) -> Consoles:
    """The consoles of our machines; GitHub is not needed for them."""
    from runnerkit.consoles import Consoles

    clock = SystemClock()
    return Consoles(cloud(config, clock, environment), clock)


def sessions(config: Config) -> Sessions:
    """AWS's Session Manager; connects nowhere before its first use."""
    from runnerkit.ec2 import Ec2Sessions

    return Ec2Sessions(config.aws)


def forge(
    config: Config, clock: Clock, repos: Sequence[str], environment: Mapping[str, str] = os.environ
) -> GitHubForge:
    """GitHub behind the Forge port; connects nowhere before its first use."""
    from runnerkit.github import GitHubForge

    return GitHubForge(config.github, clock=clock, repos=repos, cache_dir=_folder(environment, "CACHE", ".cache"))


def baker(
    config: Config, *, repos: Sequence[str], events: Events | None, environment: Mapping[str, str] = os.environ
) -> Baker:
    """The baker of images over the real AWS; GitHub is asked for its newest runner when a recipe wants that."""
    from runnerkit import __version__
    from runnerkit.baking.baker import Baker
    from runnerkit.baking.ports import Bakery
    from runnerkit.keys import KeyFolder
    from runnerkit.ssh import connect, new_key

    clock = SystemClock()
    builders, images = builders_and_images(config, clock, environment)
    github = forge(config, clock, repos, environment)
    bakery = Bakery(
        builders=builders,
        images=images,
        connects=connect,
        keys=KeyFolder(_folder(environment, "STATE", ".local/state") / "builders", new_key),
        clock=clock,
        events=events or SilentEvents(),
        offered=lambda: github.downloads(needs_repositories(repos)[0]),
    )
    return Baker(bakery, settings=config.ami, owner=config.aws.owner, version=__version__, tags=dict(config.aws.tags))


def builders_and_images(
    config: Config, clock: Clock, environment: Mapping[str, str] = os.environ
) -> tuple[Builders, Images]:
    """EC2 behind the ports of the baker; connects nowhere before its first use."""
    from runnerkit.ec2 import Ec2Builders, Ec2Images

    folder = _folder(environment, "CACHE", ".cache")
    return Ec2Builders(config.aws, clock=clock, cache_dir=folder), Ec2Images(config.aws, clock=clock, cache_dir=folder)


def bake_log(recipe: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Where a bake writes what its steps print."""
    when = SystemClock().now().strftime("%Y%m%dT%H%M%SZ")
    return _folder(environment, "STATE", ".local/state") / "bakes" / f"{recipe}-{when}.log"


def needs_repositories(repos: Sequence[str]) -> Sequence[str]:
    """The repositories, when there are any.

    Raises:
        ConfigError: There is none.
    """
    if not repos:
        raise ConfigError(
            "no repository is known",
            hint="give --repo OWNER/NAME, or set repositories under [github] in runnerkit.toml",
        )
    return repos


def _folder(environment: Mapping[str, str], kind: str, fallback: str) -> Path:
    """Our folder of a kind (CACHE or STATE), by our own variable, the XDG one, or its default."""
    ours = environment.get(f"RUNNERKIT_{kind}_DIR")
    if ours:
        return Path(ours)
    base = environment.get(f"XDG_{kind}_HOME")
    home = environment.get("HOME")
    return (Path(base) if base else (Path(home) if home else Path(gettempdir())) / fallback) / "runnerkit"
