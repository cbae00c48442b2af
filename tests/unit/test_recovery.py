"""Which interrupted runs go on, by which of GitHub's ways, and with which machines made first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runnerkit import labels
from runnerkit.errors import LabelError
from runnerkit.history import Run
from runnerkit.model import Job
from runnerkit.names import label_digest
from runnerkit.recovery import Because, Reason, Recovery, launched_by_hand, recoverable
from runnerkit.testing.clock import EPOCH
from runnerkit.wishes import Policy, Retry, RunnerSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

REPO = "acme/widgets"
LABEL, NEVER = "runnerkit=5/gpu=t4", "runnerkit=5/gpu=l4/retry=never"
DIGEST = label_digest(REPO, [LABEL])
RUN = Run(5, REPO, "completed", 1, EPOCH, conclusion="failure", event="push")
STOPPED = replace(RUN, conclusion="cancelled")
HAND = f"rk-5-1-{DIGEST}-1"


def job(number: int, conclusion: str | None = "failure", runner: str | None = None, label: str = LABEL) -> Job:
    """A job of the run that is over."""
    return Job(
        number, 5, 1, REPO, f"j{number}", "completed", (label,), EPOCH, conclusion=conclusion, runner_name=runner
    )


def spec_of(of: Job) -> RunnerSpec | None:
    """The wish as its label says it."""
    try:
        label = labels.read(of.labels, arrays=False)
    except LabelError:
        return None
    return label.spec.over(RunnerSpec(retry=Retry.INTERRUPTED)) if label else None


def decided(
    *jobs: Job, lost: Sequence[str] = (), annotated: Sequence[int] = (), run: Run = RUN, policy: Policy | None = None
) -> Recovery | Reason:
    """The decision about a run."""
    return recoverable(run, jobs, lost, annotated, policy or Policy(), spec_of)


A, B = job(1, runner="rk-1-1"), job(2, runner="rk-2-1")
CUT = replace(A, conclusion="cancelled")

REPEATED = {
    "the instance was taken": ([A], {"lost": ["rk-1-1"]}, None),
    "GitHub writes names as it likes": ([replace(A, runner_name="RK-1-1")], {"lost": ["rk-1-1"]}, None),
    "EC2 has forgotten it, the annotation has not": ([A], {"annotated": [1]}, None),
    "the jobs that went well do not matter": ([A, job(3, "success"), job(4, "skipped")], {"lost": ["rk-1-1"]}, None),
    "the second attempt": ([A], {"lost": ["rk-1-1"], "run": replace(RUN, attempt=2)}, None),
    "both jobs were taken": ([A, B], {"lost": ["rk-1-1", "rk-2-1"]}, None),
    "fail-fast cancelled the siblings": ([A, job(2, "cancelled"), job(3, "cancelled")], {"lost": ["rk-1-1"]}, None),
    "another merely failed": ([B, A], {"lost": ["rk-1-1"]}, 1),
    "another ran out of time": ([job(2, "timed_out"), A], {"lost": ["rk-1-1"]}, 1),
    "another was taken too, and must not be repeated": (
        [replace(B, labels=(NEVER,)), A],
        {"lost": ["rk-1-1", "rk-2-1"]},
        1,
    ),
    "it shows as cancelled": ([CUT, job(3, "success")], {"lost": ["rk-1-1"], "run": STOPPED}, 1),
    "one shows as cancelled, one as failed": ([CUT, B], {"lost": ["rk-1-1", "rk-2-1"]}, None),
}


@pytest.mark.parametrize(("jobs", "known", "alone"), REPEATED.values(), ids=REPEATED)
def test_interrupted_runs_go_on(jobs: list[Job], known: dict[str, object], alone: int | None) -> None:
    """All failed jobs are repeated where an interruption explains them all; else the interrupted one alone."""
    found = decided(*jobs, **known)  # type: ignore[arg-type]  # what is known, by name
    assert isinstance(found, Recovery), found
    assert (found.job.id if found.job else None) == alone
    assert 1 in {each.id for each in found.interrupted}
    assert found.attempt == found.run.attempt + 1


LEFT = {
    "it is going": ([replace(A, status="in_progress", conclusion=None)], {"lost": ["rk-1-1"]}, Because.NOT_OVER),
    "GitHub says so": ([A], {"lost": ["rk-1-1"], "run": replace(RUN, status="in_progress")}, Because.NOT_OVER),
    "all went well": ([job(1, "success", "rk-1-1")], {"lost": ["rk-1-1"]}, Because.WELL),
    "it merely failed": ([A], {}, Because.NOT_INTERRUPTED),
    "another's machine was taken": ([A], {"lost": ["rk-2-1"]}, Because.NOT_INTERRUPTED),
    "a machine without a name was taken": ([job(1)], {"lost": [""]}, Because.NOT_INTERRUPTED),
    "a merge queue's": ([A], {"lost": ["rk-1-1"], "run": replace(RUN, event="merge_group")}, Because.MERGE_QUEUE),
    "a person cancelled it": (
        [A, job(2, "cancelled")],
        {"lost": ["rk-1-1"], "run": STOPPED},
        Because.CANCELLED,
    ),
    "the label says never": ([replace(A, labels=(NEVER,))], {"lost": ["rk-1-1"]}, Because.NEVER),
    "the label is nobody's any more": ([replace(A, labels=("ubuntu-latest",))], {"annotated": [1]}, Because.NEVER),
    "often enough": ([A], {"lost": ["rk-1-1"], "run": replace(RUN, attempt=3)}, Because.ENOUGH),
    "never at all": ([A], {"lost": ["rk-1-1"], "policy": Policy(max_reruns=0)}, Because.ENOUGH),
}


@pytest.mark.parametrize(("jobs", "known", "because"), LEFT.values(), ids=LEFT)
def test_other_runs_are_left_with_a_reason(jobs: list[Job], known: dict[str, object], because: Because) -> None:
    """Each reason has a word for programs and a sentence for people."""
    found = decided(*jobs, **known)  # type: ignore[arg-type]  # what is known, by name
    assert isinstance(found, Reason), found
    assert (found.because, bool(found.text)) == (because, True)


def test_machines_of_launch_are_made_before_the_run_goes_on() -> None:
    """Each job that runs again under the label gets one, by the name that `launch` would give it in that attempt."""
    siblings = [replace(A, runner_name=HAND), job(2, "cancelled"), job(3, "cancelled", label="runnerkit=5/cpu=4")]
    found = decided(*siblings, lost=[HAND])
    assert isinstance(found, Recovery)
    launches = found.launches(REPO)
    assert [f"rk-5-2-{DIGEST}-1", f"rk-5-2-{DIGEST}-2"] == [str(launch.name) for launch in launches]
    assert {(launch.labels, launch.run_id, launch.job_id) for launch in launches} == {((LABEL,), 5, None)}


def test_one_job_alone_gets_one_machine() -> None:
    """Jobs that stay as they are need none, though `launch` made theirs as well."""
    found = decided(replace(A, runner_name=HAND), replace(B, runner_name=HAND[:-1] + "2"), lost=[HAND])
    assert isinstance(found, Recovery)
    assert (found.job and found.job.id, len(found.launches(REPO))) == (1, 1)


def test_a_controllers_jobs_need_no_machine_beforehand() -> None:
    """The next pass sees them queued and launches."""
    found = decided(A, lost=["rk-1-1"])
    assert isinstance(found, Recovery)
    assert found.launches(REPO) == ()


def test_several_interrupted_beside_one_that_merely_failed_take_turns() -> None:
    """What merely failed must not run again, so each interrupted job is repeated alone, the next one in its turn."""
    found = decided(A, B, job(3), lost=["rk-1-1", "rk-2-1"])
    assert isinstance(found, Recovery)
    assert (found.job and found.job.id, [each.id for each in found.later]) == (1, [2])
    assert "job 3" in found.text


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [("rk-5-1", False), (HAND, True), (HAND.upper(), True), (None, False), ("worker-1", False), ("", False)],
)
def test_a_name_tells_who_launched(name: str | None, by_hand: bool) -> None:
    """`launch` names machines after run, attempt and label, a controller after the job."""
    assert launched_by_hand(name) is by_hand
