"""Stages that run although nothing changed for them.

``dvc repro --force`` forces all that it comes to, and ``--single-item --force`` runs one stage on whatever is there. So
what lies before such a stage is restored or run first, then the stage alone is forced, and what lies behind it follows
as usual, since its inputs have changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError
from runnerkit.job.pipeline import PROJECT, stage_bodies

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runnerkit.job.pipeline import Project
    from runnerkit.job.progress import Progress
    from runnerkit.job.recorder import Recorder


def check(project: Project, force: Sequence[str], unfreeze: Sequence[str]) -> None:
    """Make sure that what shall be forced can be.

    Raises:
        ConfigError: There is no such stage, or it is frozen.
    """
    for address in force:
        file, _, name = address.rpartition(":")
        folder = (project.here / (file or PROJECT)).parent
        body = stage_bodies(folder).get(name.partition("@")[0])
        if body is None:
            raise ConfigError(f"--force: {folder / PROJECT} has no stage {address!r}", hint="see `dvc stage list`")
        inner = body.get("do")
        if (body.get("frozen") or (isinstance(inner, dict) and inner.get("frozen"))) and address not in unfreeze:
            raise ConfigError(f"--force: stage {address!r} is frozen", hint=f"add --unfreeze {address}")


def commands(repro: Sequence[str], force: Sequence[str], progress: Progress, recorder: Recorder) -> Iterator[list[str]]:
    """The commands that force these stages, each to be run after the one before it.

    Args:
        repro: The command without its options.
        force: Stages, in any order.
        progress: Knows the order of stages once DVC came to them.
        recorder: Knows which stages have been run already, and need not be forced.
    """
    if not force:
        return
    yield [*repro, "--pull", *force]
    order = [stage.name for stage in progress.stages()]
    places = {address: min((i for i, name in enumerate(order) if _is(name, address)), default=0) for address in force}
    for number, address in enumerate(sorted(places, key=lambda each: places[each])):
        if number:
            yield [*repro, "--pull", address]
        if not any(_is(command.stage, address) for command in recorder.commands()):
            yield [*repro, "--single-item", "--force", address]


def _is(name: str, address: str) -> bool:
    return address in {name, name.partition("@")[0]}
