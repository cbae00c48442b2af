"""The reusable workflow in every case but the good one: which of its jobs begin, and what they are told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit.sandbox.workflows import Home, JobOutcome, RunContext, advance, link, load

if TYPE_CHECKING:
    from runnerkit.sandbox.workflows import JobPlan, Workflow

CALLED = Path(__file__).parents[2] / ".github" / "workflows" / "dvc.yml"
HOME = Home("acme/widgets", "refs/heads/main", "a" * 40)
CALLER = """
name: train
on: push
permissions: {contents: read, id-token: write, pull-requests: write}
jobs:
  train:
    strategy: {matrix: {name: [small, big]}}
    uses: acme/runnerkit/.github/workflows/dvc.yml@v1
    with: {role: r, aws-region: us-east-1, gpu: t4, name: "${{ matrix.name }}", report: REPORT}
    secrets: inherit
"""
NEVER = "skipped"


def called(report: str = "true") -> Workflow:
    """A workflow that calls ours twice, as a matrix."""
    ours = load(".github/workflows/dvc.yml", CALLED.read_text(encoding="utf-8"))
    there = Home("acme/runnerkit", "refs/tags/v1", "b" * 40)
    return link(load(".github/workflows/train.yml", CALLER.replace("REPORT", report)), HOME, lambda *_: (ours, there))


def context(event: str = "push", head: str | None = None) -> RunContext:
    """A run; with ``head``, the event tells of a pull request from that repository."""
    told: dict[str, Any] = {"repository": {"default_branch": "main"}}
    if head is not None:
        told["pull_request"] = {"number": 1, "head": {"repo": {"full_name": head}}}
    github = {"repository": "acme/widgets", "run_id": "7", "event_name": event, "event": told, "workflow": "train"}
    return RunContext(github=github)


def played(results: dict[str, str], run: RunContext, report: str = "true") -> dict[str, JobPlan]:
    """Let the small call's jobs end as told, and give what was planned for each."""
    planned: dict[str, JobPlan] = {}
    done: dict[str, list[JobOutcome]] = {}
    for _ in range(4):
        for plan in advance(called(report), run, done, list(planned)):
            key = plan.key.rpartition("/")[2]
            planned[plan.key] = plan
            result = NEVER if plan.skipped else results.get(key, "success")
            done[plan.key] = [JobOutcome(result, {"label": "runnerkit=7/gpu=t4"} if key == "launch" else {})]
    return {key.rpartition("/")[2]: plan for key, plan in planned.items() if "train.0" in key}


def begun(plans: dict[str, JobPlan]) -> list[str]:
    """The jobs that run."""
    return sorted(key for key, plan in plans.items() if not plan.skipped)


@pytest.mark.parametrize(
    ("results", "wanted"),
    [
        ({}, ["dvc", "launch", "report"]),
        # Rejected by the reviewers, or no machine to be had: nothing is queued for a label that nobody serves.
        ({"launch": "failure"}, ["launch"]),
        ({"dvc": "failure"}, ["dvc", "launch", "report"]),
    ],
)
def test_who_runs_after_what(results: dict[str, str], wanted: list[str]) -> None:
    """Without a machine no job is queued for one; a pipeline that failed is reported all the same."""
    assert wanted == begun(played(results, context()))


@pytest.mark.parametrize(
    ("event", "head", "launched"),
    [
        ("push", None, True),
        ("schedule", None, True),
        ("pull_request", "acme/widgets", True),
        ("pull_request", "mallory/widgets", False),
        ("pull_request_review", "mallory/widgets", False),
        ("pull_request_target", "acme/widgets", False),
    ],
)
def test_whose_event_gets_a_machine(event: str, head: str | None, *, launched: bool) -> None:
    """A fork's pull request gets none by whatever event; nor does the event that runs with everything."""
    assert begun(played({}, context(event, head))) == (["dvc", "launch", "report"] if launched else [])


def test_calls_of_one_run_do_not_meet() -> None:
    """Each has a label, an artifact and a comment of its own."""
    small = played({}, context())
    (launch,) = [each for each in small["launch"].payload["steps"] if each.get("id") == "launch"]
    assert launch["with"]["scope"] == "7-small"
    (report,) = [each for each in small["report"].payload["steps"] if each.get("name") == "Report"]
    assert (report["env"]["NAME"], report["run"]) == ("small", 'exec runnerkit report --key="$GITHUB_WORKFLOW/$NAME"')
    (down,) = [each for each in small["report"].payload["steps"] if "download-artifact" in each.get("uses", "")]
    assert down["with"]["name"] == "runnerkit-small"


def test_a_report_that_nobody_wants() -> None:
    """With `report: false` nothing is written anywhere."""
    assert begun(played({}, context(), "false")) == ["dvc", "launch"]
