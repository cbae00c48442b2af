"""How runs and jobs are named and limited, and which environment they enter."""

from __future__ import annotations

from typing import Any

import pytest

from runnerkit.sandbox.workflows import Concurrency, RunContext, concurrency, run_title
from tests.sandbox.workflows.files import plan, with_job, workflow


@pytest.mark.parametrize(
    ("environment", "name", "url"),
    [
        ("production", "production", ""),
        ("${{ inputs.to }}", "staging", ""),
        ("${{ inputs.none }}", None, ""),
        (
            "{name: production, url: 'https://example.com/${{ inputs.to }}'}",
            "production",
            "https://example.com/staging",
        ),
        ("{name: p, url: '${{ steps.a.outputs.url }}'}", "p", ""),
    ],
)
def test_environments(environment: str, name: str | None, url: str) -> None:
    """By name, or with an address that may only be known later."""
    found = plan(with_job(f"environment: {environment}"), inputs={"to": "staging"})
    assert (found.environment, found.environment_url) == (name, url)


def test_the_address_of_an_environment_may_depend_on_steps() -> None:
    """Then the payload has it, for the runner to complete."""
    found = plan(with_job("environment: {name: p, url: 'https://${{ inputs.to }}/${{ steps.a.outputs.x }}'}"))
    assert found.payload["environment"] == {"name": "p", "url": "https:///${{ steps.a.outputs.x }}"}


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("deploy-${{ github.ref }}", Concurrency("deploy-main")),
        ("{group: x, cancel-in-progress: true}", Concurrency("x", cancel_in_progress=True)),
        ("{group: x, cancel-in-progress: \"${{ github.ref == 'main' }}\"}", Concurrency("x", cancel_in_progress=True)),
        ("{group: '${{ github.ref }}', cancel-in-progress: \"${{ github.ref != 'main' }}\"}", Concurrency("main")),
        ("${{ github.none }}", None),
    ],
)
def test_concurrency_of_runs_and_jobs(setting: str, expected: Concurrency | None) -> None:
    """Text or a mapping, at both levels."""
    github = {"ref": "main"}
    whole = workflow(f"on: push\nconcurrency: {setting}\njobs: {{a: {{runs-on: x, steps: [{{run: make}}]}}}}\n")
    assert concurrency(whole, RunContext(github=github)) == expected
    assert plan(with_job(f"concurrency: {setting}"), github=github).concurrency == expected
    assert concurrency(with_job(""), RunContext()) is None


@pytest.mark.parametrize(
    ("head", "title"),
    [
        ("name: Train", "Train"),
        ("name: Train\nrun-name: Train on ${{ inputs.data }} by @${{ github.actor }}", "Train on iris by @octocat"),
        ("run-name: ${{ github.nothing }}", ".github/workflows/train.yml"),
        ("", ".github/workflows/train.yml"),
    ],
)
def test_titles(head: str, title: str) -> None:
    """The run's name, the workflow's, or its path."""
    read = workflow(f"{head}\non: push\njobs: {{a: {{runs-on: x, steps: [{{run: make}}]}}}}\n")
    assert run_title(read, RunContext(github={"actor": "octocat"}, inputs={"data": "iris"})) == title


@pytest.mark.parametrize(
    ("job", "contexts", "name"),
    [
        ("name: Train it", {}, "Train it"),
        ("name: Train it\nstrategy: {matrix: {n: [1]}}", {}, "Train it (1)"),
        ("name: Train ${{ matrix.n }}\nstrategy: {matrix: {n: [1]}}", {}, "Train 1"),
        ("name: ${{ vars.NAME }}", {"vars": {"NAME": "x"}}, "x"),
        ("name: ${{ vars.NAME }}", {}, "train"),
        ("if: false\nname: On ${{ matrix.n }}\nstrategy: {matrix: {n: [1]}}", {}, "On ${{ matrix.n }}"),
        ("if: false\nname: On ${{ github.ref }}", {"github": {"ref": "r"}}, "On r"),
    ],
)
def test_names(job: str, contexts: dict[str, Any], name: str) -> None:
    """A leg's values follow a fixed name; an expression names the leg itself; a skipped job has no legs."""
    assert plan(with_job(job), **contexts).name == name


def test_what_holds_when_nothing_is_said() -> None:
    """Six hours, fail-fast, no limit of legs."""
    found = plan(with_job(""))
    assert (found.timeout_minutes, found.fail_fast, found.max_parallel) == (360, True, None)
    assert (found.continue_on_error, found.concurrency, found.environment) == (False, None, None)
