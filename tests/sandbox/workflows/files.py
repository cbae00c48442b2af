"""Workflow files for tests."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit.sandbox.workflows import RunContext, Workflow, WorkflowInvalid, advance, load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.sandbox.workflows import JobOutcome, JobPlan

PATH = ".github/workflows/train.yml"
STEPS = "[{run: make}]"


def workflow(text: str) -> Workflow:
    """Read a workflow."""
    return load(PATH, dedent(text).lstrip("\n"))


def started_by(on: str) -> Workflow:
    """Read a workflow with one job and these triggers, given as YAML in one line."""
    return workflow(f"on: {on}\njobs: {{a: {{runs-on: ubuntu-latest, steps: {STEPS}}}}}\n")


def with_job(more: str, *, key: str = "train") -> Workflow:
    """Read a workflow with one job that has these keys besides a machine and a step."""
    body = "".join(f"    {line}\n" for line in dedent(more).strip("\n").splitlines())
    place = "" if "runs-on:" in body else "    runs-on: gpu\n"
    steps = "" if "steps:" in body else f"    steps: {STEPS}\n"
    return workflow(f"on: push\njobs:\n  {key}:\n{body}{place}{steps}")


def refused(text: str) -> tuple[int | None, str]:
    """Read a workflow that GitHub refuses; give line and message."""
    with pytest.raises(WorkflowInvalid) as caught:
        workflow(text)
    assert str(caught.value).startswith(f"{PATH}:")
    return caught.value.line, caught.value.message


def plans(
    read: Workflow,
    done: Mapping[str, Sequence[JobOutcome]] | None = None,
    *,
    cancelled: bool = False,
    **contexts: Any,  # noqa: ANN401 - the contexts' own values
) -> list[JobPlan]:
    """Plan what comes after the jobs that are done."""
    return advance(read, RunContext(**contexts), done or {}, set(done or ()), cancelled=cancelled)


def plan(read: Workflow, **contexts: Any) -> JobPlan:  # noqa: ANN401 - the contexts' own values
    """Plan the one job of a workflow."""
    (only,) = plans(read, **contexts)
    return only
