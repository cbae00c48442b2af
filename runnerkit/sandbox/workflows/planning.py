"""Which jobs may begin now, and with what."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.workflows import matrix, needs
from runnerkit.sandbox.workflows.errors import ExpressionError
from runnerkit.sandbox.workflows.evaluator import Scope, evaluate_node
from runnerkit.sandbox.workflows.model import Concurrency, JobPlan
from runnerkit.sandbox.workflows.payloads import payload
from runnerkit.sandbox.workflows.placing import PlaceInvalid, placed
from runnerkit.sandbox.workflows.substitution import substitute
from runnerkit.sandbox.workflows.templates import condition_of, evaluate, has_expression
from runnerkit.sandbox.workflows.values import number, text, truth

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from runnerkit.sandbox.workflows.model import JobOutcome, RunContext, Workflow
    from runnerkit.sandbox.workflows.values import Value

DEFAULT_MINUTES = 360.0


class _Problem(ValueError):
    """Why a job cannot be run, with the key that is to blame."""


def advance(
    workflow: Workflow,
    context: RunContext,
    done: Mapping[str, Sequence[JobOutcome]],
    created: Collection[str],
    *,
    cancelled: bool = False,
) -> list[JobPlan]:
    """Plan the jobs that wait for nobody any more.

    Args:
        workflow: The workflow.
        context: What the run knows.
        done: The outcomes of all legs of each finished job.
        created: The jobs that were planned before.
        cancelled: Whether the run was cancelled; then only jobs whose ``if`` asks for it begin.

    Returns:
        A plan for each leg of each job; a job whose ``if`` is false has one plan, and is ``skipped`` in it.
    """
    plans: list[JobPlan] = []
    for key in workflow.job_keys:
        if key not in created and all(each in done for each in workflow.needs(key)):
            plans += _planned(workflow, key, context, done, cancelled=cancelled)
    return plans


def _planned(
    workflow: Workflow,
    key: str,
    context: RunContext,
    done: Mapping[str, Sequence[JobOutcome]],
    *,
    cancelled: bool,
) -> list[JobPlan]:
    job = workflow.jobs[key]
    known = {**context.contexts(), "needs": needs.context(workflow, key, done)}
    blank = JobPlan(key, text(job.get("name")) or key, needs=workflow.needs(key))
    scope = Scope(known, needs.status_functions(workflow, key, done, cancelled=cancelled))
    try:
        if not _wanted(job.get("if"), scope):
            return [replace(blank, name=_plain_name(blank.name, known), skipped=True)]
        return [_leg(workflow, blank, each) for each in _legs(job, known)]
    except _Problem as problem:
        place = workflow.path if (line := workflow.line("jobs", key)) is None else f"{workflow.path}:{line}"
        return [replace(blank, problem=f"{place}: jobs.{key}{problem}")]


def _wanted(condition: Value, scope: Scope) -> bool:
    try:
        return truth(evaluate_node(condition_of(condition if condition is not None else ""), scope))
    except ExpressionError as error:
        raise _Problem(f".if: {error}") from error


def _plain_name(name: str, known: Mapping[str, Value]) -> str:
    try:
        return text(evaluate(name, Scope(known)))
    except ExpressionError:
        return name  # it depends on the matrix, which a skipped job does not have


@dataclass(frozen=True)
class _Leg:
    """A leg of a job: its contexts, and how it is limited by the other legs."""

    known: Mapping[str, Value]
    fail_fast: bool = True
    max_parallel: int | None = None

    def value(self, key: str, template: Value) -> Value:
        try:
            return evaluate(template, Scope(self.known))
        except ExpressionError as error:
            raise _Problem(f".{key}: {error}") from error


def _legs(job: Mapping[str, Any], known: Mapping[str, Value]) -> list[_Leg]:
    strategy = _Leg(known).value("strategy", job.get("strategy")) or {}
    fail_fast = truth(strategy.get("fail-fast", True))
    most = _most(strategy["max-parallel"]) if "max-parallel" in strategy else None
    found = _expanded(strategy.get("matrix"))
    return [
        _Leg(
            {**known, "matrix": each, "strategy": _strategy(place, len(found), most, fail_fast=fail_fast)},
            fail_fast,
            most,
        )
        for place, each in enumerate(found)
    ]


def _expanded(value: Value) -> Sequence[matrix.Leg | None]:
    if value is None:
        return [None]
    try:
        return matrix.legs(value)
    except matrix.MatrixInvalid as error:
        raise _Problem(f".strategy: {error}") from error


def _most(value: Value) -> int:
    most = number(value)
    if not most >= 1:
        raise _Problem(f".strategy.max-parallel: {text(value)!r} is no number of jobs; it is at least 1")
    return int(most)


def _strategy(place: int, total: int, most: int | None, *, fail_fast: bool) -> dict[str, Value]:
    return {"fail-fast": fail_fast, "job-index": place, "job-total": total, "max-parallel": most or total}


def _leg(workflow: Workflow, blank: JobPlan, leg: _Leg) -> JobPlan:
    job = workflow.jobs[blank.key]
    try:
        place = placed(leg.value("runs-on", job["runs-on"]))
    except PlaceInvalid as error:
        raise _Problem(f".runs-on: {error}") from error
    environment, url = _environment(job.get("environment"), leg)
    plan = replace(
        blank,
        name=_name(job, blank.key, leg),
        labels=place.labels,
        group=place.group,
        hosted=place.hosted,
        problem=place.problem,
        environment=environment,
        environment_url=url,
        concurrency=concurrency_of(leg.value("concurrency", job.get("concurrency"))),
        fail_fast=leg.fail_fast,
        max_parallel=leg.max_parallel,
        continue_on_error=truth(leg.value("continue-on-error", job.get("continue-on-error"))),
        timeout_minutes=_minutes(leg.value("timeout-minutes", job.get("timeout-minutes", DEFAULT_MINUTES))),
    )
    return replace(plan, payload=_payload(workflow, plan, leg))


def _name(job: Mapping[str, Any], key: str, leg: _Leg) -> str:
    name = job.get("name")
    if has_expression(name):
        return text(leg.value("name", name)) or key
    return f"{text(name) or key} {matrix.suffix(leg.known['matrix'] or {})}".rstrip()


def _environment(value: Value, leg: _Leg) -> tuple[str | None, str]:
    if not isinstance(value, dict):
        return text(leg.value("environment", value)) or None, ""
    url = substitute(value.get("url"), leg.known)
    return text(leg.value("environment", value.get("name"))) or None, "" if has_expression(url) else text(url)


def concurrency_of(value: Value) -> Concurrency | None:
    """Read an evaluated ``concurrency``; an empty group is none."""
    if not isinstance(value, dict):
        return Concurrency(text(value)) if text(value) else None
    group = text(value.get("group"))
    return Concurrency(group, truth(value.get("cancel-in-progress"))) if group else None


def _minutes(value: Value) -> float:
    minutes = number(value)
    if not minutes > 0:
        raise _Problem(f".timeout-minutes: {text(value)!r} is no number of minutes above 0")
    return minutes


def _payload(workflow: Workflow, plan: JobPlan, leg: _Leg) -> dict[str, Any]:
    known = dict(leg.known)
    known["github"] = {**known["github"], "job": plan.key}
    facts = {
        "name": plan.name,
        "timeout_minutes": plan.timeout_minutes,
        "continue_on_error": plan.continue_on_error,
    }
    try:
        return payload(workflow, plan.key, known, facts)
    except ExpressionError as error:
        raise _Problem(f": {error}") from error
