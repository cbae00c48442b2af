"""What a runner gets to execute: one job, with everything written in that GitHub knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.workflows.permissions import normalised
from runnerkit.sandbox.workflows.substitution import substitute, substitute_condition, substitute_typed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runnerkit.sandbox.workflows.model import Workflow
    from runnerkit.sandbox.workflows.values import Value

# Keys of a step whose value has a kind; everything else in a step is text.
_TYPED = ("continue-on-error", "timeout-minutes", "env")


def payload(workflow: Workflow, key: str, known: Mapping[str, Value], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten a job.

    Args:
        workflow: The workflow.
        key: The job's key.
        known: The contexts whose values are written in.
        facts: What is known of the job itself: its name, time limit and so on.

    Raises:
        ExpressionError: an expression that cannot be read.
    """
    job = workflow.jobs[key]
    return {
        "workflow": {"name": workflow.name, "path": workflow.path},
        "job": {"key": key, **facts},
        "env": _mapping(workflow.raw.get("env"), known) | _mapping(job.get("env"), known),
        "defaults": _defaults(workflow.raw.get("defaults"), job.get("defaults"), known),
        "steps": [step(each, known) for each in job["steps"]],
        "outputs": _mapping(job.get("outputs"), known),
        "environment": substitute(_environment(job.get("environment")), known),
        "container": substitute_typed(job.get("container"), known) or None,
        "services": substitute_typed(job.get("services"), known) or None,
        "permissions": normalised(job.get("permissions", workflow.raw.get("permissions"))),
        **{name: known[name] for name in ("github", "needs", "inputs", "vars")},
        "matrix": known["matrix"] or {},
        "strategy": known["strategy"],
    }


def step(raw: Mapping[str, Value], known: Mapping[str, Value]) -> dict[str, Value]:
    """Write known values into a step."""
    found = {key: _step_value(key, value, known) for key, value in raw.items() if key != "if"}
    if raw.get("if") is not None:
        found["if"] = substitute_condition(raw["if"], known)
    return found


def _step_value(key: str, value: Value, known: Mapping[str, Value]) -> Value:
    return substitute_typed(value, known) if key in _TYPED else substitute(value, known)


def _mapping(value: Value, known: Mapping[str, Value]) -> dict[str, Value]:
    found = substitute_typed(value, known)
    return dict(found) if isinstance(found, dict) else {}


def _defaults(outer: Value, inner: Value, known: Mapping[str, Value]) -> dict[str, Value]:
    run = {**((outer or {}).get("run") or {}), **((inner or {}).get("run") or {})}
    return {"run": substitute(run, known)} if run else {}


def _environment(value: Value) -> Value:
    if not value:
        return None
    return {"url": "", **value} if isinstance(value, dict) else {"name": value, "url": ""}
