"""What is left to a person after the set-up: what to put where."""

from __future__ import annotations

import json
from dataclasses import dataclass
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
    told = [Following("variables of the repository, or of the organisation, at GitHub", _variables(wanted, where))]
    told += [Following("runnerkit.toml", tuple(settings))] if settings else []
    if wanted.environments:
        names = ", ".join(wanted.environments)
        told += [Following("at GitHub", (f"the environment {names}, with reviewers: only its jobs may launch",))]
    if wanted.budget:
        when = "in Billing, a day after the first machine; until then the budget counts nothing"
        line = f"activate the cost allocation tag {tags.OWNER} {when}"
        told += [Following("for the budget", (line,))]
    return [*told, Following("then", ("runnerkit setup github", "runnerkit doctor"))]


def _variables(wanted: Wanted, where: Where) -> tuple[str, ...]:
    lines = [f"AWS_ROLE={role_arn(wanted, where, 'launch')}", f"AWS_REGION={where.home}"]
    if wanted.data:
        lines.append(f"AWS_JOB_ROLE={role_arn(wanted, where, 'job')}")
    return tuple(lines)


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
