"""What a job that is over came to: an exit code, and words where the code alone would not say enough. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from runnerkit.batch.states import HOST_LOST, Job, JobState
from runnerkit.errors import JobError, RunnerkitError, SpotInterrupted

OUT_OF_MEMORY = "OutOfMemory"
TIMED_OUT = "attempt duration exceeded timeout"
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
_HINTS = (
    ("CannotPull", "check the image's name, and for a private registry --registry-secret or the instance profile"),
    ("CannotStartContainer", "the image has no such command, or it may not be executed"),
    ("CannotCreateContainer", "the container's settings do not fit the machine"),
    ("ResourceInitializationError", "check --secret-env, and what --execution-role may read"),
    ("unable to pull secrets", "check --secret-env, and what --execution-role may read"),
    (TIMED_OUT, "allow more time with --timeout"),
    (OUT_OF_MEMORY, "ask for more with --memory"),
)


class BatchJobFailed(JobError):
    """A job on Batch failed without an exit code of its command."""

    code = "batch-job-failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended: the command's own exit code, or an error of ours in its place."""

    exit_code: int
    text: str
    error: RunnerkitError | None = None


def outcome(job: Job) -> Outcome:
    """What a job that is over came to."""
    why = "; ".join(dict.fromkeys(part.rstrip(". ") for part in (job.reason, job.container_reason) if part))
    if job.state is JobState.SUCCEEDED:
        return Outcome(0, "the command ended well")
    hint = next((hint for part, hint in _HINTS if part in why), "")
    # A command that a signal found may still end well; the job has failed all the same.
    if job.exit_code:
        told = f"the command ended with exit code {job.exit_code}"
        known = any(part in why for part in (OUT_OF_MEMORY, TIMED_OUT))
        return Outcome(job.exit_code, f"{told}: {why}; {hint}" if known else told)
    error = _error(job, why or "AWS gives no reason", hint)
    return Outcome(error.exit_code, error.message, error)


def _error(job: Job, why: str, hint: str) -> RunnerkitError:
    if job.reason.startswith(HOST_LOST):
        times = len(job.attempts)
        often = f" {times} times" if times > 1 else ""
        return SpotInterrupted(
            f"AWS took the job's machine{often}: {why}",
            hint="run it again, allow more --retries, or use --on-demand",
        )
    return BatchJobFailed(f"the job failed: {why}", hint=hint)
