"""Which jobs begin when, on which machines, and why one cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit.sandbox.workflows import JobOutcome
from tests.sandbox.workflows.files import plan, plans, with_job, workflow

if TYPE_CHECKING:
    from runnerkit.sandbox.workflows import JobPlan, Workflow

SUCCESS, FAILURE = JobOutcome("success"), JobOutcome("failure")
CANCELLED, SKIPPED = JobOutcome("cancelled"), JobOutcome("skipped")


def chain(condition: str = "", more: str = "") -> Workflow:
    """Three jobs: a, then b, then c."""
    return workflow(f"""
        on: push
        jobs:
          a: {{runs-on: gpu, steps: [{{run: make}}]{more}}}
          b: {{needs: a, runs-on: gpu, steps: [{{run: make}}]}}
          c:
            needs: [b]
            {condition}
            runs-on: gpu
            steps: [{{run: make}}]
        """)


def story(read: Workflow, ends: dict[str, JobOutcome], *, cancelled: bool = False) -> dict[str, str]:
    """Run a workflow to its end: each job ends as told, skipped ones as skipped."""
    done: dict[str, list[JobOutcome]] = {}
    found: dict[str, str] = {}
    for _ in read.job_keys:
        for each in plans(read, done, cancelled=cancelled):
            assert each.problem is None
            done[each.key] = [SKIPPED if each.skipped else ends.get(each.key, SUCCESS)]
            found[each.key] = done[each.key][0].conclusion
    return found


def keys(found: list[JobPlan]) -> list[str]:
    return [each.key for each in found]


def test_a_job_waits_for_all_it_needs() -> None:
    """Nothing begins early, nothing is planned twice."""
    read = workflow("""
        on: push
        jobs:
          a: {runs-on: gpu, steps: [{run: make}]}
          b: {runs-on: gpu, steps: [{run: make}]}
          c: {runs-on: gpu, needs: [a, b], steps: [{run: make}]}
        """)
    assert keys(plans(read)) == ["a", "b"]
    assert keys(plans(read, {"a": [SUCCESS]})) == ["b"]
    assert keys(plans(read, {"a": [SUCCESS], "b": [SUCCESS]})) == ["c"]
    assert plans(read, {"a": [SUCCESS], "b": [SUCCESS], "c": [SUCCESS]}) == []


@pytest.mark.parametrize(
    ("condition", "ends", "expected"),
    [
        ("", {}, "success"),
        ("", {"a": FAILURE}, "skipped"),
        ("", {"b": FAILURE}, "skipped"),
        ("", {"b": CANCELLED}, "skipped"),
        ("if: always()", {"a": FAILURE}, "success"),
        ("if: ${{ always() }}", {"b": FAILURE}, "success"),
        ("if: failure()", {}, "skipped"),
        ("if: failure()", {"a": FAILURE}, "success"),
        ("if: failure()", {"b": JobOutcome("timed_out")}, "success"),
        ("if: failure('b')", {"a": FAILURE}, "skipped"),
        ("if: success('a') && failure('b')", {"b": FAILURE}, "success"),
        ("if: success() || failure()", {"b": FAILURE}, "success"),
        ("if: cancelled()", {"b": CANCELLED}, "skipped"),
        ("if: '!cancelled()'", {"b": FAILURE}, "success"),
        ("if: needs.b.result == 'failure'", {"b": FAILURE}, "skipped"),
        ("if: always() && needs.b.result == 'failure'", {"b": FAILURE}, "success"),
        ("if: github.ref == 'refs/heads/main'", {}, "skipped"),
        ("if: 'false'", {}, "skipped"),
        ("if: false", {}, "skipped"),
        ("if: ''", {}, "success"),
        ("if: needs.b.result == 'success' && ${{ false }}", {}, "success"),
    ],
)
def test_conditions_look_at_all_jobs_before(condition: str, ends: dict[str, JobOutcome], expected: str) -> None:
    """Without a status function success() is understood, and a skipped or failed ancestor is no success."""
    assert story(chain(condition), ends)["c"] == expected


def test_a_skipped_job_skips_what_needs_it_unless_it_asks() -> None:
    """Skipping goes on down the chain, past a job that ran in spite of it."""
    read = workflow("""
        on: push
        jobs:
          a: {if: false, runs-on: gpu, steps: [{run: make}]}
          b: {needs: a, if: always(), runs-on: gpu, steps: [{run: make}]}
          c: {needs: b, runs-on: gpu, steps: [{run: make}]}
          d: {needs: b, if: "!failure()", runs-on: gpu, steps: [{run: make}]}
        """)
    assert story(read, {}) == {"a": "skipped", "b": "success", "c": "skipped", "d": "success"}


def test_a_cancelled_run_begins_only_what_asks_for_it() -> None:
    """Always() and cancelled() run; success() and failure() are both false."""
    read = workflow("""
        on: push
        jobs:
          a: {runs-on: gpu, steps: [{run: make}]}
          b: {if: always(), runs-on: gpu, steps: [{run: make}]}
          c: {if: cancelled(), runs-on: gpu, steps: [{run: make}]}
          d: {if: failure(), runs-on: gpu, steps: [{run: make}]}
        """)
    assert story(read, {}, cancelled=True) == {"a": "skipped", "b": "success", "c": "success", "d": "skipped"}


def test_what_failed_before_a_cancellation_counts_no_more() -> None:
    """Once the run is cancelled, failure() is false whatever failed before."""
    (found,) = plans(chain("if: failure()"), {"a": [FAILURE], "b": [FAILURE]}, cancelled=True)
    assert found.skipped
    (found,) = plans(chain("if: failure() || cancelled()"), {"a": [FAILURE], "b": [FAILURE]}, cancelled=True)
    assert not found.skipped


def test_a_failure_that_may_be_ignored_is_a_success_for_the_next() -> None:
    """Continue-on-error, of the job or of the leg that failed."""
    assert story(chain("", ", continue-on-error: true"), {"a": FAILURE})["c"] == "success"
    assert story(chain(), {"a": JobOutcome("failure", continued=True)})["c"] == "success"
    assert story(chain("", ", continue-on-error: false"), {"a": FAILURE})["c"] == "skipped"


def test_needs_tell_results_and_outputs() -> None:
    """Outputs of legs are joined, and the worst result counts."""
    read = workflow("""
        on: push
        jobs:
          a: {runs-on: gpu, steps: [{run: make}]}
          b:
            needs: a
            if: always()
            runs-on: "${{ needs.a.outputs.label }}"
            name: after ${{ needs.a.result }}
            steps: [{run: "echo ${{ toJSON(needs.a.outputs) }}"}]
        """)
    legs = [JobOutcome("success", {"label": "x", "n": "1"}), JobOutcome("failure", {"label": "", "m": "2"})]
    (found,) = plans(read, {"a": legs})
    assert (found.name, found.labels) == ("after failure", ("x",))
    assert found.payload["needs"] == {"a": {"result": "failure", "outputs": {"label": "x", "n": "1", "m": "2"}}}
    assert found.needs == ("a",)


@pytest.mark.parametrize(
    ("conclusions", "expected"),
    [
        (["success", "skipped"], "success"),
        (["success", "cancelled"], "cancelled"),
        (["cancelled", "failure"], "failure"),
        (["skipped"], "skipped"),
    ],
)
def test_legs_have_one_result(conclusions: list[str], expected: str) -> None:
    """The worst of a job's legs is the job's result."""
    read = chain("if: always()\n            name: ${{ needs.b.result }}")
    (found,) = plans(read, {"a": [SUCCESS], "b": [JobOutcome(each) for each in conclusions]})
    assert found.name == expected


def test_a_matrix_makes_a_job_for_each_leg() -> None:
    """Names, labels, limits and contexts of each leg."""
    read = with_job("""
        strategy:
          fail-fast: ${{ github.event_name == 'x' }}
          max-parallel: 2
          matrix: {gpu: [t4, l4], n: [1, 2], exclude: [{gpu: l4, n: 2}]}
        runs-on: [self-hosted, "gpu=${{ matrix.gpu }}"]
        continue-on-error: ${{ matrix.n == 2 }}
        timeout-minutes: ${{ matrix.n }}
        env: {PLACE: "${{ strategy.job-index }} of ${{ strategy.job-total }}, ${{ strategy.max-parallel }}"}
        """)
    found = plans(read, github={"event_name": "push"})
    assert [each.name for each in found] == ["train (t4, 1)", "train (t4, 2)", "train (l4, 1)"]
    assert [each.labels for each in found] == [("self-hosted", f"gpu={gpu}") for gpu in ("t4", "t4", "l4")]
    assert [each.continue_on_error for each in found] == [False, True, False]
    assert [each.timeout_minutes for each in found] == [1, 2, 1]
    assert {(each.fail_fast, each.max_parallel) for each in found} == {(False, 2)}
    assert [each.payload["env"]["PLACE"] for each in found] == [f"{place} of 3, 2" for place in range(3)]
    assert found[2].payload["matrix"] == {"gpu": "l4", "n": 1}


def test_a_matrix_may_come_out_of_a_job_before() -> None:
    """FromJSON of an output makes the whole matrix or one of its lists."""
    read = workflow("""
        on: push
        jobs:
          a: {runs-on: gpu, steps: [{run: make}]}
          b:
            needs: a
            strategy: {matrix: "${{ fromJSON(needs.a.outputs.all) }}"}
            runs-on: gpu
            steps: [{run: make}]
          c:
            needs: a
            strategy: {matrix: {x: "${{ fromJSON(needs.a.outputs.list) }}"}}
            runs-on: gpu
            steps: [{run: make}]
        """)
    outputs = {"all": '{"include": [{"a": "${{ x }}"}, {"a": 2.0}]}', "list": "[1, 2]"}
    found = plans(read, {"a": [JobOutcome("success", outputs)]})
    assert [each.name for each in found] == ["b (${{ x }})", "b (2)", "c (1)", "c (2)"]


@pytest.mark.parametrize(
    ("runs_on", "labels", "group", "hosted"),
    [
        ("ubuntu-latest", ("ubuntu-latest",), None, True),
        ("Ubuntu-24.04", ("Ubuntu-24.04",), None, True),
        ("[ubuntu-22.04]", ("ubuntu-22.04",), None, True),
        ("[self-hosted, ubuntu-latest]", ("self-hosted", "ubuntu-latest"), None, False),
        ("runnerkit=${{ github.run_id }}/gpu=t4", ("runnerkit=7/gpu=t4",), None, False),
        ('${{ fromJSON(\'["a", "b"]\') }}', ("a", "b"), None, False),
        ("${{ github.run_id && 'ubuntu-latest' || 'gpu' }}", ("ubuntu-latest",), None, True),
        ("{group: big, labels: [gpu, x64]}", ("gpu", "x64"), "big", False),
        ("{group: big}", (), "big", False),
        ("{group: big, labels: ubuntu-latest}", ("ubuntu-latest",), "big", False),
        ("{labels: gpu}", ("gpu",), None, False),
        ("{group: '${{ github.run_id }}', labels: '${{ fromJSON(''[1]'') }}'}", ("1",), "7", False),
    ],
)
def test_where_a_job_runs(runs_on: str, labels: tuple[str, ...], group: str | None, hosted: bool) -> None:
    """A label, several, an expression, or a group."""
    found = plan(with_job(f"runs-on: {runs_on}"), github={"run_id": 7})
    assert (found.labels, found.group, found.hosted, found.problem) == (labels, group, hosted, None)


@pytest.mark.parametrize("label", ["windows-latest", "macos-15", "ubuntu-24.04-arm"])
def test_hosted_machines_that_nobody_serves(label: str) -> None:
    """They are hosted, and the plan says that the job would wait for ever."""
    found = plan(with_job(f"runs-on: {label}"))
    assert found.hosted
    assert found.problem
    assert f"nobody serves '{label}'" in found.problem


@pytest.mark.parametrize(
    ("job", "told"),
    [
        ("runs-on: ${{ github.nothing }}", ":3: jobs.train.runs-on: runs-on came out empty"),
        ("runs-on: ${{ fromJSON('[]') }}", "runs-on: runs-on is an empty list"),
        ("runs-on: {group: '${{ github.no }}'}", "neither a group nor labels"),
        ("strategy: {matrix: {x: '${{ fromJSON(github.bad) }}'}}", "strategy: fromJSON() cannot read '{'"),
        ("strategy: {matrix: {x: '${{ fromJSON(github.empty) }}'}}", "strategy: matrix.x has no values"),
        ("strategy: {matrix: {x: [1]}, max-parallel: '${{ github.no }}'}", "'' is no number of jobs"),
        ("timeout-minutes: ${{ github.no }}", "'' is no number of minutes above 0"),
        ("name: ${{ fromJSON(github.bad) }}", "jobs.train.name: fromJSON()"),
        ("if: fromJSON(github.bad)", "jobs.train.if: fromJSON()"),
    ],
)
def test_a_job_that_cannot_be_run_says_why(job: str, told: str) -> None:
    """What only shows when values are known becomes the plan's problem, with the file and the line."""
    found = plan(with_job(job), github={"bad": "{", "empty": "[]"})
    assert told in (found.problem or "")
    assert (found.key, found.skipped, found.payload) == ("train", False, {})
