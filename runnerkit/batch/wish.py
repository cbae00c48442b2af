"""What is wished for: a command, its container, and the machines it may run on. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runnerkit.model import InstanceType

# https://docs.aws.amazon.com/batch/latest/userguide/job_definition_parameters.html
SHORTEST_TIMEOUT = 60
MOST_RETRIES = 9
RESERVED = "AWS_BATCH"
MIB = 1024
DEFAULT_VCPUS, DEFAULT_MEMORY = 2, 4096
# What the agent and the system of a machine keep for themselves.
# https://docs.aws.amazon.com/batch/latest/userguide/memory-management.html
USABLE = 0.85
# The GPU image is not made for Graviton, and not for the drivers of these.
# https://docs.aws.amazon.com/batch/latest/APIReference/API_Ec2Configuration.html
NO_IMAGE = frozenset({"p2", "p3", "p3dn", "g3", "g3s"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")


@dataclass(frozen=True, slots=True)
class Container:
    """What is run: ``vcpus`` and ``memory`` (MiB) of 0 mean that nothing was said."""

    image: str
    vcpus: int = 0
    memory: int = 0
    gpus: int = 0
    secrets: tuple[tuple[str, str], ...] = ()
    job_role: str = ""
    execution_role: str = ""
    registry_secret: str = ""
    timeout: int = 86_400
    retries: int = 2

    def sized(self, types: Sequence[InstanceType]) -> Container:
        """With sizes for what was not said: what fits on the smallest of these machines, or something small."""
        fitting = sorted(types, key=lambda type_: (type_.cpu, type_.ram))
        vcpus = self.vcpus or (fitting[0].cpu if fitting else DEFAULT_VCPUS)
        room = next((type_ for type_ in fitting if type_.cpu >= vcpus), None)
        memory = self.memory or (int(room.ram * MIB * USABLE) if room else DEFAULT_MEMORY)
        return replace(self, vcpus=vcpus, memory=memory)


@dataclass(frozen=True, slots=True)
class Machines:
    """What it may run on: the wish for a GPU as written, or types, and the market."""

    gpu: str = ""
    types: tuple[str, ...] = ()
    spot: bool = True
    max_vcpus: int = 256
    profile: str = ""
    queue: str = ""
    compute: str = ""


def check(container: Container, machines: Machines, environment: Mapping[str, str]) -> None:
    """Refuse what AWS would refuse later, and what cannot be meant.

    Raises:
        ConfigError: The message names the option.
    """
    if container.timeout < SHORTEST_TIMEOUT:
        raise ConfigError("--timeout: Batch takes no less than a minute", hint="write it as 90s, 30m, 12h or 1d")
    if not 0 <= container.retries <= MOST_RETRIES:
        raise ConfigError(f"--retries {container.retries}: Batch repeats a job at most {MOST_RETRIES} times")
    if container.vcpus > machines.max_vcpus and not machines.queue:
        raise ConfigError(
            f"--vcpus {container.vcpus} is more than --max-vcpus {machines.max_vcpus}, so the job would wait for ever"
        )
    if (container.secrets or container.registry_secret) and not container.execution_role:
        raise ConfigError(
            "--secret-env and --registry-secret need --execution-role",
            hint="the ARN of a role with AmazonECSTaskExecutionRolePolicy that may read these secrets",
        )
    for option, role in (("--job-role", container.job_role), ("--execution-role", container.execution_role)):
        if role and not _ROLE.fullmatch(role):
            raise ConfigError(f"{option} {role!r} is not the ARN of a role", hint="arn:aws:iam::ACCOUNT:role/NAME")
    if machines.queue and machines.compute:
        raise ConfigError("--queue has its own compute environments", hint="leave --compute-environment out")
    names = [*environment, *(name for name, _ in container.secrets)]
    if wrong := next((name for name in names if not _NAME.fullmatch(name) or name.startswith(RESERVED)), None):
        raise ConfigError(f"{wrong!r} cannot be the name of a variable in a job", hint=f"{RESERVED}... is AWS's own")
    if twice := sorted(set(environment) & {name for name, _ in container.secrets}):
        raise ConfigError(f"{twice[0]} is given by --env and by --secret-env")


def variables(given: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """``NAME=VALUE`` as it is; ``NAME`` alone with its value here.

    Raises:
        ConfigError: A name alone that has no value here.
    """
    found = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator and name not in environ:
            raise ConfigError(f"--env {name}: there is no variable {name} here", hint="write --env NAME=VALUE")
        found[name] = value if separator else environ[name]
    return found


def secrets(given: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """``NAME=FROM``, or ``NAME`` for the parameter of that name."""
    parts = (text.partition("=") for text in given)
    return tuple(sorted((name, source or name) for name, _, source in parts))


def usable(types: Iterable[InstanceType]) -> list[InstanceType]:
    """The types that AWS's GPU image runs on."""
    return [type_ for type_ in types if type_.arch == "x64" and type_.family not in NO_IMAGE]
