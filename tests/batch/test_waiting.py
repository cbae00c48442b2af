"""Why a job waits, in words: each reason of Batch's, and what its surroundings look like."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runnerkit.batch.explaining import REASONS, Explanation, Others, explain, giving_up, invalid
from runnerkit.errors import LaunchRejected, LeaseExpired, NoCapacity, RunnerkitError
from tests.batch.ground import FINE, QUEUE, RUNNABLE

NOBODY = Others()


@pytest.mark.parametrize(
    ("reason", "words", "lasting", "error"),
    [
        ("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot", "no capacity", False, NoCapacity),
        ("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s)", "more vCPUs than", True, LaunchRejected),
        ("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job", "no type .* large enough", True, LaunchRejected),
        ("MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED", "does not start", True, LaunchRejected),
        ("MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS - x", "role with which Batch", True, LaunchRejected),
        ("ACTION_REQUIRED - CE(s) are invalid", "cannot be used", True, LaunchRejected),
        ("UNDETERMINED - Batch job is blocked", "does not know why", False, LeaseExpired),
    ],
)
def test_each_reason_of_batch_has_words(reason: str, words: str, lasting: bool, error: type[RunnerkitError]) -> None:
    """Batch's own text stands behind ours, and what to do is in the hint."""
    why = explain(replace(RUNNABLE, reason=reason), QUEUE, [FINE], NOBODY)
    assert (lasting, error) == (why.lasting, why.error)
    assert reason in why.text
    assert why.hint
    with pytest.raises(error, match=words):
        raise giving_up(why, "30 min 00 s")


def test_no_reason_is_documented_that_has_no_words() -> None:
    """The reasons that AWS's user guide lists."""
    listed = {
        "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY", "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
        "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT", "MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED",
        "MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS", "ACTION_REQUIRED", "UNDETERMINED",
    }  # fmt: skip
    assert listed == {start for start, _ in REASONS}


@pytest.mark.parametrize(
    ("queue", "computes", "others", "words", "lasting"),
    [
        (None, [], NOBODY, "queue is gone", True),
        (replace(QUEUE, status="INVALID", reason="because"), [FINE], NOBODY, "queue q is INVALID: because", True),
        (QUEUE, [], NOBODY, "environments of its queue are gone", True),
        (QUEUE, [replace(FINE, status="INVALID", reason="no role")], NOBODY, "spot is INVALID: no role", True),
        (QUEUE, [replace(FINE, state="DISABLED")], NOBODY, "spot is disabled", True),
        (QUEUE, [replace(FINE, status="CREATING")], NOBODY, "not ready yet", False),
        (QUEUE, [replace(FINE, max_vcpus=2)], NOBODY, "more vCPUs than", True),
        (QUEUE, [FINE], Others(3, 14), "3 other jobs have 14 of the 16 vCPUs .* needs 4", False),
        (QUEUE, [FINE], Others(1, 16), "another job has 16 of the 16", False),
        (QUEUE, [replace(FINE, desired_vcpus=8)], NOBODY, "asked EC2 for machines with 8 vCPUs", False),
        (QUEUE, [FINE], NOBODY, "not asked EC2", False),
    ],
)
def test_without_a_reason_of_batch_the_surroundings_tell(
    queue: object, computes: list[object], others: Others, words: str, lasting: bool
) -> None:
    """A queue or compute environment that cannot be used, others that are served first, machines that do not join."""
    why = explain(RUNNABLE, queue, computes, others)  # type: ignore[arg-type]  # columns of a table
    with pytest.raises(RunnerkitError, match=words):
        raise giving_up(why, "1 s")
    assert lasting == why.lasting


def test_one_usable_compute_environment_is_enough() -> None:
    """Beside it others may be invalid or disabled."""
    computes = [replace(FINE, status="INVALID"), replace(FINE, state="DISABLED"), FINE]
    assert "asked EC2" in explain(RUNNABLE, QUEUE, computes, NOBODY).text


def test_waiting_for_others_comes_before_a_guess_of_batch() -> None:
    """A reason that only time can cure is not told while the queue is simply full."""
    job = replace(RUNNABLE, reason="UNDETERMINED - Batch job is blocked")
    assert "waits for its turn" in explain(job, QUEUE, [FINE], Others(2, 16)).text


@pytest.mark.parametrize(
    ("reason", "cure"),
    [
        ("CLIENT_ERROR - Not authorized to perform sts:AssumeRole", "--instance-profile"),
        ("CLIENT_ERROR - The subnet ID 'subnet-1' does not exist", "[aws] subnets"),
        ("CLIENT_ERROR - The security group 'sg-1' does not exist", "[aws] security_groups"),
        ("", "batch remove"),
    ],
)
def test_an_invalid_compute_environment_comes_with_a_cure(reason: str, cure: str) -> None:
    """The console's words alone help few."""
    assert cure in invalid(replace(FINE, status="INVALID", reason=reason)).hint


def test_giving_up_without_any_reason_is_a_deadline() -> None:
    """Exit code 7, and how to wait longer."""
    error = giving_up(None, "30 min 00 s")
    assert (7, "allow more time with --give-up-after") == (error.exit_code, error.hint)
    assert giving_up(Explanation("x", error=NoCapacity), "1 s").exit_code == 4
