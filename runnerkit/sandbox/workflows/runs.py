"""What holds for a run as a whole: its title, its concurrency group, the inputs it was dispatched with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.workflows.errors import ExpressionError, WorkflowInvalid, nearest
from runnerkit.sandbox.workflows.evaluator import Scope
from runnerkit.sandbox.workflows.planning import concurrency_of
from runnerkit.sandbox.workflows.templates import evaluate
from runnerkit.sandbox.workflows.values import number as to_number
from runnerkit.sandbox.workflows.values import text, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runnerkit.sandbox.workflows.model import Concurrency, RunContext, Workflow
    from runnerkit.sandbox.workflows.values import Value


def run_title(workflow: Workflow, context: RunContext) -> str:
    """Give the title of a run: ``run-name``, or the workflow's name where that is missing or comes out empty.

    Raises:
        WorkflowInvalid: it cannot be evaluated.
    """
    return text(_evaluated(workflow, "run-name", context)).strip() or workflow.name


def concurrency(workflow: Workflow, context: RunContext) -> Concurrency | None:
    """Give the concurrency group of a run.

    Raises:
        WorkflowInvalid: it cannot be evaluated.
    """
    return concurrency_of(_evaluated(workflow, "concurrency", context))


def _evaluated(workflow: Workflow, key: str, context: RunContext) -> Value:
    try:
        return evaluate(workflow.raw.get(key), Scope(context.contexts()))
    except ExpressionError as error:
        raise WorkflowInvalid(workflow.path, workflow.line(key), f"{key}: {error}") from error


def dispatch_inputs(workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    """Complete and check the inputs of a dispatch; booleans and numbers come out as such.

    Raises:
        WorkflowInvalid: the workflow cannot be dispatched, an input is unknown, missing or of the wrong kind.
    """
    if "workflow_dispatch" not in workflow.on:
        raise WorkflowInvalid(workflow.path, workflow.line("on"), "Workflow does not have 'workflow_dispatch' trigger")
    known = workflow.on["workflow_dispatch"].get("inputs") or {}
    unexpected = [each for each in given if each not in known]
    if unexpected:
        line = workflow.line("on", "workflow_dispatch")
        raise WorkflowInvalid(workflow.path, line, f"unexpected input {unexpected[0]!r}{nearest(unexpected[0], known)}")
    return {name: _input(workflow, name, each or {}, given) for name, each in known.items()}


def _input(workflow: Workflow, name: str, told: Mapping[str, Any], given: Mapping[str, Any]) -> Value:
    value = given.get(name, told.get("default"))
    line = workflow.line("on", "workflow_dispatch", "inputs", name)
    if text(value) == "" and told.get("required") and told.get("type") != "boolean":
        raise WorkflowInvalid(workflow.path, line, f"the input {name!r} is required and was not given")
    try:
        return _KINDS[told.get("type", "string")](value, told)
    except ValueError as error:
        raise WorkflowInvalid(workflow.path, line, f"the input {name!r} {error}") from error


def _boolean(value: Value, _told: Mapping[str, Any]) -> bool:
    word = text(value).lower()
    if word not in {"", "true", "false"}:
        raise ValueError(f"is true or false, not {word!r}")
    return word == "true"


def _number(value: Value, _told: Mapping[str, Any]) -> Value:
    found = to_number(value)
    if found != found:  # noqa: PLR0124 - NaN is the one value that differs from itself
        raise ValueError(f"is a number, not {text(value)!r}")
    return None if text(value) == "" else whole(found)


def _choice(value: Value, told: Mapping[str, Any]) -> str:
    options = [text(each) for each in told.get("options") or ()]
    chosen = text(value) or (options[0] if options and value is None else "")
    if chosen not in options:
        raise ValueError(f"is one of {', '.join(options)}, not {chosen!r}")
    return chosen


def _string(value: Value, _told: Mapping[str, Any]) -> str:
    return text(value)


_KINDS: Mapping[str, Callable[[Value, Mapping[str, Any]], Value]] = {
    "boolean": _boolean,
    "number": _number,
    "choice": _choice,
    "string": _string,
    "environment": _string,
}
