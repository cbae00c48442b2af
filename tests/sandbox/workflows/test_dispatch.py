"""Inputs of a dispatch."""

from __future__ import annotations

from typing import Any

import pytest

from runnerkit.sandbox.workflows import WorkflowInvalid, dispatch_inputs
from tests.sandbox.workflows.files import started_by

READ = started_by(
    "{workflow_dispatch: {inputs: {data: {required: true}, deploy: {type: boolean, required: true}, n: {type: number},"
    " size: {type: choice, options: [small, large]}, to: {type: environment, default: staging},"
    " on: {type: boolean, default: true}, free:}}}"
)
DEFAULTS = {"deploy": False, "n": None, "size": "small", "to": "staging", "on": True, "free": ""}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"data": "iris"}, {"data": "iris", **DEFAULTS}),
        ({"data": 5, "deploy": "true", "on": False}, {**DEFAULTS, "data": "5", "deploy": True, "on": False}),
        ({"data": "x", "n": "3.0", "size": "large"}, {**DEFAULTS, "data": "x", "n": 3, "size": "large"}),
    ],
)
def test_inputs_are_completed(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """Defaults are filled in, booleans and numbers become such."""
    assert dispatch_inputs(READ, given) == expected


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "'data' is required"),
        ({"data": ""}, "'data' is required"),
        ({"data": "x", "dta": "y"}, "unexpected input 'dta'; did you mean 'data'?"),
        ({"data": "x", "deploy": "yes"}, "'deploy' is true or false, not 'yes'"),
        ({"data": "x", "n": "many"}, "'n' is a number, not 'many'"),
        ({"data": "x", "size": "huge"}, "'size' is one of small, large, not 'huge'"),
    ],
)
def test_inputs_are_checked(given: dict[str, Any], told: str) -> None:
    """A message for each thing that can be wrong."""
    with pytest.raises(WorkflowInvalid) as caught:
        dispatch_inputs(READ, given)
    assert told in caught.value.message


def test_only_a_workflow_that_asks_for_it_can_be_dispatched() -> None:
    """GitHub's own words, which clients know."""
    with pytest.raises(WorkflowInvalid) as caught:
        dispatch_inputs(started_by("push"), {})
    assert caught.value.message == "Workflow does not have 'workflow_dispatch' trigger"
    assert dispatch_inputs(started_by("workflow_dispatch"), {}) == {}
