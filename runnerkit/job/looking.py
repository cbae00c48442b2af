"""What can be told before anything runs: what would run, and what could not be restored elsewhere."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runnerkit.job.checkpoints.declared import normal, outputs_of
from runnerkit.job.checks import git
from runnerkit.job.listening import Lines
from runnerkit.job.pipeline import stage_bodies, wdir_of
from runnerkit.job.processes import Group
from runnerkit.job.progress import State

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from runnerkit.job.pipeline import Project
    from runnerkit.job.progress import Progress

PATIENCE = 60.0
_NOT_HERE = ("No such file or directory", "missing data", "does not exist")
_TEMPLATE = re.compile(r"\$\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether there is work: ``run`` names stages that would run, ``unknown`` those of which nobody can tell."""

    work: bool
    run: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def words(self) -> str:
        """The answer in a line."""
        if self.run:
            return f"would run: {', '.join(self.run)}"
        if self.unknown:
            return f"cannot be told without a run: {', '.join(self.unknown)} (outputs neither cached nor in git)"
        return "nothing to do: every stage is as it was computed"


def dry(
    argv: Sequence[str], here: Path, progress: Progress, environ: Mapping[str, str], say: Callable[[str], None]
) -> int:
    """Let DVC say what it would do, without data; returns its exit code."""
    with Group(argv, cwd=here, environ=environ) as group, Lines(group.output) as lines:
        while (told := lines.read(None)) is not None:
            for line in told:
                say(line)
                progress.line(line, time.time(), own=False)
        code = group.wait(PATIENCE)
    progress.over(time.time(), (), failed=code != 0, stopped=False)
    if not any(stage.state is State.RUN for stage in progress.stages()):
        for stage in progress.stages():
            # It comes to a stage's data only when something changed for it, and then finds that they are not here.
            if stage.state is State.FAILED and any(words in line for words in _NOT_HERE for line in stage.tail):
                stage.state = State.RUN
    return 1 if code is None else code


def answer(stages: Sequence[tuple[str, str]], uncached: Mapping[str, Sequence[str]]) -> Answer:
    """What DVC's words mean for whoever must decide.

    DVC calls a stage unchanged although its outputs are nowhere, when they are neither cached nor in git. So where it
    says that of such a stage, there is work.

    Args:
        stages: Names and states after a dry run; those it did not come to are no matter.
        uncached: Outputs that cannot be restored, by stage.
    """
    run = [name for name, state in stages if state == State.RUN]
    silent = [name for name, state in stages if state not in {State.RUN, State.NOT_REACHED}]
    unknown = [name for name in silent if name.partition("@")[0] in uncached]
    return Answer(bool(run or unknown), run, unknown)


def uncached(project: Project) -> dict[str, list[str]]:
    """Outputs that could be restored on no other machine: neither cached nor in git; names by stage.

    Only stages of the ``dvc.yaml`` here. Of what a template names, one file in git stands for all.
    """
    found: dict[str, list[str]] = {}
    for name, body in stage_bodies(project.here).items():
        base = normal(project.here, wdir_of(body))
        for out, settings in outputs_of(body):
            if settings.get("cache") is False and "://" not in out and not _in_git(project, base, out):
                found.setdefault(name, []).append(out)
    return found


def _in_git(project: Project, base: Path, out: str) -> bool:
    pattern = normal(base, _TEMPLATE.sub("*", out))
    return bool(git(project.root, "ls-files", "--", f":(glob){pattern}"))


def cannot_resume(lost: Mapping[str, Sequence[str]], kept: Collection[str]) -> list[str]:
    """Sentences about stages that begin anew on another machine, whatever they had done.

    Args:
        lost: Outputs that cannot be restored, by stage.
        kept: Stages with checkpoints.
    """
    return [
        f"stage {name!r} cannot be restored on another machine: {', '.join(outs)} is neither cached nor in git"
        for name, outs in lost.items()
        if name not in kept
    ]
