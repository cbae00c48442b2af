"""Checks of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.sandbox.workflows import checking_calls, matrix
from runnerkit.sandbox.workflows.checking_steps import check_steps
from runnerkit.sandbox.workflows.checks import (
    boolean_of,
    concurrency_of,
    count_of,
    defaults_of,
    each_key,
    fixed_filled,
    identifier,
    list_of,
    mapping,
    minutes_of,
    needed,
    permissions,
    text_of,
    texts_of,
)
from runnerkit.sandbox.workflows.contexts import (
    CONTAINER_ENV,
    CREDENTIALS,
    DEFAULTS,
    ENVIRONMENT_URL,
    JOB,
    JOB_ENV,
    JOB_IF,
    LEG,
    OUTPUTS,
    check,
    check_condition,
)
from runnerkit.sandbox.workflows.errors import nearest
from runnerkit.sandbox.workflows.templates import has_expression
from runnerkit.sandbox.workflows.values import text

if TYPE_CHECKING:
    from runnerkit.sandbox.workflows.reading import Spot


def check_jobs(spot: Spot) -> None:
    """Check the jobs and how they wait for each other.

    Raises:
        WorkflowInvalid: GitHub would refuse them.
    """
    mapping(spot)
    if not spot.value:
        spot.refuse("`jobs` is empty; a workflow has at least one job")
    for key, each in spot.entries():
        identifier(each, key, "job id")
        _job(each)
    for key, each in spot.entries():
        _needs_known(each, key, list(spot.value))
    _no_circle(spot)


def _job(spot: Spot) -> None:
    mapping(spot)
    if spot.get("uses"):
        _call(spot)
        return
    if snapshot := spot.get("snapshot"):
        snapshot.refuse(f"{snapshot.name}: custom images are not supported here (yet)")
    each_key(spot, _KEYS)
    needed(spot, "runs-on", "it names the machine, for example ubuntu-latest")
    needed(spot, "steps", "a job has at least one step")


def _call(spot: Spot) -> None:
    if concurrency := spot.get("concurrency"):
        concurrency.refuse(f"{concurrency.name}: groups of jobs that call a workflow are not supported here (yet)")
    each_key(spot, _CALL_KEYS)


def _needs(spot: Spot) -> None:
    if isinstance(spot.value, dict) or spot.value in (None, ""):
        spot.refuse(f"{spot.name} is the key of a job or a list of such keys, not {spot.kind()}")
    for each in spot.elements():
        fixed_filled(each)


def _needs_known(job: Spot, key: str, keys: list[str]) -> None:
    needs = job.get("needs")
    for each in needs.elements() if needs else ():
        if each.value == key:
            each.refuse(f"{job.name} waits for itself")
        if each.value not in keys:
            each.refuse(f"{job.name} needs {each.kind()}, which is no job of this workflow{nearest(each.value, keys)}")


def _no_circle(jobs: Spot) -> None:
    waits = {key: [text(need.value) for need in _needs_of(each)] for key, each in jobs.entries()}
    settled: set[str] = set()
    while more := {key for key, before in waits.items() if key not in settled and settled.issuperset(before)}:
        settled |= more
    stuck = [key for key in waits if key not in settled]
    if stuck:
        circle = _circle(waits, stuck[0], settled)
        job = jobs.get(circle[0])
        ((job and job.get("needs")) or jobs).refuse(f"jobs wait for each other: {' needs '.join(circle)}")


def _needs_of(job: Spot) -> list[Spot]:
    needs = job.get("needs")
    return list(needs.elements()) if needs else []


def _circle(waits: dict[str, list[str]], start: str, settled: set[str]) -> list[str]:
    path = [start]
    while path.count(path[-1]) == 1:
        path.append(next(each for each in waits[path[-1]] if each not in settled))
    return path[path.index(path[-1]) :]


def _condition(spot: Spot) -> None:
    check_condition(spot, JOB_IF)


def _runs_on(spot: Spot) -> None:
    if isinstance(spot.value, dict):
        each_key(spot, {"group": text_of(LEG, filled=True), "labels": _labels})
        if not spot.value:
            spot.refuse(f"{spot.name} names neither a group nor labels")
    else:
        _labels(spot)


def _labels(spot: Spot) -> None:
    if spot.value in (None, "", []):
        spot.refuse(f"{spot.name} names no machine; write for example ubuntu-latest")
    for each in spot.elements():
        text_of(LEG, filled=True)(each)


def _strategy(spot: Spot) -> None:
    if has_expression(spot.value):
        check(spot, JOB)
        return
    each_key(spot, {"matrix": _matrix, "fail-fast": boolean_of(JOB), "max-parallel": count_of(JOB)})


def _matrix(spot: Spot) -> None:
    check(spot, JOB)
    if has_expression(spot.value):
        return
    mapping(spot)
    for _, each in spot.entries():
        if not isinstance(each.value, list) and not has_expression(each.value):
            each.refuse(f"{each.name} is a list, not {each.kind()}")
    if not _holds_expression(spot.value):
        try:
            matrix.legs(spot.value)
        except matrix.MatrixInvalid as error:
            spot.refuse(f"{spot.name}: {error}")


def _holds_expression(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_expression, value.values()))
    return any(map(_holds_expression, value)) if isinstance(value, list) else has_expression(value)


def _environment(spot: Spot) -> None:
    if not isinstance(spot.value, (dict, list)) and spot.value is not None:
        text_of(LEG)(spot)
        return
    each_key(spot, {"name": text_of(LEG, filled=True), "url": text_of(ENVIRONMENT_URL), "deployment": boolean_of(LEG)})
    needed(spot, "name", "it names the environment")


def _container(spot: Spot) -> None:
    if isinstance(spot.value, (dict, list)):
        each_key(spot, _CONTAINER)
        needed(spot, "image", "it names the image to run in")
    else:
        text_of(LEG)(spot)


def _services(spot: Spot) -> None:
    if has_expression(spot.value):
        check(spot, LEG)
        return
    mapping(spot)
    for _, each in spot.entries():
        _container(each)


def _credentials(spot: Spot) -> None:
    each_key(spot, {"username": text_of(CREDENTIALS), "password": text_of(CREDENTIALS)})


_CONTAINER = {
    "image": text_of(LEG),
    "credentials": _credentials,
    "env": texts_of(CONTAINER_ENV),
    "ports": list_of(LEG),
    "volumes": list_of(LEG),
    "options": text_of(LEG),
    "command": text_of(LEG),
    "entrypoint": text_of(LEG),
}

_KEYS = {
    "name": text_of(LEG),
    "needs": _needs,
    "permissions": permissions,
    "if": _condition,
    "runs-on": _runs_on,
    "strategy": _strategy,
    "environment": _environment,
    "concurrency": concurrency_of(LEG),
    "outputs": texts_of(OUTPUTS),
    "env": texts_of(JOB_ENV),
    "defaults": defaults_of(DEFAULTS),
    "steps": check_steps,
    "timeout-minutes": minutes_of(LEG),
    "cancel-timeout-minutes": minutes_of(LEG),
    "continue-on-error": boolean_of(LEG),
    "container": _container,
    "services": _services,
}

_CALL_KEYS = {
    **{key: _KEYS[key] for key in ("name", "needs", "permissions", "if", "strategy")},
    "uses": checking_calls.uses,
    "with": checking_calls.given,
    "secrets": checking_calls.secrets,
}
