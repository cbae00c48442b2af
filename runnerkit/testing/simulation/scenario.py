"""What a simulation plays: load, market, machines, lies and happenings, as a person writes them in a TOML file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from runnerkit.errors import ConfigError
from runnerkit.wishes import DAY, HOUR, Policy, Written

SCENARIOS = Path(__file__).parent / "scenarios"
UNITS = {"s": 1, "m": 60, "h": HOUR, "d": DAY}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
# Nobody needs more, and whoever writes it by mistake waits for ever.
MOST_DAYS = 60


def seconds(value: object) -> object:
    """Seconds from a number or from a text such as ``90m``; what is neither is left to the model to refuse."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    return float(match[1]) * UNITS[match[2]] if match else value


Seconds = Annotated[float, BeforeValidator(seconds), Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Duration(Written):
    """How long jobs take: log-normal around a median, never longer than ``most``."""

    median: Seconds = 600.0
    spread: float = Field(default=0.5, ge=0, le=3)
    most: Seconds = 4 * HOUR


class Load(Written):
    """Jobs of one kind.

    ``{run}`` in a label is the run's id; ``jobs_per_hour`` is a number, or one for each hour of the day (UTC).
    ``matrix`` is the share of runs that have ``matrix_size`` jobs with the same labels; ``cancelled`` and ``fails`` are
    shares of jobs, ``hangs`` that of jobs which go on until GitHub's time limit for them.
    """

    repo: str = "acme/widgets"
    labels: tuple[str, ...] = ("runnerkit={run}/gpu=t4",)
    jobs_per_hour: float | tuple[float, ...] = 20.0
    duration: Duration = Duration()
    matrix: Share = 0.0
    matrix_size: int = Field(default=8, ge=1, le=256)
    cancelled: Share = 0.0
    fails: Share = 0.0
    hangs: Share = 0.0
    event: str = "push"

    def rate(self, hour: int) -> float:
        """Jobs an hour at this hour of the simulation."""
        given = self.jobs_per_hour
        return given if isinstance(given, float | int) else given[hour % len(given)] if given else 0.0


class Market(Written):
    """What is on offer: every small type in each zone of each region, spot at a share of the on-demand price."""

    regions: tuple[str, ...] = ("eu-west-1",)
    zones: tuple[str, ...] = ("a", "b")
    types: tuple[str, ...] = ("*",)
    spot_share: float = Field(default=0.4, gt=0, le=1)


class Machines(Written):
    """How machines behave. ``interruptions`` are those of one spot machine in an hour.

    ``stage`` is how much work is safe at a time: a repeated job goes on from there (0: nothing is ever lost);
    without ``resume`` it begins anew.
    """

    boot: Seconds = 40.0
    boot_spread: float = Field(default=0.2, ge=0, le=3)
    never_boots: Share = 0.0
    never_ends: Share = 0.0
    falls_silent: Share = 0.0
    interruptions: float = Field(default=0.0, ge=0)
    silent_interruptions: Share = 0.0
    stage: Seconds = 300.0
    resume: bool = True


class Faults(Written):
    """What GitHub and EC2 do wrong all the time.

    Lists are late by at most ``lag`` and leave out entries (``missing``), answers are ``lost`` after the call had its
    effect, calls are ``failing`` without one, webhooks are lost (``hints_lost``) or come after about ``hint_delay``.
    """

    lag: Seconds = 0.0
    missing: Share = 0.0
    lost: Share = 0.0
    failing: Share = 0.0
    hints_lost: Share = 0.0
    hint_delay: Seconds = 2.0


class Controllers(Written):
    """Who runs passes: how many, how often (``interval``), whether they share a journal, and how they die.

    ``crashes`` are those of one controller in a day, each before or after some effect; it is back after ``restart``.
    ``latency`` is how long a call that changes something takes. With ``bursts`` equal machines are started together.
    """

    count: int = Field(default=1, ge=1, le=4)
    interval: Seconds = 60.0
    shared_journal: bool = False
    journal_lost: bool = False
    crashes: float = Field(default=0.0, ge=0, le=1000)
    restart: Seconds = 30.0
    latency: Seconds = 0.3
    bursts: bool = False


class Happening(Written):
    """Something at a moment, or for a while.

    ``drought``: nothing to be had of ``types`` in ``zones`` (patterns) of ``market``, with EC2's ``code``;
    ``outage``: every call to ``of`` fails; ``rate-limit``: GitHub refuses until the end and says when that is;
    ``interrupt``: ``share`` of the spot machines is taken back; ``crash``: controllers die; ``burst``: ``jobs``.
    With ``every`` it happens again and again.
    """

    what: Literal["drought", "outage", "rate-limit", "interrupt", "crash", "burst"]
    at: Seconds
    lasts: Seconds = 0.0
    of: Literal["github", "ec2", "both"] = "github"
    market: Literal["spot", "on-demand", "both"] = "both"
    types: tuple[str, ...] = ("*",)
    zones: tuple[str, ...] = ("*",)
    code: str = "InsufficientInstanceCapacity"
    share: Share = 1.0
    jobs: int = Field(default=50, ge=1, le=10_000)
    every: Seconds = 0.0


class Scenario(Written):
    """A whole course of events. ``drain`` is how long the world has after the load ends until nothing may be left.

    ``patience`` is how long a job may wait while nothing excuses it (None: reckoned from the policy).
    """

    name: str = "own"
    about: str = ""
    days: float = Field(default=1.0, gt=0, le=MOST_DAYS)
    seed: int = 1
    drain: Seconds = float(12 * HOUR)
    patience: Seconds | None = None
    policy: Policy = Policy(max_machines=200)
    load: tuple[Load, ...] = (Load(),)
    market: Market = Market()
    machines: Machines = Machines()
    faults: Faults = Faults()
    controllers: Controllers = Controllers()
    happenings: tuple[Happening, ...] = ()

    @property
    def repos(self) -> tuple[str, ...]:
        """The repositories that the load comes from."""
        return tuple(dict.fromkeys(load.repo for load in self.load))

    def longest_wait(self) -> float:
        """How long a queued job may wait while there is capacity and nothing is broken: every try, and every pause."""
        policy = self.policy
        tries = policy.max_tries * (policy.online_within + policy.settle + policy.confirm + self.controllers.interval)
        pauses = 2 * policy.breaker_pause + 2 * max(policy.backoff_limit, policy.refusal_memory)
        return self.patience if self.patience is not None else tries + pauses + policy.lost_within


def built_in() -> dict[str, Path]:
    """The scenarios that come along, by name."""
    return {path.stem: path for path in sorted(SCENARIOS.glob("*.toml"))}


def named(name: str) -> Scenario:
    """A scenario that comes along.

    Raises:
        ConfigError: There is none of this name.
    """
    known = built_in()
    if name not in known:
        raise ConfigError(f"there is no scenario {name!r}", hint=f"there are: {', '.join(known)}")
    return read(known[name])


def read(path: Path) -> Scenario:
    """A scenario from a file.

    Raises:
        ConfigError: It cannot be read; the message names file, key and reason.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return Scenario.model_validate({"name": path.stem, **values})
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"the scenario {path} cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"the scenario {path} cannot be used: {where}: {first['msg']}") from error
