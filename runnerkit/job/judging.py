"""What a run came to: what is there compared with what was promised, and the error if there is one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runnerkit.errors import JobCancelled, NotPushed, OutputsMissing, PipelineFailed, SpotInterrupted
from runnerkit.job import checks

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.errors import RunnerkitError
    from runnerkit.job.attempt import Attempt
    from runnerkit.job.pipeline import Project
    from runnerkit.job.result import Result


def look(project: Project, result: Result, addresses: frozenset[str], before: set[str], *, well: bool) -> None:
    """Note outputs that do not exist, and tracked files that changed although no stage declares them.

    Args:
        project: Where.
        result: Gets what is found.
        addresses: The stages that DVC came to.
        before: Tracked files that were changed before.
        well: DVC reported success, so every output must be there.
    """
    outputs = project.outputs(addresses)
    declared = [path for paths in outputs.values() for path in paths]
    if well:
        missing = {str(path) for path in declared if not path.exists()}
        result.missing = sorted(os.path.relpath(path, project.here) for path in missing)
    result.changed = checks.undeclared(project, before, declared)


def judge(attempt: Attempt, result: Result, code: int, failure: Callable[[], RunnerkitError]) -> None:
    """Raise what the run came to, unless it was a success.

    Args:
        attempt: How it went.
        result: What is known of it.
        code: DVC's exit code.
        failure: Makes the error of a pipeline that failed.
    """
    if code != 0 and attempt.locked_out:
        raise PipelineFailed(
            f"another dvc command (process {attempt.locked_out}) worked in {attempt.here} all the time",
            hint="let it end, or end it; two runs need two checkouts",
        )
    if attempt.cancelled and not attempt.taken:
        raise JobCancelled("the job was cancelled; its pipeline was ended", hint="what was pushed stays pushed")
    if attempt.taken and (code != 0 or attempt.cancelled):
        raise SpotInterrupted(
            f"AWS takes this machine; what was finished is {'' if result.pushed else 'not '}pushed",
            hint="run the job again: it restores what is finished and goes on from there",
        )
    if code != 0:
        raise failure()
    if result.missing:
        raise OutputsMissing(
            f"DVC reports success, but these outputs do not exist: {', '.join(result.missing)}",
            hint="an output with `cache: false` cannot be restored: cache it, or commit it to git",
        )
    if attempt.pusher is not None and not result.pushed:
        said = attempt.pusher.said()
        raise NotPushed(
            f"the pipeline is done, but its results could not be pushed: {checks.last_error(said)}",
            hint=checks.hint_for(said) or "run the job again: it pushes what is missing",
        )
