"""Which contexts and functions an expression may use, depending on where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerkit.sandbox.workflows.errors import nearest
from runnerkit.sandbox.workflows.functions import ARITY, PURE, STATUS
from runnerkit.sandbox.workflows.syntax import SPELLING, Call, Name, walk
from runnerkit.sandbox.workflows.templates import Part, bare_condition, has_expression, split

if TYPE_CHECKING:
    from runnerkit.sandbox.workflows.reading import Spot
    from runnerkit.sandbox.workflows.syntax import Node

CONTEXTS = frozenset(
    ("github", "env", "vars", "job", "jobs", "steps", "runner", "secrets", "strategy", "matrix", "needs", "inputs")
)


@dataclass(frozen=True)
class Rule:
    """What may be used in one place."""

    contexts: frozenset[str]
    functions: frozenset[str] = frozenset()
    named_jobs: bool = False


def _rule(contexts: str, *functions: str, named_jobs: bool = False) -> Rule:
    return Rule(frozenset(contexts.split()), frozenset(functions), named_jobs)


_LEG = "github inputs vars needs strategy matrix"
_RUNNING = f"{_LEG} job runner env secrets"

RUN = _rule("github inputs vars")
WORKFLOW_ENV = _rule("github inputs vars secrets")
JOB = _rule("github inputs vars needs")
JOB_IF = _rule("github inputs vars needs", *STATUS, named_jobs=True)
LEG = _rule(_LEG)
JOB_ENV = _rule(f"{_LEG} secrets")
DEFAULTS = _rule(f"{_LEG} env")
CREDENTIALS = _rule(f"{_LEG} env secrets")
CONTAINER_ENV = _rule(_RUNNING)
OUTPUTS = _rule(f"{_RUNNING} steps")
ENVIRONMENT_URL = _rule(f"{_LEG} job runner env steps")
CALL = _rule(_LEG)
CALL_SECRETS = _rule(f"{_LEG} secrets")
CALL_DEFAULT = _rule("github inputs vars")
CALL_OUTPUT = _rule("github inputs vars jobs")
STEP = _rule(f"{_RUNNING} steps", "hashfiles")
STEP_IF = _rule(f"{_LEG} steps job runner env", "hashfiles", *STATUS)


def check(spot: Spot, rule: Rule) -> None:
    """Check all expressions in a value and below it.

    Raises:
        WorkflowInvalid: one cannot be read, or uses what is not known there.
    """
    if isinstance(spot.value, dict):
        for _, each in spot.entries():
            check(each, rule)
    elif isinstance(spot.value, list):
        for each in spot.elements():
            check(each, rule)
    elif has_expression(spot.value):
        _check_text(spot, rule)


def check_condition(spot: Spot, rule: Rule) -> None:
    """Check an ``if``, in which ``${{ }}`` may be left out.

    Raises:
        WorkflowInvalid: it cannot be read, or uses what is not known there.
    """
    if isinstance(spot.value, (dict, list)):
        spot.refuse(f"{spot.name} is an expression, not {spot.kind()}")
    if has_expression(spot.value):
        _check_text(spot, rule)
        return
    try:
        node = bare_condition(spot.value)
    except ValueError as error:
        spot.refuse(f"{spot.name}: {error}", line=spot.line_at(getattr(error, "position", 0)))
    _check_node(spot, node, rule, 0)


def _check_text(spot: Spot, rule: Rule) -> None:
    try:
        found = [(each.parsed(), each.position) for each in split(str(spot.value)) if isinstance(each, Part)]
    except ValueError as error:
        spot.refuse(f"{spot.name}: {error}", line=spot.line_at(getattr(error, "position", 0)))
    for node, position in found:
        _check_node(spot, node, rule, position)


def _check_node(spot: Spot, node: Node, rule: Rule, start: int) -> None:
    for each in walk(node):
        if isinstance(each, (Name, Call)):
            problem = _unknown_context(each, rule) if isinstance(each, Name) else _wrong_call(each, rule)
            if problem:
                spot.refuse(f"{spot.name}: {problem}", line=spot.line_at(start + each.position))


def _unknown_context(name: Name, rule: Rule) -> str | None:
    if name.name in rule.contexts:
        return None
    if name.name in CONTEXTS:
        return f"the context {name.name!r} cannot be used here; known here are {', '.join(sorted(rule.contexts))}"
    return f"there is no context {name.name!r}{nearest(name.name, rule.contexts)}; strings stand in single quotes"


def _wrong_call(call: Call, rule: Rule) -> str | None:
    told = SPELLING.get(call.name, call.name)
    known = {*PURE, *rule.functions}
    if call.name not in ARITY:
        return f"there is no function {told}(){nearest(call.name, (SPELLING.get(each, each) for each in known))}"
    if call.name not in known:
        return f"the function {told}() cannot be used here"
    return _wrong_count(call, told, rule)


def _wrong_count(call: Call, told: str, rule: Rule) -> str | None:
    least, most = ARITY[call.name]
    if rule.named_jobs and call.name in {"success", "failure"}:
        most = ARITY["format"][1]
    count = len(call.arguments)
    if call.name == "case" and count % 2 == 0:
        return "case() takes pairs of a condition and a value, and a default at the end"
    if least <= count <= most:
        return None
    wanted = str(least) if least == most else f"{least} to {most}"
    return f"{told}() takes {wanted} argument{'' if wanted == '1' else 's'}, not {count}"
