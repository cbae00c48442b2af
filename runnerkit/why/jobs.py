"""Where a job is, and what comes next: the first rule of the tables that holds. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.recovery import Reason, Recovery
from runnerkit.why.answers import Finding, Next, Verdict
from runnerkit.why.cases import QUEUE_LIMIT, Case, said
from runnerkit.why.failures import tried
from runnerkit.why.waiting import BEFORE_THE_QUEUE, QUEUED
from runnerkit.why.words import clock, span

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from runnerkit.model import Job
    from runnerkit.why.evidence import Evidence

NEARLY = timedelta(minutes=10)


def find(job: Job, evidence: Evidence, now: datetime) -> Finding:
    """The verdict about a job."""
    case = Case(job, evidence, now)
    rules = RULES.get(job.status, BEFORE_THE_QUEUE)
    return next(finding for rule in rules if (finding := rule(case)) is not None)


# --- over -------------------------------------------------------------------------------------------------------------


def _skipped(case: Case) -> Finding | None:
    if case.job.conclusion != "skipped":
        return None
    text = "was skipped: its `if` says no, or a job that it needs did not succeed"
    return Finding(Verdict.SKIPPED, f"{case.name} {text}")


def _done(case: Case) -> Finding | None:
    if case.job.conclusion not in {"success", "neutral"}:
        return None
    return Finding(Verdict.DONE, f"{case.name} ended with {case.job.conclusion}{_took(case.job)} on {case.machine}")


def _given_up(case: Case) -> Finding | None:
    job = case.job
    waited = job.completed_at - job.created_at if job.completed_at else timedelta(0)
    if job.runner_name or waited < QUEUE_LIMIT - NEARLY:
        return None
    text = f"{case.name} waited {span(waited.total_seconds())} for a runner, and GitHub gives up after 24 hours"
    return Finding(Verdict.GIVEN_UP, f"{text}{said(tried(case.job, case.evidence))}", (_again(case),))


def _interrupted(case: Case) -> Finding | None:
    if not case.evidence.is_interrupted(case.job):
        return None
    text = f"AWS took back {case.job.runner_name or 'its machine'} while {case.name} ran"
    return Finding(Verdict.INTERRUPTED, f"{text}; it ended as {case.job.conclusion}{_took(case.job)}", recovery(case))


def _cancelled(case: Case) -> Finding | None:
    if case.job.conclusion != "cancelled":
        return None
    hit = [job.id for job in case.evidence.jobs if _same_run(job, case.job) and case.evidence.is_interrupted(job)]
    if hit:
        text = f"{case.name} was cancelled with job {hit[0]} of the same run, whose machine AWS took back"
        return Finding(Verdict.CANCELLED, text, recovery(case))
    where = f" on {case.machine}" if case.job.runner_name else " before any machine took it"
    who = "by a person, by fail-fast or by its concurrency group"
    return Finding(Verdict.CANCELLED, f"{case.name} was cancelled{where}: {who}", (_again(case),))


def _failed(case: Case) -> Finding:
    where = f" on {case.machine}" if case.job.runner_name else ", and no runner had it"
    text = f"{case.name} ended with {case.job.conclusion}{_took(case.job)}{where}; AWS did not take the machine"
    page = Next(f"its log says why: {case.job.url}") if case.job.url else Next("its log at GitHub says why")
    return Finding(Verdict.FAILED, text, (page, Next("it is not run again: only what AWS interrupts is")))


def _took(job: Job) -> str:
    if not (job.started_at and job.completed_at and job.runner_name):
        return ""
    return f" after {span((job.completed_at - job.started_at).total_seconds())}"


def _same_run(job: Job, other: Job) -> bool:
    return job.run_id == other.run_id and job.repo.lower() == other.repo.lower()


def _again(case: Case) -> Next:
    return Next(f"nothing, until somebody runs it again: `gh run rerun --job {case.job.id} -R {case.job.repo}`")


def recovery(case: Case) -> tuple[Next, ...]:
    """What becomes of a run that AWS interrupted."""
    job, evidence = case.job, case.evidence
    again = [each for each in evidence.jobs if _same_run(each, job) and each.run_attempt > job.run_attempt]
    same = [each for each in again if each.name == job.name]
    if same:
        return (Next(f"it runs again already: job {same[0].id} (attempt {same[0].run_attempt}, {same[0].status})"),)
    run = evidence.runs.get(job.run_id)
    if run is not None and run.attempt > job.run_attempt:
        return (Next(f"run {run.id} goes on already, as attempt {run.attempt}"),)
    decided = evidence.recoveries.get(job.run_id)
    if isinstance(decided, Recovery):
        return _will_recover(decided)
    if run is not None and run.status != "completed":
        left = sum(each.status != "completed" for each in evidence.jobs if _same_run(each, job))
        text = f"the run goes on when it is over, GitHub refuses that before; {left} of its jobs are not over yet"
        return (Next(text),)
    if isinstance(decided, Reason):
        return (Next(f"it is not run again: {decided.text}"),)
    return (Next("whether it runs again could not be found out"),)


def _will_recover(decided: Recovery) -> tuple[Next, ...]:
    what = f"job {decided.job.id} alone" if decided.job else "its failed jobs"
    count = sum(wanted.count for wanted in decided.machines)
    first = f"launches {count} machine{'s' if count > 1 else ''} first, then " if count else ""
    controller = f"the next pass of a controller {first}runs {what} again, as attempt {decided.attempt}"
    return Next(controller), Next(f"without a controller: `runnerkit resume {decided.run.id} -r {decided.run.repo}`")


# --- under way --------------------------------------------------------------------------------------------------------


def _runs(case: Case) -> Finding:
    job = case.job
    since = f" since {clock(job.started_at, case.now)}" if job.started_at else ""
    there = [each for each in case.evidence.instances_named({(job.runner_name or "").lower()}) if each.live]
    if not there and (job.runner_name or "").lower() in case.evidence.lost():
        text = f"AWS took back {job.runner_name} while {case.name} ran"
        late = Next("GitHub notices within 10 minutes, then the job fails; the run goes on once it is over")
        return Finding(Verdict.INTERRUPTED, text, (late,))
    ends = next((each.expires_at for each in there), None)
    nexts = (Next("the machine's longest life ends", ends),) if ends else ()
    return Finding(Verdict.RUNS, f"{case.name} runs{since} on {case.machine}", nexts)


OVER = (_skipped, _done, _interrupted, _given_up, _cancelled, _failed)
RULES: dict[str, tuple[Callable[[Case], Finding | None], ...]] = {
    "completed": OVER,
    "in_progress": (_runs,),
    "queued": QUEUED,
}
