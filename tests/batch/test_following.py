"""A job followed, submitted and ended, over a Batch in memory and a clock that does not wait."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runnerkit.batch.ending import cancel
from runnerkit.batch.following import PATIENCE, Follower, Patience
from runnerkit.batch.outcome import outcome
from runnerkit.batch.reading import Log
from runnerkit.batch.states import Attempt, Job, JobState
from runnerkit.batch.submitting import Submission
from runnerkit.errors import CloudDenied, CloudThrottled, CloudUnavailable, LaunchRejected, LeaseExpired, NoCapacity
from runnerkit.testing import FakeClock
from tests.batch.ground import FINE, RUNNABLE, Scripted

RUNNING = replace(RUNNABLE, state=JobState.RUNNING, log_stream="d/default/1")
DONE = replace(RUNNING, state=JobState.SUCCEEDED, exit_code=0)
NO_ROOM = replace(RUNNABLE, reason="CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - no g4dn")


def follow(batch: Scripted, **patience: float) -> tuple[Job, list[str], list[str]]:
    """The job in the end, what was told, and the log."""
    said: list[str] = []
    lines: list[str] = []
    log = Log(batch, lines.append, {"MY_TOKEN": "swordfish-99"})
    clock = FakeClock()
    return Follower(batch, clock, Patience(**patience), log, said.append).follow("j1"), said, lines


def test_every_change_of_state_is_told_and_the_link_once_it_runs() -> None:
    """With CloudWatch's own way to write slashes."""
    looks = [replace(RUNNABLE, state=JobState.SUBMITTED), RUNNABLE, RUNNABLE, RUNNING, RUNNING, DONE]
    job, said, _ = follow(Scripted(list(looks)))
    assert JobState.SUCCEEDED is job.state
    assert ["SUBMITTED", "RUNNABLE", "RUNNING", "log:", "SUCCEEDED"] == [text.split()[0] for text in said]
    assert said[3].endswith("/log-group/$252Faws$252Fbatch$252Fjob/log-events/d$252Fdefault$252F1")


def test_the_log_comes_once_and_whole_and_safe() -> None:
    """Whatever the size of a page; the last lines after the end; no control characters, no secrets."""
    lines = ["one", "\x1b[31mtwo\x1b[0m", "the token is swordfish-99", *(str(n) for n in range(25))]
    batch = Scripted([RUNNING, RUNNING, DONE], {"d/default/1": lines}, page=7)
    assert ["one", "two", "the token is ***", *(str(n) for n in range(25))] == follow(batch)[2]


def test_a_log_that_may_not_be_read_does_not_end_the_job() -> None:
    """It is told, and the job is followed to its end."""
    batch = Scripted([RUNNING, DONE], log_error=CloudDenied("the permission logs:GetLogEvents is missing"))
    job, said, lines = follow(batch)
    assert ([], JobState.SUCCEEDED) == (lines, job.state)
    assert "logs:GetLogEvents" in said[-1]


def test_an_attempt_that_lost_its_machine_is_told_and_its_log_kept() -> None:
    """The log of the first attempt comes before that of the second."""
    lost = Attempt(None, "Host EC2 (instance i-0a) terminated.", "", "d/default/1")
    again = replace(RUNNABLE, attempts=(lost,), log_stream="d/default/1")
    second = replace(RUNNING, attempts=(lost,), log_stream="d/default/2")
    ended = replace(second, state=JobState.SUCCEEDED, exit_code=0)
    batch = Scripted([RUNNING, again, second, ended], {"d/default/1": ["a"], "d/default/2": ["b"]})
    _, said, lines = follow(batch)
    assert ["a", "b"] == lines
    assert any("attempt 1 was lost: Host EC2 (instance i-0a) terminated." in text for text in said)
    assert 2 == sum(text.startswith("log: ") for text in said)


def test_a_long_wait_is_explained_once_and_then_given_up() -> None:
    """The same reason is not repeated; the job is cancelled; the exit code is that of no capacity."""
    batch = Scripted([NO_ROOM])
    with pytest.raises(NoCapacity, match=r"within 3\d min .* was cancelled: EC2 has no capacity") as caught:
        follow(batch)
    assert (4, ["cancel j1"]) == (caught.value.exit_code, batch.done)


def test_a_wait_that_only_a_change_can_end_is_not_waited_out() -> None:
    """An invalid compute environment ends it after the first explanation."""
    batch = Scripted([RUNNABLE], compute_now=[replace(FINE, status="INVALID", reason="no such role")])
    with pytest.raises(LaunchRejected, match=r"can get no machine and was cancelled: .* INVALID: no such role"):
        follow(batch, give_up_after=10**6)


def test_a_machine_that_comes_at_the_last_moment_is_used() -> None:
    """Between the look and the cancellation, which does not touch such a job: it is followed on and not terminated."""
    batch = Scripted([RUNNABLE, RUNNING, RUNNING, DONE])
    assert JobState.SUCCEEDED is follow(batch, give_up_after=0)[0].state
    assert [] == batch.done


def test_the_wait_is_counted_anew_for_each_attempt() -> None:
    """A job that ran for hours has not waited for hours."""
    lost = Attempt(None, "Host EC2 (instance i-0a) terminated.")
    again = replace(RUNNABLE, attempts=(lost,))
    batch = Scripted([*[RUNNABLE] * 20, *[RUNNING] * 3, *[again] * 20, DONE])
    assert JobState.SUCCEEDED is follow(batch, give_up_after=190)[0].state


def test_an_outage_of_some_minutes_is_outlived() -> None:
    """And a longer one is an error that says that AWS could not be asked."""
    outage = CloudUnavailable("no road to AWS")
    assert JobState.SUCCEEDED is follow(Scripted([RUNNING, *[outage] * (PATIENCE - 1), DONE]))[0].state
    with pytest.raises(CloudUnavailable, match="no road"):
        follow(Scripted([RUNNING, *[outage] * PATIENCE, DONE]))


def test_a_refusal_ends_the_following_at_once() -> None:
    """Credentials that have expired do not come back."""
    with pytest.raises(CloudDenied):
        follow(Scripted([RUNNING, CloudDenied("expired"), DONE]))


# --- submitting -------------------------------------------------------------------------------------------------------


def submission(batch: Scripted, said: list[str] | None = None) -> Submission:
    request = {"jobName": "rk-1-1-abc", "jobQueue": "arn:q"}
    return Submission(batch, FakeClock(), request, (said if said is not None else []).append)


def test_an_answer_that_is_lost_submits_no_second_job() -> None:
    """The job is found by its name."""
    batch = Scripted([RUNNABLE], answers=[CloudUnavailable("lost, but taken")])
    assert "new" == submission(batch).submit()
    assert ["submit rk-1-1-abc"] == batch.done


def test_a_submission_that_never_arrived_is_repeated() -> None:
    """After some looks without finding it; a throttled one as well."""
    batch = Scripted([RUNNABLE], answers=[CloudUnavailable("lost"), CloudThrottled("slow down"), "second"])
    assert "second" == submission(batch).submit()
    assert 3 == len(batch.done)


def test_repetitions_are_bounded() -> None:
    """In the end it is an error that says what to do."""
    batch = Scripted([RUNNABLE], answers=[CloudUnavailable("lost")] * 9)
    with pytest.raises(CloudUnavailable, match="not known whether Batch took the job"):
        submission(batch).submit()


@pytest.mark.parametrize(
    ("state", "id_"),
    [(JobState.RUNNING, "j1"), (JobState.SUCCEEDED, "j1"), (JobState.FAILED, "fresh")],
)
def test_a_job_of_the_same_run_is_followed_unless_it_failed(state: JobState, id_: str) -> None:
    """The same step again does not pay twice; a failed one is meant to be tried again."""
    batch = Scripted(there=["j1"], beside={"j1": replace(RUNNABLE, state=state)}, answers=["fresh"])
    assert id_ == submission(batch).submit()


def test_an_interruption_while_submitting_finds_the_job() -> None:
    """What was submitted can then be ended."""
    batch = Scripted([RUNNABLE], answers=[KeyboardInterrupt("taken")])
    sent = submission(batch)
    with pytest.raises(KeyboardInterrupt):
        sent.submit()
    assert "new" == sent.found()


# --- ending -----------------------------------------------------------------------------------------------------------


def test_a_job_without_a_machine_is_cancelled_and_one_with_a_machine_terminated() -> None:
    """As Batch demands it."""
    waiting, running = Scripted([RUNNABLE]), Scripted([RUNNING])
    for batch in (waiting, running):
        assert cancel(batch, FakeClock(), "j1", "why") is not None
    assert (["cancel j1"], ["terminate j1"]) == (waiting.done, running.done)


def test_a_job_that_gets_its_machine_meanwhile_is_terminated() -> None:
    """Batch says that a cancellation succeeded, although it did nothing."""
    batch = Scripted([RUNNABLE, RUNNING])
    assert cancel(batch, FakeClock(), "j1", "why").state is JobState.FAILED  # type: ignore[union-attr]  # there is one
    assert "terminate j1" == batch.done[-1]


# --- what it came to --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exit_code", "reason", "container", "code", "words"),
    [
        (3, "Essential container in task exited", "", 3, "exit code 3"),
        (137, "Essential container in task exited", "OutOfMemoryError: Container killed", 137, "--memory"),
        (143, "Job attempt duration exceeded timeout", "", 143, "--timeout"),
        (None, "Task failed to start", "CannotPullContainerError: denied", 10, "CannotPullContainerError"),
        (None, "Host EC2 (instance i-0a) terminated.", "", 11, "took the job's machine"),
        (0, "stopped by somebody", "", 10, "stopped by somebody"),
        (None, "", "", 10, "AWS gives no reason"),
    ],
)
def test_the_exit_code_is_the_commands_own_or_ours_with_the_reason(
    exit_code: int | None, reason: str, container: str, code: int, words: str
) -> None:
    """A job that failed is never told as a success, whatever its container said."""
    job = replace(RUNNING, state=JobState.FAILED, exit_code=exit_code, reason=reason, container_reason=container)
    ended = outcome(job)
    assert code == ended.exit_code
    assert words in ended.text


def test_nobody_is_told_why_by_an_error_when_there_is_none() -> None:
    """A wait without any reason ends as a deadline."""
    batch = Scripted([RUNNABLE], compute_now=[replace(FINE, spot=False)])
    with pytest.raises(LeaseExpired, match="not asked EC2"):
        follow(batch)
