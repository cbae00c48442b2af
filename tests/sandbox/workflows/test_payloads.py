"""What a runner gets: one flattened job."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sandbox.workflows.files import plan, with_job, workflow

FULL = """
    name: Train
    on: push
    env: {A: 1, B: "${{ vars.B }}", S: "${{ secrets.S }}"}
    defaults: {run: {shell: bash, working-directory: src}}
    permissions: read-all
    jobs:
      train:
        runs-on: gpu
        env: {A: "${{ github.sha }}", N:}
        defaults: {run: {working-directory: "${{ vars.B }}"}}
        permissions: {contents: read, id-token: write}
        outputs: {x: "${{ steps.a.outputs.x }}-${{ github.sha }}"}
        container: {image: "py:${{ vars.B }}", env: {T: "${{ secrets.T }}"}}
        services: {db: {image: postgres, ports: ["5432:5432"]}}
        timeout-minutes: 5
        steps:
          - uses: actions/checkout@v5
            with: {persist-credentials: false, token: "${{ github.token }}"}
          - id: a
            name: Train on ${{ vars.B }}
            if: github.sha == 'abc' && success()
            continue-on-error: ${{ vars.B == 'b' }}
            timeout-minutes: ${{ fromJSON('7') }}
            env: {JOB: "${{ github.job }}", SHA: "${{ github.sha }}"}
            run: |
              echo ${{ github.sha }} ${{ env.A }}
    """


def test_everything_known_is_written_in() -> None:
    """Steps, environment, outputs and containers; what only the runner knows stays an expression."""
    found = plan(workflow(FULL), github={"sha": "abc", "event_name": "push"}, vars={"B": "b"}).payload
    assert found["workflow"] == {"name": "Train", "path": ".github/workflows/train.yml"}
    facts = {"key": "train", "name": "train", "timeout_minutes": 5, "continue_on_error": False}
    assert found["job"] == facts
    assert found["env"] == {"A": "abc", "B": "b", "S": "${{ secrets.S }}", "N": None}
    assert found["defaults"] == {"run": {"shell": "bash", "working-directory": "b"}}
    assert found["outputs"] == {"x": "${{ steps.a.outputs.x }}-abc"}
    assert found["container"] == {"image": "py:b", "env": {"T": "${{ secrets.T }}"}}
    assert found["services"] == {"db": {"image": "postgres", "ports": ["5432:5432"]}}
    assert found["github"] == {"sha": "abc", "event_name": "push", "job": "train"}
    assert found["steps"] == [
        {"uses": "actions/checkout@v5", "with": {"persist-credentials": False, "token": "${{ github.token }}"}},
        {
            "id": "a",
            "name": "Train on b",
            "if": "${{ success() }}",
            "continue-on-error": True,
            "timeout-minutes": 7,
            "env": {"JOB": "train", "SHA": "abc"},
            "run": "echo abc ${{ env.A }}\n",
        },
    ]
    assert json.loads(json.dumps(found)) == found


def test_a_bare_job_has_an_empty_frame() -> None:
    """Nothing is missing from a payload, whatever the workflow leaves out."""
    found = plan(with_job("")).payload
    empty: dict[str, Any] = {each: {} for each in ("env", "defaults", "outputs", "matrix", "needs", "inputs", "vars")}
    nothing = dict.fromkeys(("container", "services", "environment", "permissions"))
    assert {each: found[each] for each in (*empty, *nothing)} == {**empty, **nothing}


def test_a_value_is_never_read_as_an_expression() -> None:
    """A pull request's title with an expression in it reaches the step as text."""
    title = "x ${{ secrets.KEY }} '}}"
    read = with_job("""
        steps:
          - run: make
            env: {TITLE: "${{ github.event.title }}"}
            if: contains(github.event.title, env.X)
        """)
    (step,) = plan(read, github={"event": {"title": title}}).payload["steps"]
    assert step["env"]["TITLE"] == "x ${{ '$' }}{{ secrets.KEY }} '}}"
    assert step["if"] == "${{ contains('x ${{ secrets.KEY }} ''}}', env.X) }}"


@pytest.mark.parametrize(
    ("outer", "inner", "some"),
    [
        ("", "", None),
        ("permissions: read-all", "", {"contents": "read", "id-token": "none", "models": "read"}),
        ("permissions: write-all", "", {"contents": "write", "id-token": "write", "models": "read"}),
        ("permissions: {}", "", {"contents": "none", "id-token": "none"}),
        ("permissions: {contents: write}", "", {"contents": "write", "issues": "none"}),
        ("permissions: write-all", "permissions: {issues: read}", {"contents": "none", "issues": "read"}),
        ("permissions: write-all", "permissions: {}", {"contents": "none"}),
        ("permissions: {}", "permissions: read-all", {"contents": "read"}),
    ],
)
def test_permissions_are_written_out(outer: str, inner: str, some: dict[str, str] | None) -> None:
    """The job's replace the workflow's; what is not named is none."""
    read = workflow(f"{outer}\non: push\njobs:\n  a:\n    {inner}\n    runs-on: x\n    steps: [{{run: make}}]\n")
    found = plan(read).payload["permissions"]
    assert (found and {each: found[each] for each in some or ()}) == some


@pytest.mark.parametrize(
    ("key", "template", "expected"),
    [
        ("env", "${{ fromJSON(vars.E) }}", {"A": "1 ${{ '$' }}{{ x }}"}),
        ("container", '${{ fromJSON(\'{"image": "py"}\') }}', {"image": "py"}),
        ("container", "${{ vars.none }}", None),
        ("services", "${{ fromJSON('null') }}", None),
    ],
)
def test_mappings_may_be_expressions(key: str, template: str, expected: object) -> None:
    """An expression alone may stand for a whole mapping."""
    quoted = template.replace("'", "''")
    found = plan(with_job(f"{key}: '{quoted}'"), vars={"E": '{"A": "1 ${{ x }}"}'})
    assert found.payload[key] == expected


def test_numbers_and_booleans_are_those_of_yaml_1_2() -> None:
    """Yes is text, 3.10 is a number, and leading zeros do not make an octal."""
    read = with_job("env: {A: yes, B: 3.10, C: 010, D: 0o10, E: 1_000, F: 'true', G: ~, H: 2026-11-22, I: 12:30:45}")
    expected = {"A": "yes", "B": 3.1, "C": 10, "D": 8, "E": "1_000", "F": "true", "G": None}
    assert plan(read).payload["env"] == {**expected, "H": "2026-11-22", "I": "12:30:45"}


def test_anchors_are_shared() -> None:
    """An alias stands for what its anchor marks."""
    read = with_job("""
        env: &env {A: 1}
        steps:
          - &step
            run: make
            env: *env
          - *step
        """)
    assert plan(read).payload["steps"] == [{"run": "make", "env": {"A": 1}}] * 2
