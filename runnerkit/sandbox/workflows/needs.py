"""How the jobs before a job ended, as its ``needs`` context and its status functions tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runnerkit.sandbox.workflows.model import JobOutcome, Workflow

_WORST_FIRST = ("failure", "cancelled", "success", "skipped")


def result(workflow: Workflow, key: str, outcomes: Sequence[JobOutcome]) -> str:
    """Fold the legs of a job into one result; a failure that may be ignored is a success."""
    ignored = workflow.jobs[key].get("continue-on-error") is True
    found = {_one(each, ignored=ignored) for each in outcomes}
    return next((each for each in _WORST_FIRST if each in found), "skipped")


def _one(outcome: JobOutcome, *, ignored: bool) -> str:
    conclusion = outcome.conclusion if outcome.conclusion in _WORST_FIRST else "failure"
    return "success" if conclusion == "failure" and (ignored or outcome.continued) else conclusion


def outputs(outcomes: Sequence[JobOutcome]) -> dict[str, str]:
    """Join the outputs of a job's legs; a later leg's text wins over an earlier one's, but not by being empty."""
    joined: dict[str, str] = {}
    for each in outcomes:
        joined.update({name: value for name, value in each.outputs.items() if value or name not in joined})
    return joined


def context(workflow: Workflow, key: str, done: Mapping[str, Sequence[JobOutcome]]) -> dict[str, Any]:
    """Give the ``needs`` context of a job."""
    return {
        each: {"result": result(workflow, each, done[each]), "outputs": outputs(done[each])}
        for each in workflow.needs(key)
    }


def ancestors(workflow: Workflow, key: str) -> set[str]:
    """Give all jobs that a job waits for, directly or not."""
    found: set[str] = set()
    waiting = list(workflow.needs(key))
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting.extend(workflow.needs(each))
    return found


def status_functions(
    workflow: Workflow, key: str, done: Mapping[str, Sequence[JobOutcome]], *, cancelled: bool
) -> dict[str, Callable[..., bool]]:
    """Give the status functions of a job's ``if``; without arguments they look at all jobs before it, named or not."""
    before = {each: result(workflow, each, done[each]) for each in ancestors(workflow, key) if each in done}

    def of(names: tuple[Any, ...]) -> set[str]:
        return {before.get(str(each), "skipped") for each in names} if names else set(before.values())

    return {
        "always": lambda: True,
        "cancelled": lambda: cancelled,
        "failure": lambda *names: not cancelled and "failure" in of(names),
        "success": lambda *names: not cancelled and of(names) <= {"success"},
    }
