"""What a called workflow sees of its caller, and the caller of it.

https://docs.github.com/en/actions/reference/workflows-and-actions/reusing-workflow-configurations
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.workflows import needs
from runnerkit.sandbox.workflows.checking_calls import KINDS, fits
from runnerkit.sandbox.workflows.errors import ExpressionError
from runnerkit.sandbox.workflows.evaluator import Scope
from runnerkit.sandbox.workflows.legs import Problem
from runnerkit.sandbox.workflows.model import JobOutcome
from runnerkit.sandbox.workflows.substitution import substitute
from runnerkit.sandbox.workflows.templates import evaluate
from runnerkit.sandbox.workflows.values import text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from runnerkit.sandbox.workflows.legs import Leg
    from runnerkit.sandbox.workflows.model import Called, RunContext, Workflow
    from runnerkit.sandbox.workflows.values import Value

_EMPTY: Mapping[str, Value] = {"boolean": False, "number": 0, "string": ""}
_WORST_FIRST = ("failure", "cancelled", "success")


@dataclass(frozen=True)
class Frame:
    """A workflow in its place: that of the run, or one that is called.

    Args:
        workflow: The workflow.
        context: What its expressions may ask about; ``inputs`` are its own.
        prefix: What its jobs' keys begin with, so that they differ from those of all others.
        title: What its jobs' names begin with.
        needs: The jobs that the calling job waited for, by their full keys.
        permissions: What the calling job may do; None where nobody said so.
        secrets: What each call on the way here says of secrets, the outermost first.
        origin: What its jobs are told of the file.
    """

    workflow: Workflow
    context: RunContext
    prefix: str = ""
    title: str = ""
    needs: tuple[str, ...] = ()
    permissions: Mapping[str, str] | None = None
    secrets: tuple[Any, ...] = ()
    origin: Mapping[str, str] = field(default_factory=dict)

    def titled(self, name: str) -> str:
        """Name a job as GitHub lists it."""
        return f"{self.title} / {name}" if self.title else name


def prefix(full: str, place: int, leg: Leg) -> str:
    """What the keys of the called jobs begin with, for the leg at a place of the calling job."""
    return f"{full}/" if leg.known["matrix"] is None else f"{full}.{place}/"


def below(full: str, created: Iterable[str]) -> list[str]:
    """Give the keys of the jobs that a calling job has made so far."""
    return [each for each in created if each.startswith((f"{full}/", f"{full}."))]


def opened(full: str, created: Collection[str]) -> bool:
    """Tell whether a calling job has begun: then at least one job of the called workflow is there."""
    return bool(below(full, created))


def inside(frame: Frame, key: str, leg: Leg, start: str, name: str, before: tuple[str, ...]) -> Frame:
    """Go into the workflow that a leg of a job calls.

    Raises:
        Problem: an input is not what the called workflow takes.
    """
    called, job = frame.workflow.calls[key], frame.workflow.jobs[key]
    known = {name: value for name, value in leg.known.items() if name != "secrets"}
    return Frame(
        called.workflow,
        replace(frame.context, inputs=_inputs(called, leg, job.get("with") or {}, frame.context)),
        prefix=start,
        title=frame.titled(name),
        needs=before,
        permissions=called.permissions,
        secrets=(*frame.secrets, substitute(job.get("secrets") or {}, known)),
        origin=called.origin,
    )


def _inputs(called: Called, leg: Leg, given: Mapping[str, Value], context: RunContext) -> dict[str, Value]:
    declared = declared_of(called.workflow, "inputs")
    return {name: _input(name, told or {}, leg, given, context) for name, told in declared.items()}


def _input(name: str, told: Mapping[str, Any], leg: Leg, given: Mapping[str, Value], context: RunContext) -> Value:
    kind = told["type"]
    value = leg.value(f"with.{name}", given[name]) if name in given else _default(name, told, context)
    if value is None:
        return _EMPTY[kind]
    if not fits(kind, value):
        raise Problem(f".with.{name}: the called workflow takes {KINDS[kind]}, not {text(value)!r}")
    return text(value) if kind == "string" else value


def _default(name: str, told: Mapping[str, Any], context: RunContext) -> Value:
    try:
        return evaluate(told.get("default"), Scope(context.contexts()))
    except ExpressionError as error:
        raise Problem(f".with.{name}: its default: {error}") from error


def declared_of(workflow: Workflow, what: str) -> dict[str, Any]:
    """Give the inputs, secrets or outputs that a workflow declares for those that call it."""
    found = workflow.on.get("workflow_call") or {}
    return dict(found.get(what) or {})


def outcome(frame: Frame, known: Mapping[str, Sequence[JobOutcome]]) -> JobOutcome:
    """Say how a called workflow ended, and with which outputs."""
    results = {key: needs.result(frame.workflow, key, known[key]) for key in frame.workflow.job_keys}
    jobs = {key: {"result": results[key], "outputs": needs.outputs(known[key])} for key in results}
    scope = Scope({**frame.context.contexts(), "jobs": jobs})
    declared = declared_of(frame.workflow, "outputs")
    return JobOutcome(
        next((each for each in _WORST_FIRST if each in results.values()), "skipped"),
        {name: _output(told["value"], scope) for name, told in declared.items()},
    )


def _output(template: Value, scope: Scope) -> str:
    try:
        return text(evaluate(template, scope))
    except ExpressionError:
        return ""
