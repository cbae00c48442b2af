"""Workflow files: the labels of their jobs, the environments that gate them, and whether they may have an identity.

Pure. What is no workflow, or no YAML, is said and not raised.

Source: GitHub's "Workflow syntax" (``permissions`` that are written replace all others; without any, ``id-token`` is
none).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from runnerkit.doctor.facts_github import WorkflowJob, WorkflowSeen
from runnerkit.labels import WORD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER = ".github/workflows"
EXPRESSION = r"\$\{\{.*?\}\}"
IN_SCOPE = re.compile(rf"^({WORD}=)[^/]*?{EXPRESSION}[^/]*", re.IGNORECASE)
CREDENTIALS = "aws-actions/configure-aws-credentials@"
# Our own actions and workflows that take a role, and the command that renews credentials.
OURS = ("/actions/launch", "/workflows/dvc.yml")
RENEWS = "runnerkit credentials"
LAUNCHES = ("runnerkit launch", "runnerkit resume")
ROLE = re.compile(r"(^|-)role($|-)")
SETTING = re.compile(r"\b(vars|secrets)\.([A-Za-z_][A-Za-z0-9_]*)")
# GitHub's own; every job has it.
GIVEN = "secrets.GITHUB_TOKEN"


def read(repo: str, path: str, text: str) -> WorkflowSeen:
    """A workflow file as the doctor sees it; what is no workflow has a problem instead of jobs."""
    try:
        written = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return WorkflowSeen(repo, path, problem=f"it is not YAML: {str(error).splitlines()[0]}")
    jobs = _record(_record(written).get("jobs"))
    if not jobs:
        return WorkflowSeen(repo, path, problem="it has no jobs")
    found = tuple(_job(name, jobs, _record(written)) for name in jobs)
    # YAML 1.1 reads a bare `on` as true.
    events = _words(_record(written).get("on", _record(written).get(True)))
    return WorkflowSeen(repo, path, events, found, settings=tuple(dict.fromkeys(_settings(written))))


def _job(name: Any, jobs: Mapping[Any, Any], workflow: Mapping[Any, Any]) -> WorkflowJob:  # noqa: ANN401 - YAML's keys
    job = _record(jobs[name])
    return WorkflowJob(
        name=str(name),
        labels=tuple(_scoped(label) for label in _labels(job.get("runs-on"))),
        environments=tuple(dict.fromkeys(_environments(name, jobs, frozenset()))),
        wants_identity=_wants_identity(job),
        has_identity=_has_identity(job.get("permissions", workflow.get("permissions"))),
        launches=_launches(job),
    )


def _settings(written: object) -> Iterator[tuple[str, ...]]:
    """What each expression reads; one that has a text or something else to fall back on needs nothing."""
    for text in _texts(written):
        for expression in re.findall(EXPRESSION, text, re.DOTALL):
            names = dict.fromkeys(f"{kind}.{name.upper()}" for kind, name in SETTING.findall(expression))
            alternatives = [part for part in expression.split("||") if not SETTING.search(part)]
            if names and GIVEN not in names and not alternatives and "'" not in expression:
                yield tuple(names)


def _texts(written: object) -> Iterator[str]:
    """Every text once: aliases can multiply a few lines without end, or lead back to where they stand."""
    waiting, known = [written], set[int]()
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list) and id(value) not in known:
            known.add(id(value))
            waiting += reversed(list(value.values()) if isinstance(value, dict) else value)


def _labels(runs_on: object) -> tuple[str, ...]:
    return _words(runs_on.get("labels")) if isinstance(runs_on, dict) else _words(runs_on)


def _scoped(label: str) -> str:
    return IN_SCOPE.sub(r"\g<1>0", label.strip())


def _environments(name: object, jobs: Mapping[Any, Any], seen: frozenset[object]) -> list[str]:
    job, known = _record(jobs.get(name)), seen | {name}
    # The reusable workflow takes its environment as an input.
    own = job.get("environment") or (_record(job.get("with")).get("environment") if "uses" in job else None)
    written = own.get("name") if isinstance(own, dict) else own
    needed = [each for each in _words(job.get("needs")) if each in jobs and each not in known]
    return [*([str(written)] if written else []), *(e for each in needed for e in _environments(each, jobs, known))]


def _wants_identity(job: Mapping[Any, Any]) -> bool:
    steps = [_record(step) for step in job.get("steps") or () if isinstance(step, dict)]
    return _takes_role(job) or any(_takes_role(step) or RENEWS in str(step.get("run", "")) for step in steps)


def _launches(job: Mapping[Any, Any]) -> bool:
    steps = [job, *(step for step in job.get("steps") or () if isinstance(step, dict))]
    return any(
        any(each in str(step.get("uses", "")) for each in OURS)
        or any(each in str(step.get("run", "")) for each in LAUNCHES)
        for step in steps
    )


def _takes_role(step: Mapping[Any, Any]) -> bool:
    uses = str(step.get("uses", ""))
    known = uses.startswith(CREDENTIALS) or any(each in uses for each in OURS)
    return known and any(ROLE.search(str(key)) and value for key, value in _record(step.get("with")).items())


def _has_identity(permissions: object) -> bool:
    return permissions == "write-all" or _record(permissions).get("id-token") == "write"


def _record(value: object) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, list | tuple | dict):
        return tuple(str(each) for each in value)
    return (str(value),) if value else ()
