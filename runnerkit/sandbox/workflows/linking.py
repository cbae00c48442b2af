"""From a workflow to all that it calls: what GitHub settles before the first job of a run begins.

https://docs.github.com/en/actions/reference/workflows-and-actions/reusing-workflow-configurations
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from runnerkit.sandbox.workflows.calls import declared_of
from runnerkit.sandbox.workflows.checking_calls import KINDS, fits
from runnerkit.sandbox.workflows.errors import WorkflowInvalid, nearest
from runnerkit.sandbox.workflows.model import Called, Home, Workflow
from runnerkit.sandbox.workflows.permissions import SCOPES, normalised
from runnerkit.sandbox.workflows.templates import has_expression
from runnerkit.sandbox.workflows.values import text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Levels below the caller, and different workflows called from one file.
MOST_LEVELS = 9
MOST_CALLED = 50
# Calls in all, the same workflow's from several places each counted: a bound of ours, for few files can call each other
# in so many ways that nobody would live to see the end.
MOST_CALLS = 500
# What a token may do where nobody said anything, in a repository that keeps GitHub's own setting.
DEFAULT = {"contents": "read", "packages": "read"}
_RANKS = ("none", "read", "write")

# From what a file calls, and where that file stands, to the called workflow and where that stands; None: there is none.
Finder: TypeAlias = "Callable[[str, Home], tuple[Workflow, Home] | None]"


def link(workflow: Workflow, home: Home, find: Finder) -> Workflow:
    """Find the workflows that a workflow calls, those that they call, and so on.

    Args:
        workflow: The workflow of a run.
        home: Where its file stands.
        find: Finds a called workflow.

    Raises:
        WorkflowInvalid: GitHub would not start the run.
    """
    return _Linker(find).linked(workflow, home, None, ())


class _Linker:
    def __init__(self, find: Finder) -> None:
        self._find = find
        self._seen: set[str] = set()
        self._calls = 0

    def linked(self, workflow: Workflow, home: Home, held: Mapping[str, str] | None, path: tuple[str, ...]) -> Workflow:
        found = {}
        for key, job in workflow.jobs.items():
            if "uses" in job:
                found[key] = self._called(workflow, key, home, held, path)
        return replace(workflow, calls=found) if found else workflow

    def _called(
        self, workflow: Workflow, key: str, home: Home, held: Mapping[str, str] | None, path: tuple[str, ...]
    ) -> Called:
        job, uses = workflow.jobs[key], str(workflow.jobs[key]["uses"])
        found = self._find(uses, home)
        if found is None:
            _refuse(workflow, key, "uses", f"{uses!r}: workflow was not found; is it there, and may this one see it?")
        called, there = found
        address = f"{there.repository}/{called.path}@{there.sha}"
        self._check_bounds(workflow, key, address, path)
        _check_callable(workflow, key, called, uses)
        _check_given(workflow, key, job, called)
        own = normalised(job.get("permissions", workflow.raw.get("permissions")))
        allowed = held if own is None else own
        _check_permissions(workflow, key, called, allowed, uses)
        return Called(self.linked(called, there, allowed, (*path, address)), there, allowed)

    def _check_bounds(self, workflow: Workflow, key: str, address: str, path: tuple[str, ...]) -> None:
        if address in path:
            _refuse(workflow, key, "uses", f"workflows call each other in a circle: {' calls '.join((*path, address))}")
        if len(path) >= MOST_LEVELS:
            _refuse(workflow, key, "uses", f"workflows are nested too deep; {MOST_LEVELS} levels below the caller are")
        self._seen.add(address)
        self._calls += 1
        if len(self._seen) > MOST_CALLED:
            _refuse(workflow, key, "uses", f"too many workflows are called; GitHub allows {MOST_CALLED} different ones")
        if self._calls > MOST_CALLS:
            _refuse(workflow, key, "uses", f"workflows are called from too many places; {MOST_CALLS} are read here")


def _refuse(workflow: Workflow, key: str, below: str, message: str) -> NoReturn:
    line = workflow.line("jobs", key, below) or workflow.line("jobs", key)
    raise WorkflowInvalid(workflow.path, line, f"jobs.{key}.{below}: {message}")


def _check_callable(workflow: Workflow, key: str, called: Workflow, uses: str) -> None:
    if "workflow_call" not in called.on:
        _refuse(workflow, key, "uses", f"{uses!r} cannot be called: it has no 'workflow_call' trigger")
    if called.raw.get("concurrency"):
        message = (
            f"{uses!r} has a concurrency group of its own, which is not supported here (yet); name it in the caller"
        )
        _refuse(workflow, key, "uses", message)


def _check_given(workflow: Workflow, key: str, job: Mapping[str, Any], called: Workflow) -> None:
    inputs, secrets = declared_of(called, "inputs"), declared_of(called, "secrets")
    given, kept = job.get("with") or {}, job.get("secrets") or {}
    _check_names(workflow, key, "with", given, inputs, "input")
    for name, value in given.items():
        kind = inputs[name]["type"]
        if not has_expression(value) and value is not None and not fits(kind, value):
            _refuse(workflow, key, "with", f"the input {name!r} is {KINDS[kind]}, not {text(value)!r}")
    if kept != "inherit":
        _check_names(workflow, key, "secrets", kept, secrets, "secret")


def _check_names(
    workflow: Workflow, key: str, below: str, given: Mapping[str, Any], declared: Mapping[str, Any], what: str
) -> None:
    for name in given:
        if name not in declared:
            message = f"the called workflow declares no {what} {name!r}"
            _refuse(workflow, key, below, message + (nearest(name, declared) if declared else ""))
    for name, told in declared.items():
        if (told or {}).get("required") and name not in given:
            _refuse(workflow, key, below, f"the {what} {name!r} is required by the called workflow and was not given")


def _check_permissions(
    workflow: Workflow, key: str, called: Workflow, allowed: Mapping[str, str] | None, uses: str
) -> None:
    """A called workflow may do less than its caller, never more."""
    wishes = {"the workflow": called.raw.get("permissions")}
    wishes |= {f"the nested job {name!r}": job.get("permissions") for name, job in called.jobs.items()}
    held = normalised(DEFAULT) if allowed is None else allowed
    for who, wish in wishes.items():
        for scope, level in (normalised(wish) or {}).items():
            least = (held or {}).get(scope, "none")
            if _RANKS.index(level) > _RANKS.index(least) and scope in SCOPES:
                message = f"{uses!r}: {who} is requesting '{scope}: {level}', but is only allowed '{scope}: {least}'"
                _refuse(workflow, key, "uses", message)
