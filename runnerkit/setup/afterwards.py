"""What is left to a person after the set-up: what to put where."""

from __future__ import annotations

import json
from dataclasses import dataclass
from shlex import join
from typing import TYPE_CHECKING

from runnerkit import tags
from runnerkit.setup.policies import role_arn

if TYPE_CHECKING:
    from runnerkit.setup.words import Wanted, Where


@dataclass(frozen=True, slots=True)
class Following:
    """Something to do: where, and what."""

    where: str
    lines: tuple[str, ...]


def following(wanted: Wanted, where: Where) -> list[Following]:
    """What to do next, in order."""
    settings = _settings(wanted, where)
    lines = tuple(f"{name}={value}" for name, value in variables(wanted, where).items())
    told = [Following("variables of the repository, or of the organisation, at GitHub", lines)]
    told += [Following("runnerkit.toml", tuple(settings))] if settings else []
    if wanted.environments:
        names = ", ".join(wanted.environments)
        told += [Following("at GitHub", (f"the environment {names}: only its jobs may launch; name reviewers there",))]
    if wanted.budget:
        when = "in Billing, a day after the first machine; until then the budget counts nothing"
        line = f"activate the cost allocation tag {tags.OWNER} {when}"
        told += [Following("for the budget", (line,))]
    more = "and what `runnerkit init` said of it: --token --secrets, or --app; --variable RUNNERKIT=..."
    return [*told, Following("then", (_at_github(wanted, where), more, "runnerkit doctor"))]


def _at_github(wanted: Wanted, where: Where) -> str:
    """The command that does the part at GitHub, so that it can be copied."""
    options = {"AWS_ROLE": "--role", "AWS_REGION": "--region", "AWS_JOB_ROLE": "--job-role"}
    words = [word for name, value in variables(wanted, where).items() for word in (options[name], value)]
    words += [word for name in wanted.environments[:1] for word in ("--environment", name)]
    return join(["runnerkit", "setup", "github", *words])


def variables(wanted: Wanted, where: Where) -> dict[str, str]:
    """The variables that workflows read, and `setup github` can set."""
    found = {"AWS_ROLE": role_arn(wanted, where, "launch"), "AWS_REGION": where.home}
    return found | ({"AWS_JOB_ROLE": role_arn(wanted, where, "job")} if wanted.data else {})


def _settings(wanted: Wanted, where: Where) -> list[str]:
    """Keys of the configuration, as TOML."""
    machine, job = wanted.name("machine"), wanted.name("job")
    lines = ["[aws]", f"regions = {json.dumps(list(where.regions))}"]
    if wanted.burst:
        lines += ['secrets = "ssm"', f'instance_profile = "{machine}"']
        lines += [f'ssm_profiles = ["{job}"]'] if wanted.profile else []
    if wanted.journal:
        lines += ["", "[journal]", f'where = "s3://{wanted.journal}"']
    if wanted.profile:
        lines += ["", "[policy]", f'profiles = ["{job}"]']
    return lines
