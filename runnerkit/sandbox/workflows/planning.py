"""Which jobs may begin now, and with what."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.workflows import calls, matrix, needs
from runnerkit.sandbox.workflows.calls import Frame
from runnerkit.sandbox.workflows.errors import ExpressionError
from runnerkit.sandbox.workflows.evaluator import Scope, evaluate_node
from runnerkit.sandbox.workflows.legs import Problem, legs_of
from runnerkit.sandbox.workflows.model import Concurrency, JobPlan
from runnerkit.sandbox.workflows.payloads import payload
from runnerkit.sandbox.workflows.placing import PlaceInvalid, placed
from runnerkit.sandbox.workflows.substitution import substitute
from runnerkit.sandbox.workflows.templates import condition_of, evaluate, has_expression
from runnerkit.sandbox.workflows.values import number, text, truth

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from runnerkit.sandbox.workflows.legs import Leg
    from runnerkit.sandbox.workflows.model import JobOutcome, RunContext, Workflow
    from runnerkit.sandbox.workflows.values import Value

DEFAULT_MINUTES = 360.0
HOME = "$/"


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
    return _Look(Frame(workflow, context), done, created, cancelled=cancelled).plans()


class _Look:
    """One look at the jobs of a workflow, and of those that it calls."""

    def __init__(
        self,
        frame: Frame,
        done: Mapping[str, Sequence[JobOutcome]],
        created: Collection[str],
        *,
        cancelled: bool,
    ) -> None:
        self._frame, self._done, self._created, self._cancelled = frame, done, created, cancelled
        self._known: dict[str, Sequence[JobOutcome]] = {}
        keys, before = frame.workflow.job_keys, -1
        # A called workflow's outcome rests on those before it, in whatever order the file has them.
        while before < len(self._known) or before < 0:
            before = len(self._known)
            self._known |= {key: each for key in keys if (each := self._outcomes(key)) is not None}

    def _outcomes(self, key: str) -> Sequence[JobOutcome] | None:
        full = self._frame.prefix + key
        if key in self._known or full in self._done:
            return self._known.get(key) or self._done[full]
        if not calls.opened(full, self._created) or not self._ready(key):
            return None
        found = [look.outcome() for look in self._looks(key)]
        return None if any(each is None for each in found) else [each for each in found if each is not None]

    def _ready(self, key: str) -> bool:
        return all(each in self._known for each in self._frame.workflow.needs(key))

    def _contexts(self, key: str) -> dict[str, Value]:
        return {
            **self._frame.context.contexts(),
            "needs": needs.context(self._frame.workflow, key, self._known),
        }

    def _looks(self, key: str) -> list[_Look]:
        frame, full = self._frame, self._frame.prefix + key
        before = self._keys_of(frame.workflow.needs(key)) or frame.needs
        legs = legs_of(frame.workflow.jobs[key], self._contexts(key))
        named = [_name(frame.workflow.jobs[key], key, leg) for leg in legs]
        return [
            _Look(
                calls.inside(frame, key, leg, calls.prefix(full, place, leg), name, before),
                self._done,
                self._created,
                cancelled=self._cancelled,
            )
            for place, (leg, name) in enumerate(zip(legs, named, strict=True))
        ]

    def _keys_of(self, keys: Iterable[str]) -> tuple[str, ...]:
        """The jobs that stand behind keys: for one that calls, all that it has called."""
        full = [self._frame.prefix + key for key in keys]
        found = [each for key in full for each in ([key] if key in self._created else calls.below(key, self._created))]
        return tuple(found)

    def outcome(self) -> JobOutcome | None:
        """How the whole ended; None as long as it has not."""
        workflow = self._frame.workflow
        if any(key not in self._known for key in workflow.job_keys):
            return None
        return calls.outcome(self._frame, self._known)

    def plans(self) -> list[JobPlan]:
        found: list[JobPlan] = []
        for key in self._frame.workflow.job_keys:
            full = self._frame.prefix + key
            if key in self._known or full in self._created or not self._ready(key):
                continue
            if calls.opened(full, self._created):
                found += [plan for look in self._looks(key) for plan in look.plans()]
            else:
                found += self._planned(key)
        return found

    def _planned(self, key: str) -> list[JobPlan]:
        frame, workflow = self._frame, self._frame.workflow
        job = workflow.jobs[key]
        before = self._keys_of(workflow.needs(key)) or frame.needs
        blank = JobPlan(frame.prefix + key, frame.titled(text(job.get("name")) or key), needs=before)
        known = self._contexts(key)
        status = needs.status_functions(workflow, key, self._known, cancelled=self._cancelled)
        try:
            if not _wanted(job.get("if"), Scope(known, status)):
                return [replace(blank, name=_plain_name(blank.name, known), skipped=True)]
            if key in workflow.calls:
                return [plan for look in self._looks(key) for plan in look.plans()]
            return [_leg(frame, key, blank, each) for each in legs_of(job, known)]
        except Problem as problem:
            place = workflow.path if (line := workflow.line("jobs", key)) is None else f"{workflow.path}:{line}"
            return [replace(blank, problem=f"{place}: jobs.{key}{problem}")]


def _wanted(condition: Value, scope: Scope) -> bool:
    try:
        return truth(evaluate_node(condition_of(condition if condition is not None else ""), scope))
    except ExpressionError as error:
        raise Problem(f".if: {error}") from error


def _plain_name(name: str, known: Mapping[str, Value]) -> str:
    try:
        return text(evaluate(name, Scope(known)))
    except ExpressionError:
        return name  # it depends on the matrix, which a skipped job does not have


def _leg(frame: Frame, key: str, blank: JobPlan, leg: Leg) -> JobPlan:
    job = frame.workflow.jobs[key]
    try:
        place = placed(leg.value("runs-on", job["runs-on"]))
    except PlaceInvalid as error:
        raise Problem(f".runs-on: {error}") from error
    environment, url = _environment(job.get("environment"), leg)
    plan = replace(
        blank,
        name=frame.titled(_name(job, key, leg)),
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
    return replace(plan, payload=_payload(frame, key, plan, leg), secrets=frame.secrets)


def _name(job: Mapping[str, Any], key: str, leg: Leg) -> str:
    name = job.get("name")
    if has_expression(name):
        return text(leg.value("name", name)) or key
    return f"{text(name) or key} {matrix.suffix(leg.known['matrix'] or {})}".rstrip()


def _environment(value: Value, leg: Leg) -> tuple[str | None, str]:
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
        raise Problem(f".timeout-minutes: {text(value)!r} is no number of minutes above 0")
    return minutes


def _payload(frame: Frame, key: str, plan: JobPlan, leg: Leg) -> dict[str, Any]:
    known = dict(leg.known)
    known["github"] = {**known["github"], "job": key}
    facts = {
        "name": plan.name,
        "timeout_minutes": plan.timeout_minutes,
        "continue_on_error": plan.continue_on_error,
        **frame.origin,
    }
    try:
        made = payload(frame.workflow, key, known, facts)
    except ExpressionError as error:
        raise Problem(f": {error}") from error
    steps = [_at_home(step, {**known["github"], **made["job"]}) for step in made["steps"]]
    return made | {"steps": steps} | ({"permissions": frame.permissions} if made["permissions"] is None else {})


def _at_home(step: dict[str, Value], facts: Mapping[str, Any]) -> dict[str, Value]:
    """Write out which commit ``$/`` means: that of the file in which the job stands."""
    uses = text(step.get("uses"))
    if not uses.startswith(HOME):
        return step
    repository = facts.get("workflow_repository") or facts.get("repository")
    return {**step, "uses": f"{repository}/{uses.removeprefix(HOME)}@{facts.get('workflow_sha')}"}
