"""From a wish for a GPU, or named types, to what Batch may start and what the container asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runnerkit import labels
from runnerkit.batch.wish import usable
from runnerkit.ec2.hardware import candidates
from runnerkit.ec2.prices import price_table
from runnerkit.errors import ConfigError, NotOffered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.batch.wish import Container, Machines
    from runnerkit.model import InstanceType


def fitted(container: Container, machines: Machines, region: str) -> tuple[Container, tuple[str, ...]]:
    """The container with its sizes and GPUs, and the types that a compute environment of ours may start.

    Raises:
        ConfigError: The wish cannot be understood, or nothing that AWS's GPU image runs on fulfils it.
    """
    known = _named(machines.types)
    if not machines.gpu:
        gpus = min((type_.gpu.count if type_.gpu else 0 for type_ in known), default=0)
        return replace(container.sized(known), gpus=gpus), machines.types
    spec = labels.parse(f"{labels.WORD}/gpu={machines.gpu}/arch=x64").spec
    counts = {wish.count for wish in spec.gpu}
    if len(counts) != 1:
        raise ConfigError(f"--gpu {machines.gpu}: a job on Batch asks for one number of GPUs, and for at least one")
    names = set(candidates(spec, region))
    found = known or usable(type_ for type_ in price_table().types.values() if type_.name in names)
    if not found and not machines.types:
        raise NotOffered(
            f"--gpu {machines.gpu}: AWS's image for GPUs on Batch runs on no type that has it",
            hint="choose another GPU, or a compute environment of your own with --compute-environment",
        )
    return replace(container.sized(found), gpus=counts.pop()), machines.types or tuple(each.name for each in found)


def _named(words: Sequence[str]) -> list[InstanceType]:
    return [type_ for type_ in price_table().types.values() if type_.name in words or type_.family in words]
